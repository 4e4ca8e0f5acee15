//! The real `cedargate serve` in a folder of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use url::Url;

use super::client::Client;
use super::people::{self, Person};
use super::process::{Process, Said, run};
use super::repository;

/// How long a debug build may take to create its databases and keys on a busy machine.
const START: Duration = Duration::from_secs(60);

/// The address the harness sends from when a test pretends one: config trusts the loopback as a proxy.
pub(crate) mod from {
    /// The network `office`.
    pub(crate) const OFFICE: &str = "203.0.113.7";
    /// The network `blocked`.
    pub(crate) const BLOCKED: &str = "198.51.100.66";
    /// No named network.
    pub(crate) const ELSEWHERE: &str = "192.0.2.44";
}

/// The role and the provider of the AWS account in [`CONFIG`].
pub(crate) const ROLE_DEV: &str = "arn:aws:iam::123456789012:role/Dev";
pub(crate) const ROLE_ADMIN: &str = "arn:aws:iam::123456789012:role/Admin";
pub(crate) const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/cedargate";

/// What every server of the tests is configured with; `{address}` and `{acs}` are filled in.
const CONFIG: &str = r#"
[server]
listen = "{address}"
public_url = "http://{address}"
trusted_proxies = ["127.0.0.1/32"]
secret_file = "var/secret"

[organisation]
name = "Example Works"
contact = "it@example.com"

[state]
url = "embedded:var/state.db"

[accounts]
url = "sqlite:var/accounts.db"

[policies]
path = "policies"

[saml]
keys = "var/keys"

[groups]
aws-users = "may open AWS"
aws-admins = "may become Admin in AWS"
contractors = "work for us from outside"

[networks]
office = ["203.0.113.0/24"]
vpn = ["203.0.114.0/24"]
blocked = ["198.51.100.0/24"]

[country_lists]
blocked = ["KP"]

[[apps]]
id = "aws"
name = "AWS Production"
preset = "aws"
device_limit = 3
role_session_name = "email"
session_duration = 3600
roles = [
  { name = "Dev", role_arn = "arn:aws:iam::123456789012:role/Dev", provider_arn = "arn:aws:iam::123456789012:saml-provider/cedargate" },
  { name = "Admin", role_arn = "arn:aws:iam::123456789012:role/Admin", provider_arn = "arn:aws:iam::123456789012:saml-provider/cedargate" },
]

[[apps]]
id = "wiki"
name = "Wiki"
entity_id = "https://wiki.example.com/saml"
acs = ["{acs}"]
sign = "both"
name_id = "persistent"
attributes = { mail = "email", groups = "groups", name = "display_name" }
relay_states = { handbook = "/handbook" }

[[apps]]
id = "archive"
name = "Archive"
entity_id = "https://archive.example.com/saml"
acs = ["https://archive.example.com/acs", "https://archive.example.com/acs2"]
sign = "response"
name_id = "emailAddress"
attributes = { mail = "email" }
idp_initiated = false
"#;

/// Who may open the apps that the shipped policies do not know.
const POLICIES: &str = r#"
@id("test.archive") @description("Everybody may read the archive.")
permit (principal in Group::"everyone", action == Action::"signIn", resource == App::"archive");
"#;

/// A running server and everything it owns. Dropped, it is killed and its folder removed.
pub(crate) struct Server {
    pub(crate) url: Url,
    // Before the folder: fields are dropped in this order, and the process writes there.
    process: Option<Process>,
    folder: TempDir,
    /// The people who were imported.
    pub(crate) people: Vec<Person>,
}

/// What is special about the server of one test.
#[derive(Default)]
pub(crate) struct Setup {
    acs: Option<String>,
    replaced: Vec<(String, String)>,
    https: bool,
    arguments: Vec<String>,
}

impl Setup {
    /// The wiki is reached at `acs`.
    pub(crate) fn wiki_at(mut self, acs: &str) -> Self {
        self.acs = Some(acs.to_owned());
        self
    }

    /// The settings say `new` instead of `old`.
    pub(crate) fn replace(mut self, old: &str, new: &str) -> Self {
        self.replaced.push((old.to_owned(), new.to_owned()));
        self
    }

    /// The server is started with a further argument.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The server speaks https with the certificate `tls.crt.pem` and its key `tls.key.pem`, which `files` writes into its
    /// folder.
    pub(crate) fn https(mut self) -> Self {
        self.https = true;
        self.replace(
            "public_url = \"http://",
            "tls_certificate = \"tls.crt.pem\"\ntls_key = \"tls.key.pem\"\npublic_url = \"https://",
        )
    }

