use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder for data and logs. It goes when it is dropped or when the benchmark ends, however it ends;
/// after a failure it stays, for its logs.
pub(crate) struct Folder {
    path: PathBuf,
    watchdog: Child,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("conduit-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let watchdog = Command::new("sh")
            .args(["-c", "read -r verdict; [ \"$verdict\" = keep ] || rm -rf \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            // Ctrl-C is meant for the benchmark; this outlives it.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { path, watchdog }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(mut watchdog) = self.watchdog.stdin.take()
            && std::thread::panicking()
        {
            let _ = watchdog.write_all(b"keep\n");
        }
        let _ = self.watchdog.wait();
    }
}
