// A line through all charts at the pointer, and the values there.
const values = JSON.parse(document.getElementById("values").textContent);
const reading = document.getElementById("reading");
const charts = [...document.querySelectorAll("svg")];
const [left, right, width] = [56, 16, 960];
const words = ([, at, load, served, perPod, desired, ready, latency, failed]) => [
  `load ${load}/s, answered ${served}/s`,
  perPod === null ? null : `per pod ${perPod}/s`,
  `replicas ${ready} ready of ${desired}`,
  latency === null ? null : `latency p50 / p99 ${latency}`,
  failed ? `failed ${failed}` : null,
].filter(Boolean).join("\n");
function show(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * width;
  const second = (x - left) / (width - left - right) * values.span;
  if (second < 0 || second > values.span) return hide();
  const rows = values.runs.map(({ name, rows }) => ({ name, row: rows.findLast((row) => row[0] <= second) ?? rows[0] }));
  for (const chart of charts) chart.querySelector(".cursor").setAttribute("d", `M${x} 10V166`);
  const named = values.runs.length > 1;
  reading.textContent = rows.filter(({ row }) => row).map(({ name, row }) => `${row[1]}${named ? "  " + name : ""}\n${words(row)}`).join("\n\n");
  reading.hidden = false;
}
function hide() {
  for (const chart of charts) chart.querySelector(".cursor").setAttribute("d", "");
  reading.hidden = true;
}
for (const chart of charts) {
  chart.addEventListener("pointermove", show);
  chart.addEventListener("pointerleave", hide);
}