    /// Writes the folder, imports everybody through the command line, and starts.
    pub(crate) fn start(self) -> Server {
        let folder = tempfile::Builder::new().prefix("cedargate-it-").tempdir().unwrap();
        copy_folder(&repository("policies"), &folder.path().join("policies"));
        fs::write(folder.path().join("policies/90-test.cedar"), POLICIES).unwrap();
        let people = people::everybody();
        fs::write(folder.path().join("people.csv"), people::csv(&people)).unwrap();

        // Issuer and addresses hold the port, so it has to be known before the server binds it. Somebody else may take it in
        // between: then another one is tried.
        let mut failure = String::new();
        for _ in 0..3 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let acs = self.acs.as_deref().unwrap_or("https://wiki.example.com/acs");
            let mut config = CONFIG.to_owned();
            for (old, new) in &self.replaced {
                assert!(config.contains(old), "the settings of the tests do not hold `{old}`");
                config = config.replace(old, new);
            }
            let config = config.replace("{address}", &address).replace("{acs}", acs);
            if self.https {
                write_certificate(folder.path());
            }
            fs::write(folder.path().join("config.toml"), config).unwrap();
            let said = cedargate(folder.path(), &["users", "import", "people.csv"]);
            assert!(said.ok || !failure.is_empty(), "the import failed: {}{}", said.out, said.err);
            match serve(folder.path(), &self.arguments) {
                Ok((process, url)) => {
                    let scheme = if self.https { "https" } else { "http" };
                    assert_eq!(url.as_str(), format!("{scheme}://{address}/"), "it listens where config says");
                    return Server { url, process: Some(process), folder, people };
                }
                Err(log) => failure = log,
            }
        }
        panic!("{failure}");
    }
}

/// A new self-signed certificate for the loopback, and its key, in the folder of a server. Gives the certificate.
pub(crate) fn write_certificate(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    for (name, text) in [("tls.crt.pem", made.cert.pem()), ("tls.key.pem", made.signing_key.serialize_pem())] {
        fs::write(folder.join(format!("{name}.new")), text).unwrap();
        fs::set_permissions(folder.join(format!("{name}.new")), fs::Permissions::from_mode(0o600)).unwrap();
    }
    // The key first: a reader in between sees a pair that does not match, and tries again.
    for name in ["tls.key.pem", "tls.crt.pem"] {
        fs::rename(folder.join(format!("{name}.new")), folder.join(name)).unwrap();
    }
    made.cert.pem()
}

fn serve(folder: &Path, arguments: &[String]) -> Result<(Process, Url), String> {
    let mut command = binary(folder);
    command.arg("serve").args(arguments);
    let process = Process::start("cedargate serve", &mut command);
    let address = process.wait_for("listening on ", START)?;
    let url = Url::parse(&address).map_err(|error| format!("it listens on `{address}`: {error}"))?;
    Ok((process, url))
}

/// Runs a command of the binary in `folder`.
fn cedargate(folder: &Path, arguments: &[&str]) -> Said {
    run(binary(folder).args(arguments), b"")
}

/// The binary in `folder`, undisturbed by settings in the environment of whoever runs the tests.
fn binary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.args(["--config", "config.toml"]).current_dir(folder);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CEDARGATE_")) {
        command.env_remove(name);
    }
    command
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl Server {
    /// The usual server.
    pub(crate) fn start() -> Self {
        Setup::default().start()
    }

    /// A browser without scripts and without cookies yet.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// Somebody of [`Self::people`].
    pub(crate) fn person(&self, username: &str) -> &Person {
        self.people.iter().find(|person| person.username == username).unwrap()
    }

    /// The address of a path.
    pub(crate) fn at(&self, path: &str) -> String {
        self.url.join(path).unwrap().into()
    }

    /// The entity ID of the identity provider.
    pub(crate) fn issuer(&self) -> String {
        self.at("/saml/metadata")
    }

    /// Where AuthnRequests go.
    pub(crate) fn sso(&self) -> String {
        self.at("/saml/sso")
    }

    /// The PEM file of the signing certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("var/keys/current.crt.pem")
    }

    /// Its folder: config.toml, policies, var.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts another file in place of `name`, as careful programs do: beside it, then renamed.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let (beside, path) = (self.folder.path().join(format!("{name}.part")), self.folder.path().join(name));
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }

    /// What a file of its folder holds.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The id of the process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// The process itself.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// Runs a command of the binary on the same files.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Said {
        cedargate(self.folder.path(), arguments)
    }

    /// Runs a command of the binary in another folder.
    pub(crate) fn cli_in(&self, folder: &Path, arguments: &[&str]) -> Said {
        cedargate(folder, arguments)
    }

    /// Kills the process and starts a new one on the same files and the same address.
    pub(crate) fn restart(&mut self) {
        self.process = None;
        let (process, url) = serve(self.folder.path(), &[]).unwrap_or_else(|log| panic!("{log}"));
        assert_eq!(url, self.url);
        self.process = Some(process);
    }

    /// What the server wrote so far.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Everything in the audit folder.
    pub(crate) fn audit(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.folder.path().join("var/audit")).unwrap() {
            text.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        text
    }
}
