//! A real Redis server that lives as long as a test. The tests of the library use it too, so it needs nothing but
//! [`super::process`].

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, run};

/// How long a server may take to start, or to load what it holds.
const START: Duration = Duration::from_secs(30);

/// What every server of the tests is configured with: what it has answered is on disk.
const CONFIG: &str = "bind 127.0.0.1\nappendonly yes\nappendfsync always\nsave \"\"\ndaemonize no\n";

/// A Redis server on a port of its own. Dropped, it is killed and its folder removed.
pub(crate) struct Redis {
    // Before the folder: fields are dropped in this order. The mutex lets threads share the server; nobody locks it.
    process: Mutex<Option<Process>>,
    port: u16,
    tls: bool,
    folder: TempDir,
}

impl Redis {
    /// A server that keeps everything.
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// The same with more lines of configuration.
    pub(crate) fn with(lines: &str) -> Self {
        Self::configured(lines, false)
    }

    /// A server that speaks TLS only, for `localhost` and 127.0.0.1; [`Self::ca_file`] signs its certificate.
    pub(crate) fn tls(lines: &str) -> Self {
        Self::configured(lines, true)
    }

    fn configured(lines: &str, tls: bool) -> Self {
        let mut folder = tempfile::Builder::new().prefix("cedargate-redis-").tempdir().unwrap();
        if tls {
            let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
            let signed = rcgen::generate_simple_self_signed(names).unwrap();
            fs::write(folder.path().join("server.crt"), signed.cert.pem()).unwrap();
            fs::write(folder.path().join("server.key"), signed.signing_key.serialize_pem()).unwrap();
        }
        let mut failure = String::new();
        // Redis takes no port 0, and somebody else may take the port in between: then another one is tried.
        for _ in 0..3 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut config = format!("{CONFIG}dir {}\n{lines}\n", folder.path().display());
            if tls {
                let files = "tls-cert-file server.crt\ntls-key-file server.key\ntls-ca-cert-file server.crt";
                config.push_str(&format!("port 0\ntls-port {port}\ntls-auth-clients no\n{files}\n"));
            } else {
                config.push_str(&format!("port {port}\n"));
            }
            fs::write(folder.path().join("redis.conf"), config).unwrap();
            let mut redis = Self { process: Mutex::default(), port, tls, folder };
            match redis.try_start() {
                Ok(()) => return redis,
                Err(log) => failure = log,
            }
            folder = redis.folder;
        }
        panic!("{failure}");
    }

    fn try_start(&mut self) -> Result<(), String> {
        let mut command = Command::new("redis-server");
        command.arg("redis.conf").current_dir(self.folder.path());
        let process = Process::start("redis-server", &mut command);
        process.wait_for("Ready to accept connections", START)?;
        *self.process.get_mut().unwrap() = Some(process);
        Ok(())
    }

    /// What `state.url` says of it.
    pub(crate) fn url(&self) -> String {
        format!("redis{}://127.0.0.1:{}", if self.tls { "s" } else { "" }, self.port)
    }

    /// The same as a user with a password.
    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        self.url().replace("://", &format!("://{user}:{password}@"))
    }

    /// What `state.ca_file` says of a server with TLS.
    pub(crate) fn ca_file(&self) -> std::path::PathBuf {
        self.folder.path().join("server.crt")
    }

    /// Kills it, as a crash does.
    pub(crate) fn stop(&mut self) {
        *self.process.get_mut().unwrap() = None;
    }

    /// Starts it again on the same port, with what it held; kills it before, if it still runs.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.try_start().unwrap_or_else(|log| panic!("{log}"));
    }

    /// What `redis-cli` answers, as the user without a password who may do everything.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--raw"]);
        if self.tls {
            command.arg("--tls").arg("--cacert").arg(self.ca_file());
        }
        let said = run(command.args(arguments), b"");
        assert!(said.ok, "redis-cli {arguments:?}: {}{}", said.out, said.err);
        said.out.trim_end().to_owned()
    }
}
