//! The server under measurement, its Redis, its people.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use cedargate::clock::{Clock as _, Stopwatch, SystemClock};
use cedargate::domain::TotpSecret;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::process::{Server, cpu_nanos, resident_kib};

/// Somebody who signs in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) username: String,
    pub(crate) password: String,
    secret: TotpSecret,
}

impl Person {
    fn numbered(number: u32) -> Self {
        let seed = format!("{number:020}").into_bytes();
        Self {
            username: format!("person{number}"),
            password: "maple-Otter-41-lantern".to_owned(),
            secret: TotpSecret::from_bytes(seed).expect("20 bytes are a secret"),
        }
    }

    /// The code of now (RFC 6238).
    pub(crate) fn code(&self) -> String {
        let step = SystemClock.now().as_second().cast_unsigned() / 30;
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret.bytes());
        let mac = aws_lc_rs::hmac::sign(&key, &step.to_be_bytes());
        let mac = mac.as_ref();
        let at = usize::from(mac[mac.len() - 1] & 15);
        let number = u32::from_be_bytes([mac[at], mac[at + 1], mac[at + 2], mac[at + 3]]) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// Everything that runs.
pub(crate) struct World {
    server: Option<Server>,
    redis: Server,
    address: SocketAddr,
    folder: TempDir,
}

impl World {
    /// Starts Redis and imports so many people.
    pub(crate) fn new(people: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("cedargate-bench-").tempdir().expect("a folder is made");
        let (redis, redis_address) = start_redis(folder.path());
        let address = free_address();
        write_config(folder.path(), address, redis_address);
        write_people(folder.path(), people);
        let import =
            cedargate(folder.path()).args(["users", "import", "people.csv"]).output().expect("the import runs");
        assert!(import.status.success(), "{import:?}");
        Self { server: None, redis, address, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    #[expect(clippy::unused_self, reason = "people belong to a world")]
    pub(crate) fn person(&self, number: u32) -> Person {
        Person::numbered(number)
    }

    /// Starts the server anew; gives the microseconds from there to its first page.
    pub(crate) fn start(&mut self) -> u32 {
        self.server = None;
        let watch = Stopwatch::start();
        let mut server = Server::start(cedargate(self.folder.path()).arg("serve").stdout(Stdio::piped()));
        let mut out = BufReader::new(server.child.stdout.take().expect("its output is piped"));
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(out.read_line(&mut line).expect("it says something") > 0, "the server ended");
        }
        assert_eq!(Browser::new(self.address).get("/signin").status, 200);
        let micros = u32::try_from(watch.micros()).unwrap_or(u32::MAX);
        // Whatever it says later must not fill the pipe.
        thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        self.server = Some(server);
        micros
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("the server was started")
    }

    pub(crate) fn resident_kib(&self) -> u32 {
        resident_kib(&self.server().pid())
    }

    /// What `ask` costs cedargate and Redis, in microseconds of CPU.
    pub(crate) fn cpu_micros(&self, ask: impl FnOnce()) -> f64 {
        let spent = || cpu_nanos(&self.server().pid()) + cpu_nanos(&self.redis.pid());
        let before = spent();
        ask();
        (spent() - before) / 1000.0
    }

    /// The same for one of so many.
    pub(crate) fn cpu_micros_per(&self, rounds: u32, mut ask: impl FnMut(u32)) -> f64 {
        self.cpu_micros(|| (0..rounds).for_each(&mut ask)) / f64::from(rounds)
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port is free")
}

/// Redis as the documentation asks for it: nothing evicted, an append-only file.
fn start_redis(folder: &Path) -> (Server, SocketAddr) {
    let address = free_address();
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--appendonly", "yes"]);
    command.args(["--maxmemory-policy", "noeviction", "--dir"]).arg(folder).stdout(Stdio::null());
    let redis = Server::start(&mut command);
    let watch = Stopwatch::start();
    while TcpStream::connect(address).is_err() {
        assert!(watch.micros() < 10_000_000, "Redis does not listen");
        thread::yield_now();
    }
    (redis, address)
}

/// The shipped policies, one app, and people who need no second factor on a device that is known.
fn write_config(folder: &Path, address: SocketAddr, redis: SocketAddr) {
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let config = fs::read_to_string(repository.join("config.toml")).expect("the shipped config is read");
    let config = config
        .replace("127.0.0.1:8080", &address.to_string())
        .replace("\"embedded:var/state.db\"", &format!("\"redis://{redis}\""));
    assert!(config.contains("redis://"), "the shipped config names the embedded store");
    fs::write(folder.join("config.toml"), config).expect("a file is written");
    let policies = folder.join("policies");
    fs::create_dir_all(policies.join("tests")).expect("a folder is made");
    for part in ["", "tests"] {
        for entry in fs::read_dir(repository.join("policies").join(part)).expect("the policies are read") {
            let path = entry.expect("an entry is read").path();
            if path.is_file() {
                fs::copy(&path, policies.join(part).join(path.file_name().expect("a file"))).expect("a file is copied");
            }
        }
    }
}

fn write_people(folder: &Path, people: u32) {
    let mut table =
        "username,email,first_name,last_name,groups,country,time_zone,language,status,password,totp_secret\n"
            .to_owned();
    for person in (0..people).map(Person::numbered) {
        let (name, password, secret) = (&person.username, &person.password, person.secret.to_base32());
        table.push_str(&format!(
            "{name},{name}@example.com,Sam,Example,,DE,Europe/Berlin,en,active,{password},{secret}\n"
        ));
    }
    fs::write(folder.join("people.csv"), table).expect("a file is written");
}

fn cedargate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cedargate"));
    command.args(["--config", "config.toml", "--log", "error"]).current_dir(folder);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CEDARGATE_")) {
        command.env_remove(name);
    }
    command
}
