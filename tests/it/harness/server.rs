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

/// Where SoftHSM is told its tokens are.
const TOKENS: &str = "softhsm2.conf";

/// The role and the provider of the AWS account in [`CONFIG`].
pub(crate) const ROLE_DEV: &str = "arn:aws:iam::123456789012:role/Dev";
pub(crate) const ROLE_ADMIN: &str = "arn:aws:iam::123456789012:role/Admin";
pub(crate) const PROVIDER: &str = "arn:aws:iam::123456789012:saml-provider/cedargate";

/// What every server of the tests is configured with; `{address}`, `{acs}` and `{state}` are filled in.
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
{state}

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
    state: Option<String>,
    config: String,
    policies: String,
    only_policies: Option<&'static str>,
    accounts: Option<String>,
    secret: Option<PathBuf>,
    replaced: Vec<(String, String)>,
    https: bool,
    arguments: Vec<String>,
    token: bool,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// The wiki is reached at `acs`.
    pub(crate) fn wiki_at(mut self, acs: &str) -> Self {
        self.acs = Some(acs.to_owned());
        self
    }

    /// Its state is kept at `url`.
    pub(crate) fn state(mut self, url: &str) -> Self {
        self.state = Some(format!("url = \"{url}\""));
        self
    }

    /// The same with a server whose certificate `ca_file` signs.
    pub(crate) fn state_over_tls(mut self, url: &str, ca_file: &Path) -> Self {
        self.state = Some(format!("url = \"{url}\"\nca_file = \"{}\"", ca_file.display()));
        self
    }

    /// Adds to the config: sections it does not have yet.
    pub(crate) fn with_config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self
    }

    /// The folder has this file before the server starts, readable by its owner alone.
    pub(crate) fn with_file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Adds policies to the shipped ones.
    pub(crate) fn with_policies(mut self, text: &str) -> Self {
        self.policies.push_str(text);
        self
    }

    /// What a server says that refuses to start.
    pub(crate) fn fails_to_start(self) -> String {
        let folder = tempfile::Builder::new().prefix("cedargate-it-").tempdir().unwrap();
        copy_folder(&repository("policies"), &folder.path().join("policies"));
        fs::write(folder.path().join("config.toml"), self.written("127.0.0.1:0")).unwrap();
        match serve(folder.path(), &self.arguments) {
            Ok((_, url)) => panic!("it listens on {url}"),
            Err(log) => log,
        }
    }

    /// Accounts are in the database `url`.
    pub(crate) fn accounts(mut self, url: &str) -> Self {
        self.accounts = Some(url.to_owned());
        self
    }

    /// A second node of `server`: its secret, its people, nobody imported. Say where the accounts are, too.
    pub(crate) fn node_of(mut self, server: &Server) -> Self {
        self.secret = Some(server.folder.path().join("var/secret"));
        self
    }

    /// These policies decide, in place of the shipped ones and their tests.
    pub(crate) fn policies(mut self, text: &'static str) -> Self {
        self.only_policies = Some(text);
        self
    }

    /// The settings of a server at `address`.
    fn written(&self, address: &str) -> String {
        let mut config = CONFIG.to_owned();
        for (old, new) in &self.replaced {
            assert!(config.contains(old), "the settings of the tests do not hold `{old}`");
            config = config.replace(old, new);
        }
        let config = config
            .replace("{address}", address)
            .replace("{acs}", self.acs.as_deref().unwrap_or("https://wiki.example.com/acs"))
            .replace("{state}", self.state.as_deref().unwrap_or("url = \"embedded:var/state.db\""))
            .replace("sqlite:var/accounts.db", self.accounts.as_deref().unwrap_or("sqlite:var/accounts.db"));
        config + &self.config
    }

    /// The settings say `new` instead of `old`.
    pub(crate) fn replace(mut self, old: &str, new: &str) -> Self {
        self.replaced.push((old.to_owned(), new.to_owned()));
        self
    }

    /// The key that signs lives on a token of SoftHSM: `tokens` in the folder of the server.
    pub(crate) fn key_in_token(mut self) -> Self {
        self.token = true;
        self.replace(
            "keys = \"var/keys\"",
            "keys = \"var/keys\"\npkcs11 = { module = \"/usr/lib/softhsm/libsofthsm2.so\", token = \"cedargate\", key = \"idp\", \
             pin_file = \"pin\" }",
        )
    }

    /// The server is started with a further argument.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The server is started with this in its environment.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
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
        fs::write(folder.path().join("policies/90-test.cedar"), format!("{POLICIES}{}", self.policies)).unwrap();
        if !self.policies.is_empty() {
            // What the shipped tests say of the shipped policies need not hold beside others.
            fs::remove_dir_all(folder.path().join("policies/tests")).unwrap();
        }
        if let Some(text) = self.only_policies {
            let schema = folder.path().join("policies/schema.cedarschema");
            let schema = fs::read_to_string(schema).unwrap();
            fs::remove_dir_all(folder.path().join("policies")).unwrap();
            fs::create_dir(folder.path().join("policies")).unwrap();
            fs::write(folder.path().join("policies/schema.cedarschema"), schema).unwrap();
            fs::write(folder.path().join("policies/only.cedar"), text).unwrap();
        }
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let people = people::everybody();
        fs::write(folder.path().join("people.csv"), people::csv(&people)).unwrap();

        // Issuer and addresses hold the port, so it has to be known before the server binds it. Somebody else may take it in
        // between: then another one is tried.
        let mut failure = String::new();
        for _ in 0..3 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            if self.https {
                write_certificate(folder.path());
            }
            fs::write(folder.path().join("config.toml"), self.written(&address)).unwrap();
            if self.token && failure.is_empty() {
                write_token(folder.path());
            }
            if let Some(secret) = &self.secret {
                fs::create_dir_all(folder.path().join("var")).unwrap();
                fs::copy(secret, folder.path().join("var/secret")).unwrap();
            } else {
                let said = cedargate(folder.path(), &["users", "import", "people.csv"]);
                assert!(said.ok || !failure.is_empty(), "the import failed: {}{}", said.out, said.err);
            }
            let mut command = binary(folder.path());
            command.arg("serve").args(&self.arguments).envs(self.environment.iter().cloned());
            match started(command) {
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

/// A token of SoftHSM with an RSA key, whose certificate is among the keys, and the file of its PIN.
fn write_token(folder: &Path) {
    fs::create_dir_all(folder.join("tokens")).unwrap();
    let tokens = folder.join("tokens").display().to_string();
    fs::write(folder.join(TOKENS), format!("directories.tokendir = {tokens}\n")).unwrap();
    let keys = folder.join("var/keys");
    cedargate::saml::KeyStore::ensure(&keys, &cedargate::clock::SystemClock, &cedargate::clock::SystemEntropy).unwrap();
    let key = keys.join("current.key.pem").display().to_string();
    for arguments in [
        &["--init-token", "--free", "--label", "cedargate", "--so-pin", "12345678", "--pin", "8765"][..],
        &["--import", &key, "--token", "cedargate", "--label", "idp", "--id", "01", "--pin", "8765"],
    ] {
        let said = run(Command::new("softhsm2-util").args(arguments).env("SOFTHSM2_CONF", folder.join(TOKENS)), b"");
        assert!(said.ok, "{said:?}");
    }
    fs::remove_file(key).unwrap();
    fs::write(folder.join("pin"), "8765\n").unwrap();
    fs::set_permissions(folder.join("pin"), fs::Permissions::from_mode(0o600)).unwrap();
}

/// Starts the server on the files of `folder`, or tells what it wrote when it does not start.
pub(crate) fn serve(folder: &Path, arguments: &[String]) -> Result<(Process, Url), String> {
    let mut command = binary(folder);
    command.arg("serve").args(arguments);
    started(command)
}

fn started(mut command: Command) -> Result<(Process, Url), String> {
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
    // SoftHSM asks its process where the tokens are.
    command.env("SOFTHSM2_CONF", folder.join(TOKENS));
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

    /// A path below the server's folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
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

    /// The same, with `input` on its standard input.
    pub(crate) fn cli_with(&self, arguments: &[&str], input: &str) -> Said {
        run(binary(self.folder.path()).args(arguments), input.as_bytes())
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

    /// A second process on the same files, known by the same address: another node, and its port.
    pub(crate) fn another_node(&self) -> (Process, u16) {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = binary(self.folder.path());
        command.arg("serve").env("CEDARGATE_SERVER__LISTEN", address.to_string());
        let process = Process::start("another cedargate serve", &mut command);
        process.wait_for("listening on ", START).unwrap_or_else(|log| panic!("{log}"));
        (process, address.port())
    }

    /// Waits until the server writes `words` into its log.
    pub(crate) fn wait_for(&self, words: &str) {
        let process = self.process.as_ref().expect("it runs");
        process.wait_for(words, START).unwrap_or_else(|log| panic!("{log}"));
    }

    /// Kills the process (SIGKILL) and leaves the files as they are.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Asks the process to end (SIGTERM), and waits until it has.
    pub(crate) fn terminate(&mut self) {
        let mut process = self.process.take().unwrap();
        assert!(process.terminate(START), "it ends well:\n{}", process.log());
    }

    /// Starts it anew with `folder` (below its own) on a file system of its own that holds no more than `size`, as `64k`.
    /// Gives the path by which that is seen from outside.
    pub(crate) fn restart_with_little_room(&mut self, folder: &str, size: &str) -> PathBuf {
        self.process = None;
        let root = self.folder.path();
        let script = format!(
            "mount -t tmpfs -o size={size} tmpfs {folder} && exec {} --config config.toml serve",
            env!("CARGO_BIN_EXE_cedargate")
        );
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).current_dir(root);
        let (process, url) = started(command).unwrap_or_else(|log| panic!("{log}"));
        assert_eq!(url, self.url);
        let seen = format!("/proc/{}/root{}/{folder}", process.id(), root.display());
        self.process = Some(process);
        seen.into()
    }

    /// The segments of the journal that are not compressed, oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let listing = fs::read_dir(self.path("var/audit")).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<_> =
            listing.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect();
        paths.sort();
        paths
    }

    /// What the server wrote so far.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Every record of the journal as it was written, one a line.
    pub(crate) fn audit(&self) -> String {
        let said = self.cli(&["audit", "export"]);
        assert!(said.ok, "{said:?}");
        said.out
    }
}
