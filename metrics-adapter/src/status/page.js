"use strict";
// Without this the page is whole; with it, it stays up to date and filters as one types.
(() => {
  const form = document.querySelector("form"), box = form.elements.filter, state = form.elements.state;
  const live = document.querySelector(".live");
  let paused = false, away = 0, typed = 0;
  form.querySelector("button").hidden = true;
  const pause = document.createElement("button");
  pause.type = "button";
  pause.textContent = "Pause";
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) refresh();
  });
  form.insertBefore(pause, live);
  const address = () => {
    const query = new URLSearchParams();
    if (box.value) query.set("filter", box.value);
    if (state.value) query.set("state", state.value);
    const text = query.toString();
    return location.pathname + (text ? "?" + text : "");
  };
  const refresh = async () => {
    try {
      const asked = address();
      const answer = await fetch(asked, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // Whoever has typed meanwhile asks again.
      if (asked !== address()) return;
      document.querySelector("main").replaceWith(page.querySelector("main"));
      document.querySelector("h1").replaceWith(page.querySelector("h1"));
      document.title = page.title;
      away = 0;
      live.textContent = paused ? "paused" : "up to date";
    } catch {
      away = away || Date.now();
      live.textContent = "no answer for " + Math.round((Date.now() - away) / 1000) + " s; trying again";
    }
  };
  const change = () => {
    history.replaceState(null, "", address());
    clearTimeout(typed);
    typed = setTimeout(refresh, 120);
  };
  box.addEventListener("input", change);
  state.addEventListener("change", change);
  form.addEventListener("submit", (event) => { event.preventDefault(); change(); });
  live.textContent = "up to date";
  setInterval(() => { if (!paused && !document.hidden) refresh(); }, 2000);
})();
