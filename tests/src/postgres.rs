//! A Postgres as the image prepares one: user postgres, whose password is asked for, on a free port of loopback.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::processes::free_port;

pub struct Postgres {
    pub port: u16,
    password: String,
    folder: tempfile::TempDir,
    /// Ends the server when its input closes, however the test ends.
    watchdog: Child,
}

fn bin() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("Postgres is installed under /usr/lib/postgresql; `make test` installs it on Debian")
        .map(|entry| entry.unwrap().path().join("bin"))
        .filter(|path| path.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().expect("a Postgres server is installed")
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// Postgres refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

fn run(command: &mut Command) {
    // Not captured: a server that pg_ctl starts would hold the pipe open.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

impl Postgres {
    pub fn start(password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, secret) = (folder.path().join("data"), folder.path().join("password"));
        std::fs::write(&secret, password).unwrap();
        // Of a folder that is gone with the test; the user postgres has to come in.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        if is_root() {
            run(Command::new("chown").arg("-R").arg("postgres").arg(folder.path()));
        }
        let mut initdb = as_postgres(&bin().join("initdb"));
        run(initdb
            .args(["--username=postgres", "--auth=scram-sha-256", "--no-sync", "-D"])
            .arg(&data)
            .arg("--pwfile")
            .arg(&secret));
        let stop = format!(
            "cat > /dev/null; {}/pg_ctl -D {} stop -m immediate > /dev/null 2>&1",
            bin().display(),
            data.display()
        );
        let watchdog = as_postgres(Path::new("sh"))
            .args(["-c", &stop])
            .stdin(Stdio::piped())
            // Ctrl-C ends the tests; this has to outlive them.
            .process_group(0)
            .spawn()
            .unwrap();
        let port = free_port(Ipv4Addr::LOCALHOST.into());
        let options =
            format!("-c fsync=off -c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories=''");
        let mut start = as_postgres(&bin().join("pg_ctl"));
        run(start.arg("-D").arg(&data).arg("-l").arg(folder.path().join("log")).args(["-w", "-o", &options, "start"]));
        Self { port, password: password.to_owned(), folder, watchdog }
    }

    /// A program that finds Postgres' own.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path());
        command
    }

    /// How its administrator comes in, for whom the image's socket asks for no password.
    pub fn environment(&self) -> [(&'static str, String); 4] {
        let path = format!("{}:/usr/bin:/bin", bin().display());
        [
            ("PATH", path),
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.to_string()),
            ("PGPASSWORD", self.password.clone()),
        ]
    }

    /// What a statement of the administrator gives, unaligned.
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = self.command("psql");
        psql.envs(self.environment()).args(["-XAt", "--set=ON_ERROR_STOP=1", "--username=postgres", "-c", statement]);
        let out = psql.output().unwrap();
        assert!(out.status.success(), "{statement}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
