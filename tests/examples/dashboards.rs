//! Writes `grafana/dashboards/*.json` anew, out of `grafana/source/*.yaml` and the runbook: `make dashboards`.

fn main() -> std::io::Result<()> {
    for (name, text) in stack::dashboards::files() {
        std::fs::write(stack::dashboards::path(name), text)?;
    }
    Ok(())
}
