//! `promtool`.

use std::path::Path;
use std::process::Command;

/// The files of rules that have alerts; each has its tests under the same name.
pub(crate) const ALERTS: [&str; 4] = ["slo", "autoscaling", "api", "targets"];

/// Whether `promtool` says yes to these arguments, in this folder, and all that it says.
pub(crate) fn promtool(folder: &Path, args: &[&str]) -> (bool, String) {
    let out = Command::new("promtool").args(args).current_dir(folder).output().expect("promtool: `make tools`");
    let said = [out.stdout, out.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (out.status.success(), said)
}
