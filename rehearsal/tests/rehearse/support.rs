//! The command and what it is given.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The HPA of the repository.
pub(crate) fn real_world_hpa() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/real-world-hpa.yaml")
}

pub(crate) fn rehearse() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
    for sibling in ["conduit", "metrics-adapter"] {
        let path = Path::new(env!("CARGO_BIN_EXE_rehearse")).with_file_name(sibling);
        assert!(path.is_file(), "{} is missing: run the tests with --workspace", path.display());
    }
    command.env_remove("DATABASE_URL");
    command
}

/// Runs it in an empty folder.
pub(crate) fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    rehearse().args(arguments).current_dir(&folder).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with files of these names and contents.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// The HPA of the repository with one text replaced by another.
pub(crate) fn changed(from: &str, to: &str) -> String {
    let text = fs::read_to_string(real_world_hpa()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// A rehearsal that runs, its lines as they come. It is ended with the test.
pub(crate) struct Running {
    child: Mutex<Child>,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) folder: tempfile::TempDir,
}

impl Running {
    /// On free ports, its data in a folder of its own, under the HPA of the repository with CPU out of the way: what a
    /// replica burns here, built without optimization on a machine that has other work, is no measure of the load.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_in(folder(&[]), arguments)
    }

    /// The same in a folder where something is already.
    pub(crate) fn start_in(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let requests = changed("averageUtilization: 75", "averageUtilization: 1000");
        fs::write(folder.path().join("hpa.yaml"), requests).unwrap();
        let hpa = folder.path().join("hpa.yaml");
        let mut child = rehearse()
            .args(["--hpa", hpa.to_str().unwrap(), "--port", "0", "--adapter-port", "0", "--adapter-ops-port", "0"])
            .args(arguments)
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let output = BufReader::new(child.stdout.take().unwrap());
        let shared = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                shared.lock().unwrap().push(line);
            }
        });
        Self { child: Mutex::new(child), lines, folder }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The first line that holds that text, once it is there.
    #[track_caller]
    pub(crate) fn wait_for(&self, wanted: &str, within: Duration) -> String {
        self.wait_for_after(0, wanted, within)
    }

    /// The same, of the lines from that place on.
    #[track_caller]
    pub(crate) fn wait_for_after(&self, place: usize, wanted: &str, within: Duration) -> String {
        let begun = Instant::now();
        loop {
            let lines = self.lines();
            if let Some(line) = lines.iter().skip(place).find(|line| line.contains(wanted)) {
                return line.clone();
            }
            let over = self.child.lock().unwrap().try_wait().unwrap().is_some() && lines == self.lines();
            assert!(!over, "it ended without `{wanted}`:\n{}", lines.join("\n"));
            assert!(begun.elapsed() < within, "no `{wanted}` after {within:?} in\n{}", lines.join("\n"));
            // The last lines of one that ends are on their way through the pipe.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its exit code, once it has ended by itself.
    #[track_caller]
    pub(crate) fn ends(&self, within: Duration) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                // The last lines are on their way through the pipe.
                std::thread::sleep(Duration::from_millis(100));
                return status.code().unwrap_or(-1);
            }
            assert!(begun.elapsed() < within, "it still runs after {within:?}:\n{}", self.lines().join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        kill(signal, self.id());
    }

    /// The processes that it started and that still run, by their command lines.
    pub(crate) fn children(&self) -> Vec<(u32, String)> {
        let folder = self.folder.path().to_string_lossy().into_owned();
        processes_of(&folder)
    }

    /// What the lines say of `curl -s http://127.0.0.1:…`.
    pub(crate) fn door(&self) -> String {
        let line = self.wait_for("curl -s 'http", Duration::from_mins(1));
        let url = line.split('\'').nth(1).unwrap();
        url.split("/api/").next().unwrap().to_owned()
    }

    pub(crate) fn adapter(&self) -> String {
        let line = self.wait_for("top pods", Duration::from_mins(1));
        line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap();
        child.kill().ok();
        child.wait().ok();
    }
}

pub(crate) fn kill(signal: &str, process: u32) {
    Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
}

/// Processes whose environment or command line names the folder.
pub(crate) fn processes_of(folder: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let read = |name: &str| fs::read(entry.path().join(name)).map(|bytes| text(&bytes)).unwrap_or_default();
        let (command, environment) = (read("cmdline"), read("environ"));
        let own = command.contains("rehearse\0") && !command.contains("guard");
        if (command.contains(folder) || environment.contains(folder)) && !own {
            found.push((process, command.replace('\0', " ")));
        }
    }
    found
}
