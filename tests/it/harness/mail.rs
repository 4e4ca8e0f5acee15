//! A real mail server, and certificates for it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::process::Process;
use super::repository;

/// How long a mail may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The name and the password that a server which asks for them takes.
pub(crate) const USER: &str = "cedargate";
pub(crate) const MAIL_PASSWORD: &str = "relay Secret, 7";

/// A mail server on this machine. Dropped, it is killed.
pub(crate) struct MailServer {
    process: Process,
    pub(crate) port: u16,
}

/// A mail as the server took it.
#[derive(Debug)]
pub(crate) struct Taken(pub(crate) Value);

impl MailServer {
    /// Starts one with these flags of `tests/judges/smtp_server.py`.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(repository(".venv/bin/python"));
        command.arg(repository("tests/judges/smtp_server.py")).args(flags).env("PYTHONDONTWRITEBYTECODE", "1");
        let process = Process::start("smtp server", &mut command);
        let port = process.wait_for("listening on ", PATIENCE).unwrap_or_else(|log| panic!("{log}"));
        Self { process, port: port.parse().unwrap() }
    }

    /// The next mail.
    pub(crate) fn next(&self) -> Taken {
        let mail = self.process.wait_for("mail {", PATIENCE).unwrap_or_else(|log| panic!("{log}"));
        Taken(serde_json::from_str(&format!("{{{mail}")).unwrap())
    }

    /// The next mail whose subject holds `words`; others are passed over.
    pub(crate) fn next_about(&self, words: &str) -> Taken {
        loop {
            let mail = self.next();
            if mail.header("Subject").contains(words) {
                return mail;
            }
        }
    }

    /// Waits until the server says so.
    pub(crate) fn wait_for(&self, words: &str) {
        self.process.wait_for(words, PATIENCE).unwrap_or_else(|log| panic!("{log}"));
    }

    /// All that it took so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

impl Taken {
    pub(crate) fn to(&self) -> &str {
        assert_eq!(self.0["to"].as_array().unwrap().len(), 1);
        self.0["to"][0].as_str().unwrap()
    }

    /// The one header of this name.
    pub(crate) fn header(&self, name: &str) -> &str {
        let all: Vec<_> = self.0["headers"].as_array().unwrap().iter().filter(|header| header[0] == name).collect();
        assert_eq!(all.len(), 1, "{name}: {self:?}");
        all[0][1].as_str().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        self.0["text"].as_str().unwrap()
    }

    pub(crate) fn html(&self) -> &str {
        self.0["html"].as_str().unwrap()
    }
}

/// A certificate for this machine and its key, as files.
pub(crate) struct Certified {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    _folder: TempDir,
}

impl Certified {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("cedargate-mail-").tempdir().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (certificate, key) = (folder.path().join("mail.crt.pem"), folder.path().join("mail.key.pem"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        Self { certificate, key, _folder: folder }
    }

    /// The flags by which a mail server has it.
    pub(crate) fn flags(&self) -> [&str; 4] {
        ["--certificate", self.certificate.to_str().unwrap(), "--key", self.key.to_str().unwrap()]
    }
}
