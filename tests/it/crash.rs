//! A process that is killed at any moment: what people were told holds after the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use cedargate::clock::{Entropy, FixedEntropy, SystemEntropy};
use data_encoding::HEXLOWER;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::harness::client::Client;
use crate::harness::people::PASSWORD;
use crate::harness::saml::{AuthnRequest, Delivered};
use crate::harness::server::Server;

/// How often the process is killed.
const ROUNDS: usize = 8;
/// How many browsers are at it all the time.
const CLIENTS: usize = 4;

/// The SHA-256 of a document, as the journal writes it.
pub(crate) fn sha256(xml: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, xml.as_bytes()).as_ref())
}

/// One browser that opens the wiki again and again, until the server is gone.
async fn open_and_open(server: Arc<Opener>, client: Client, out: UnboundedSender<(AuthnRequest, Delivered)>) {
    while !server.stop.load(Ordering::SeqCst) {
        let request = server.request();
        // What is cut off in the middle was not received.
        let Some(page) = client.try_get(&request.redirect(None)).await else { return };
        assert!(page.status.is_success(), "{page:?}");
        out.send((request, Delivered::from_page(&page))).unwrap();
        server.answered.add_permits(1);
    }
}

/// What the browsers share.
struct Opener {
    template: AuthnRequest,
    entropy: SystemEntropy,
    stop: AtomicBool,
    answered: Semaphore,
}

impl Opener {
    fn request(&self) -> AuthnRequest {
        let entropy: &dyn Entropy = &self.entropy;
        let id = format!("_{}", HEXLOWER.encode(&entropy.bytes::<16>().unwrap()));
        let request = self.template.clone().with(&self.template.id, &id).issued(0);
        AuthnRequest { id, xml: request.xml }
    }
}

/// Below `limit`, from a sequence that is the same for the same seed.
fn below(limit: u64, entropy: &dyn Entropy) -> u64 {
    u64::from_le_bytes(entropy.bytes().unwrap()) % limit
}

fn hashes_of_intended(server: &Server) -> Vec<String> {
    let audit = server.audit();
    let records = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records
        .filter(|record| record["stage"] == "intended")
        .map(|record| record["sha256"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_the_process_is_killed_nothing_that_was_told_is_forgotten() {
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let entropy: &dyn Entropy = &SystemEntropy;
        i64::from_le_bytes(entropy.bytes().unwrap())
    });
    eprintln!("CRASH_SEED={seed} does the same again");
    let random = FixedEntropy::seeded(seed);

    let mut server = Server::start();
    let browser = server.client();
    browser.sign_in(server.person("ann")).await;
    // Who signs in anew in which round: nobody has more than two codes in a minute, and ann has used one.
    let people = ["dora", "emil", "mallory", "dora", "emil", "mallory", "ann"];
    let mut received = Vec::new();
    for round in 0..ROUNDS {
        // Somebody signs in with a code just before.
        let newcomer = people.get(round).map(|username| (*username, server.client()));
        if let Some((username, known)) = &newcomer {
            let page = known.sign_in(server.person(username)).await;
            assert_eq!(page.url.path(), "/", "round {round}: {page:?}");
        }

        let opener = Arc::new(Opener {
            template: AuthnRequest::of_wiki(&server),
            entropy: SystemEntropy,
            stop: AtomicBool::new(false),
            answered: Semaphore::new(0),
        });
        let (sender, mut receiver) = unbounded_channel();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::spawn(open_and_open(Arc::clone(&opener), browser.clone(), sender.clone())))
            .collect();
        drop(sender);
        let answers = 1 + below(30, &random);
        let permits = opener.answered.acquire_many(u32::try_from(answers).unwrap()).await.unwrap();
        permits.forget();
        // Not at the moment of an answer: anywhere within the next few.
        for _ in 0..below(5, &random) {
            server.client().get("/healthz").await;
        }
        server.kill();
        opener.stop.store(true, Ordering::SeqCst);
        for client in clients {
            client.await.unwrap();
        }
        let before = received.len();
        while let Some(answer) = receiver.recv().await {
            received.push(answer);
        }
        assert!(received.len() > before, "round {round}");
        server.restart();

        let intended = hashes_of_intended(&server);
        for (_, delivered) in &received {
            assert!(intended.contains(&sha256(&delivered.xml)), "round {round}: a response left without its record");
        }
        let said = server.cli(&["audit", "verify"]);
        assert!(said.ok, "round {round}: {said:?}");

        assert!(browser.get("/").await.find_form("/signout").is_some(), "round {round}: the session of before");
        for (request, _) in received.iter().rev().take(CLIENTS) {
            let page = browser.get(&request.redirect(None)).await;
            assert!(page.status.is_client_error(), "round {round}: an answered request: {page:?}");
            assert!(!page.body.contains("SAMLResponse"), "round {round}: {page:?}");
        }
        if let Some((username, known)) = newcomer {
            let person = server.person(username);
            used_code_is_refused(&server, person, round).await;
            device_is_known(&known, person, round).await;
        }
    }
    assert!(received.len() >= ROUNDS * 2, "{}", received.len());
}

/// The code that was accepted before the process was killed does not count again.
async fn used_code_is_refused(server: &Server, person: &crate::harness::people::Person, round: usize) {
    let client = server.client();
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", person.username)).await;
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    let page = client.submit(&page.form("/signin/totp").set("code", &person.used_code())).await;
    assert!(page.find_form("/signin/totp").is_some(), "round {round}: a used code opens nothing: {page:?}");
}

/// On a device that is known the portal asks for the password alone.
async fn device_is_known(client: &Client, person: &crate::harness::people::Person, round: usize) {
    client.submit(&client.get("/").await.form("/signout")).await;
    let page = client.get("/").await;
    let page = client.submit(&page.form("/signin").set("username", person.username)).await;
    let page = client.submit(&page.form("/signin/password").set("password", PASSWORD)).await;
    assert_eq!(page.url.path(), "/", "round {round}: the device is known: {page:?}");
    assert!(page.find_form("/signout").is_some(), "round {round}: {page:?}");
}
