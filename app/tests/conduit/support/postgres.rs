use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A Postgres server of our own, on a free port of loopback, gone when it is dropped or when the tests
/// end, however they end.
pub(crate) struct Cluster {
    folder: PathBuf,
    pub(crate) port: u16,
    watchdog: Child,
}

/// The one that tests share which leave it in peace.
pub(crate) fn shared_postgres() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    // Without syncing: what a crash of the machine would lose is of no use to anybody.
    SHARED.get_or_init(|| Cluster::start("-c fsync=off -c max_connections=400"))
}

fn bin() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("Postgres is installed under /usr/lib/postgresql; `make test` installs it on Debian")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("bin/initdb").exists())
        .collect();
    versions.sort();
    versions.pop().expect("a Postgres server is installed").join("bin")
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

fn is_root() -> bool {
    let out = Command::new("id").arg("-u").output().unwrap();
    out.stdout == b"0\n"
}

fn run(command: &mut Command) {
    // Not captured: a server that pg_ctl starts would hold the pipe open.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

impl Cluster {
    /// Starts a server with these options of `postgres`.
    pub(crate) fn start(options: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("conduit-tests-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        let data = folder.join("data");
        run(as_postgres(&Self::bin().join("initdb")).args(["-U", "conduit", "-A", "trust", "-D"]).arg(&data));
        let watchdog = as_postgres(Path::new("sh"))
            .arg("-c")
            .arg(format!(
                "cat > /dev/null; {}/pg_ctl -D {} stop -m immediate > /dev/null 2>&1; rm -rf {}",
                bin().display(),
                data.display(),
                folder.display()
            ))
            .stdin(Stdio::piped())
            // Ctrl-C ends the tests; this has to outlive them.
            .process_group(0)
            .spawn()
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!("port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n");
        let file = data.join("postgresql.conf");
        let written = std::fs::read_to_string(&file).unwrap() + &settings;
        std::fs::write(&file, written).unwrap();
        let cluster = Self { folder, port, watchdog };
        cluster.up(options);
        cluster
    }

    fn ctl(&self) -> Command {
        let mut command = as_postgres(&Self::bin().join("pg_ctl"));
        command.arg("-D").arg(self.folder.join("data")).arg("-l").arg(self.folder.join("log")).arg("-w");
        command
    }

    /// Starts it again.
    pub(crate) fn up(&self, options: &str) {
        run(self.ctl().arg("-o").arg(options).arg("start"));
    }

    /// Stops it as an operator would.
    pub(crate) fn down(&self) {
        run(self.ctl().args(["-m", "fast", "stop"]));
    }

    /// Ends it as a power failure would.
    pub(crate) fn crash(&self) {
        run(self.ctl().args(["-m", "immediate", "stop"]));
    }

    /// The process that all others of it are children of.
    pub(crate) fn pid(&self) -> String {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        file.lines().next().unwrap().to_owned()
    }

    /// Stops (`STOP`) or continues (`CONT`) all its processes: it is there and does not answer.
    pub(crate) fn signal_all(&self, signal: &str) {
        let pid = self.pid();
        let children = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        run(Command::new("kill").arg(format!("-{signal}")).arg(&pid).args(children.split_whitespace()));
    }

    /// From now on users have to prove who they are.
    pub(crate) fn require_passwords(&self) {
        std::fs::write(self.folder.join("data/pg_hba.conf"), "host all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        run(self.ctl().arg("reload"));
    }

    /// The address of a database in it, which need not exist.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://conduit@127.0.0.1:{}/{database}", self.port)
    }

    /// A name that no other test uses.
    pub(crate) fn fresh_name() -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
    }

    /// Runs SQL with psql and gives back what it prints, unaligned.
    pub(crate) fn psql(&self, database: &str, sql: &str) -> String {
        let out = Command::new(Self::bin().join("psql"))
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql])
            .output()
            .unwrap();
        assert!(out.status.success(), "{sql}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    /// Where `pgbench` and `psql` are.
    pub(crate) fn bin() -> PathBuf {
        bin()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
