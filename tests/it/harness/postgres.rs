//! A real PostgreSQL of the tests, on a free port of the loopback, in a folder of its own. It stands alone, because the tests
//! of the library use it too. Whatever becomes of the test's process, a shell that waits for its end stops the server.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Has what has to be escaped in an address.
pub(crate) const PASSWORD: &str = "p@ss/word: 7";
const PASSWORD_IN_URL: &str = "p%40ss%2Fword:%207";
/// Who owns everything in the server.
pub(crate) const USER: &str = "cedargate";

/// Ends the server and removes the folder when the pipe to the test's process closes.
const LIFELINE: &str = r#"trap '' INT TERM HUP; cat >/dev/null
pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -CONT "$pid" && kill -QUIT "$pid"
while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -rf "$0""#;

/// A running server.
pub(crate) struct Postgres {
    folder: PathBuf,
    binaries: PathBuf,
    pub(crate) port: u16,
    settings: Vec<String>,
    /// Dropped, it ends the server.
    lifeline: Child,
    databases: AtomicU32,
}

/// A database of its own, which goes away with it.
pub(crate) struct OwnDatabase<'s> {
    server: &'s Postgres,
    name: String,
}

impl Postgres {
    /// The server that tests share which do not stop it: one for the process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// Starts a server; `settings` as in postgresql.conf. What a setting names lies in [`Self::folder`], so `{folder}` stands
    /// for that.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, |_| ())
    }

    /// The same, after `prepare` has written to the folder what the settings name.
    pub(crate) fn start_with(settings: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::Builder::new().prefix("cedargate-pg-").tempdir().unwrap().keep();
        let lifeline = Command::new("sh")
            .args(["-c", LIFELINE])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        prepare(&folder);
        fs::write(folder.join("password"), PASSWORD).unwrap();
        give_away(&folder);
        let settings = settings.iter().map(|setting| setting.replace("{folder}", folder.to_str().unwrap())).collect();
        let mut server =
            Self { binaries: binaries(), folder, port: 0, settings, lifeline, databases: AtomicU32::new(0) };
        // A locale whose order is another than that of bytes: what we rely on must not hang on the server's.
        server.run(
            "initdb",
            &["-D", "data", "-U", USER, "--pwfile=password", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"],
            &["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"],
        );
        // The port is free now; somebody else may take it before the server does.
        let mut said = String::new();
        for _ in 0..3 {
            server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match server.try_resume() {
                Ok(()) => return server,
                Err(error) => said = error,
            }
        }
        panic!("PostgreSQL does not start: {said}");
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a database.
    pub(crate) fn database(&self) -> OwnDatabase<'_> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("people {number}");
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        OwnDatabase { server: self, name }
    }

    /// Runs a statement, and gives what it prints.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let url = self.url(database).replace(' ', "%20");
        self.run("psql", &["-XqtA", "-v", "ON_ERROR_STOP=1", "-c", statement], &[&url]).trim().to_owned()
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    /// Ends it at once, as a crash would: every connection breaks, none is accepted.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["-D", "data", "-w", "-m", "immediate", "stop"], &[]);
    }

    /// Starts it again after [`Self::stop`], on the same port.
    pub(crate) fn resume(&self) {
        self.try_resume().unwrap();
    }

    fn try_resume(&self) -> Result<(), String> {
        let mut options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{}' -c fsync=off -c max_connections=200",
            self.port,
            self.folder.display()
        );
        for setting in &self.settings {
            options.push_str(&format!(" -c {setting}"));
        }
        self.try_run("pg_ctl", &["-D", "data", "-l", "log", "-w", "-t", "60", "-o", &options, "start"], &[]).map(drop)
    }

    /// Stops every process of it without ending one: connections stay open, and nobody answers.
    pub(crate) fn freeze(&self) -> Frozen {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        signal("-STOP", &[&pid]);
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &pid]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let mut pids: Vec<String> = children.split_whitespace().map(str::to_owned).collect();
        pids.push(pid);
        let all: Vec<&str> = pids.iter().map(String::as_str).collect();
        signal("-STOP", &all);
        Frozen { pids }
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn run(&self, tool: &str, arguments: &[&str], more: &[&str]) -> String {
        self.try_run(tool, arguments, more).unwrap_or_else(|said| panic!("{said}\n{}", self.log()))
    }

    /// Runs a tool as the user that PostgreSQL accepts: it refuses root.
    fn try_run(&self, tool: &str, arguments: &[&str], more: &[&str]) -> Result<String, String> {
        let path = self.binaries.join(tool);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        let done = command.args(arguments).args(more).current_dir(&self.folder).stdin(Stdio::null()).output();
        let done = done.unwrap_or_else(|error| panic!("`{tool}` does not start: {error}; `make tools` installs it"));
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        if done.status.success() {
            return Ok(said);
        }
        Err(format!("`{tool}` failed: {said}{}", String::from_utf8_lossy(&done.stderr)))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.lifeline.stdin.take());
        // It ends when the server has ended.
        let _ = self.lifeline.wait();
    }
}

impl OwnDatabase<'_> {
    /// Its address, with the password.
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name).replace(' ', "%20")
    }

    /// Runs a statement in it, and gives what it prints.
    pub(crate) fn sql(&self, statement: &str) -> String {
        self.server.sql(&self.name, statement)
    }
}

impl Drop for OwnDatabase<'_> {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        // The server may be down by then, and its folder goes away anyway.
        let _ = self.server.try_run(
            "psql",
            &["-XqtA", "-c", &statement],
            &[&self.server.url("postgres").replace(' ', "%20")],
        );
    }
}

/// Goes on when dropped.
pub(crate) struct Frozen {
    pids: Vec<String>,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let all: Vec<&str> = self.pids.iter().map(String::as_str).collect();
        signal("-CONT", &all);
    }
}

/// Processes may have ended meanwhile, so what `kill` says of them does not count.
fn signal(name: &str, pids: &[&str]) {
    Command::new("kill").arg(name).args(pids).stderr(Stdio::null()).status().unwrap();
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Hands folder and files to the user that the server runs as.
fn give_away(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    if !is_root() {
        return;
    }
    let id = |what: &str| {
        let said = Command::new("id").args([what, "postgres"]).output().unwrap();
        let id = String::from_utf8(said.stdout).unwrap().trim().parse::<u32>();
        id.expect("there is no user `postgres`; `make tools` installs PostgreSQL")
    };
    let (user, group) = (id("-u"), id("-g"));
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in files.chain([folder.to_owned()]) {
        chown(path, Some(user), Some(group)).unwrap();
    }
}

/// The folder with all the tools: Debian keeps it off the path, one for each version.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.map(|entry| entry.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.sort();
    let has_all = |folder: &&PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|tool| folder.join(tool).exists());
    folders.iter().rfind(has_all).cloned().expect("there is no PostgreSQL; `make tools` installs it")
}

/// A certificate authority, and the server's certificate for `name` from it, in the files that `ssl_cert_file` and
/// `ssl_key_file` name.
pub(crate) fn write_certificates(folder: &Path, name: &str) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    for (file, text) in [
        ("ca.pem", authority_certificate.pem()),
        ("server.pem", certificate.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let mut out = fs::File::create(folder.join(file)).unwrap();
        out.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        out.write_all(text.as_bytes()).unwrap();
    }
}
