//! The contract on a real Redis server, and what only Redis does.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{FixedEntropy, ManualClock, SystemClock, SystemEntropy};
use crate::state::contract::{Backend, contract};

use super::*;

#[allow(dead_code, unreachable_pub, reason = "shared with the integration tests, which use more of it")]
#[allow(clippy::print_stderr, reason = "what a failed test has to say")]
#[path = "../../../tests/it/harness"]
mod harness {
    pub(crate) mod process;
    pub(crate) mod redis;
}
use harness::redis::Redis;

const MINUTE: Ttl = Ttl::seconds(60);

/// The permissions that docs/state.md tells people to give.
fn documented_permissions() -> String {
    let page = include_str!("../../../docs/state.md");
    let line = page.lines().find(|line| line.starts_with("user cedargate ")).expect("docs/state.md shows the user");
    line.replace("PASSWORD", "pw")
}

async fn open_at(url: &str) -> Result<RedisStore, StateError> {
    open_with(url, None, None).await
}

async fn open_with(url: &str, password: Option<&Path>, ca: Option<&Path>) -> Result<RedisStore, StateError> {
    let url = RedisUrl::parse(url).unwrap();
    RedisStore::open(&url, password, ca, Arc::new(SystemClock), Arc::new(SystemEntropy)).await
}

async fn open(redis: &Redis) -> RedisStore {
    open_at(&redis.url()).await.unwrap_or_else(|error| panic!("{}", chain(&error)))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Until `call` gives something, or the test takes too long.
async fn until<T>(what: &str, mut call: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = std::time::Duration::from_secs(20);
    let poll = async {
        loop {
            if let Some(found) = call().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(deadline, poll).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

fn sign_in(id: &str) -> Key {
    Key::new(Kind::SignIn, id, "")
}

fn session(id: &str) -> Key {
    Key::new(Kind::Session, id, "")
}

/// Redis keeps its own time. To let some pass, everything it holds is made older by as much.
struct Aged {
    redis: Redis,
    store: Arc<RedisStore>,
}

const AGE: &str = r"
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'zset' then
    for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      redis.call('ZINCRBY', key, -ARGV[1], member)
    end
  end
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
end
return 'aged'
";

#[async_trait]
impl Backend for Aged {
    fn store(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.store) as Arc<dyn StateStore>
    }

    async fn pass(&self, seconds: u32) {
        let millis = (u64::from(seconds) * 1000).to_string();
        assert_eq!(self.redis.cli(&["EVAL", AGE, "0", &millis]), "aged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_keeps_the_contract() {
    let redis = Redis::start();
    let store = Arc::new(open(&redis).await);
    contract(&Aged { redis, store }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tls_and_the_documented_user_keep_the_contract_too() {
    let redis = Redis::tls(&documented_permissions());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "pw\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let url = redis.url().replace("://", "://cedargate@");
    let store = open_with(&url, Some(&file), Some(&redis.ca_file())).await;
    let store = Arc::new(store.unwrap_or_else(|error| panic!("{}", chain(&error))));
    contract(&Aged { redis, store }).await;
}

#[tokio::test]
async fn nothing_outlives_its_owner_in_redis() {
    let redis = Redis::start();
    let store = open(&redis).await;
    for number in 0..20 {
        let key = Key::new(Kind::Device, "ann", &number.to_string());
        store.put(&key, b"1", MINUTE).await.unwrap();
        store.take(&key).await.unwrap();
        store.insert_bounded(&Key::new(Kind::AppDevices, "ann", ""), &number.to_string(), 99, MINUTE).await.unwrap();
        store.increment(&Key::new(Kind::Failures, "ann", &number.to_string()), MINUTE).await.unwrap();
    }
    store.put(&Key::new(Kind::Device, "ann", "last"), b"1", MINUTE).await.unwrap();
    assert_eq!(redis.cli(&["ZCARD", "cg:{ann}:device:#"]), "1", "the index knows what lives");
    let without_end = "local found = {} for _, key in ipairs(redis.call('KEYS', '*')) do \
                       if redis.call('PTTL', key) < 0 then table.insert(found, key) end end return found";
    assert_eq!(redis.cli(&["EVAL", without_end, "0"]), MARKER, "only the marker has no end");
}

#[tokio::test]
async fn after_a_restart_sessions_hold_and_sign_ins_are_void_for_every_node() {
    let mut redis = Redis::start();
    let (one, other) = (open(&redis).await, open(&redis).await);
    one.put(&sign_in("a"), b"1", MINUTE).await.unwrap();
    one.put(&session("a"), b"1", MINUTE).await.unwrap();
    assert!(other.get(&sign_in("a")).await.unwrap().is_some(), "what one node wrote, the other sees");
    let born = one.born().await.unwrap();
    assert_eq!(other.born().await.unwrap(), born);
    redis.restart();
    assert!(redis.cli(&["EXISTS", sign_in("a").as_str()]) == "1", "Redis has kept it");
    // The first call may find the old connection dead.
    until("the restart", async || one.get(&session("a")).await.ok()).await.expect("the session");
    for node in [&one, &other] {
        assert!(until("both nodes", async || node.get(&session("a")).await.ok()).await.is_some());
        assert_eq!(node.born().await.unwrap(), born, "it is the same store");
        assert_eq!(node.get(&sign_in("a")).await.unwrap(), None);
        assert_eq!(node.take(&sign_in("a")).await.unwrap(), None);
        assert!(!node.compare_and_swap(&sign_in("a"), b"1", b"2", MINUTE).await.unwrap());
        assert!(!node.delete(&sign_in("a")).await.unwrap());
    }
    one.put(&sign_in("b"), b"1", MINUTE).await.unwrap();
    assert!(other.get(&sign_in("b")).await.unwrap().is_some(), "the new generation is one for both");
    assert!(one.put_if_absent(&sign_in("a"), b"2", MINUTE).await.unwrap(), "what is void is absent");
}

#[tokio::test]
async fn an_emptied_store_begins_again_without_an_error() {
    let redis = Redis::start();
    let (one, other) = (open(&redis).await, open(&redis).await);
    one.put(&sign_in("a"), b"1", MINUTE).await.unwrap();
    let saved = redis.cli(&["GET", sign_in("a").as_str()]);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(other.get(&sign_in("a")).await.unwrap(), None);
    redis.cli(&["SET", sign_in("a").as_str(), &saved]);
    assert_eq!(one.get(&sign_in("a")).await.unwrap(), None, "a copy of before is void");
    one.put(&sign_in("b"), b"1", MINUTE).await.unwrap();
    assert!(other.get(&sign_in("b")).await.unwrap().is_some());
}

#[tokio::test]
async fn an_emptied_store_is_another_one_for_every_node_with_the_next_answer() {
    let redis = Redis::start();
    let (one, other) = (open(&redis).await, open(&redis).await);
    let devices = Key::new(Kind::AppDevices, "ann", "");
    for round in 0..20 {
        one.insert_bounded(&devices, "one", 9, MINUTE).await.unwrap();
        let before = one.born().await.unwrap();
        assert_eq!(other.born().await.unwrap(), before);
        redis.cli(&["FLUSHALL"]);
        // Whoever reads that there is no device can see that the store is a new one, whichever node comes first.
        for node in [&one, &other] {
            assert!(node.members(&devices).await.unwrap().is_empty());
            assert!(node.born().await.unwrap() > before, "round {round}");
        }
        assert_eq!(one.born().await.unwrap(), other.born().await.unwrap());
    }
}

#[tokio::test]
async fn a_marker_of_before_births_were_kept_is_completed() {
    let redis = Redis::start();
    let store = open(&redis).await;
    store.put(&sign_in("a"), b"1", MINUTE).await.unwrap();
    let born = store.born().await.unwrap();
    redis.cli(&["HDEL", MARKER, "born"]);
    let late = open(&redis).await;
    assert!(late.born().await.unwrap() > born);
    assert!(late.get(&sign_in("a")).await.unwrap().is_some(), "it is the same generation");
}

#[tokio::test]
async fn a_promoted_replica_voids_sign_ins_and_a_replica_is_refused() {
    let mut primary = Redis::start();
    let store = open(&primary).await;
    store.put(&sign_in("a"), b"1", MINUTE).await.unwrap();
    store.put(&session("a"), b"1", MINUTE).await.unwrap();
    let port = primary.url().rsplit(':').next().unwrap().to_owned();
    let replica = Redis::with(&format!("replicaof 127.0.0.1 {port}"));
    until("the copy", async || (replica.cli(&["EXISTS", session("a").as_str()]) == "1").then_some(())).await;
    let refused = open_at(&replica.url()).await.err().unwrap();
    assert!(chain(&refused).contains("it is a replica"), "{}", chain(&refused));

    // Demoted under us: no write goes through, and nothing is read from it for longer than a moment.
    primary.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let refused = store.put(&session("b"), b"1", MINUTE).await.unwrap_err();
    assert!(chain(&refused).contains("READONLY") || chain(&refused).contains("replica"), "{}", chain(&refused));
    until("a demoted server", async || store.get(&session("a")).await.err()).await;

    primary.stop();
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    let promoted = open(&replica).await;
    assert!(promoted.get(&session("a")).await.unwrap().is_some());
    assert_eq!(promoted.get(&sign_in("a")).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_told_at_the_start() {
    let check = async |url: &str, said: &str| {
        let error = open_at(url).await.err().unwrap_or_else(|| panic!("{said}: it opened"));
        let text = chain(&error);
        assert!(matches!(error, StateError::Open { .. }), "{error:?}");
        assert!(text.contains(said), "`{said}` is not in `{text}`");
        assert!(!text.contains("s3cret"), "{text}");
    };
    let evicts = Redis::with("maxmemory 100mb\nmaxmemory-policy allkeys-lru");
    check(&evicts.url(), "set `maxmemory-policy noeviction`").await;
    let cluster = Redis::with("cluster-enabled yes");
    check(&cluster.url(), "Redis Cluster").await;
    let users = "user cedargate on >right ~cg:* +@all\nuser narrow on >right ~cg:* +@all -zadd\n\
                 user elsewhere on >right ~other:* +@all";
    let mut redis = Redis::with(users);
    check(&redis.url_as("cedargate", "s3cret"), "authentication failed").await;
    check(&redis.url_as("narrow", "right"), "may not do what cedargate has to do").await;
    check(&redis.url_as("elsewhere", "right"), "may not do what cedargate has to do").await;
    check(&redis.url().replace("redis://", "rediss://"), "did not answer").await;
    let url = redis.url();
    redis.stop();
    check(&url, "refused").await;
}

#[tokio::test]
async fn each_documented_command_is_needed_but_one() {
    let user = documented_permissions();
    let commands: Vec<&str> = user.split(' ').filter(|word| word.starts_with('+')).collect();
    // Asked before any of our commands: the crate greets and signs in; a database other than 0 is chosen.
    let elsewhere = ["+auth", "+hello", "+select", "+script|load", "+config|get"];
    for command in commands.into_iter().filter(|command| !elsewhere.contains(command)) {
        let others: Vec<&str> = user.split(' ').filter(|word| *word != command).collect();
        let redis = Redis::with(&others.join(" "));
        let refused = open_at(&redis.url_as("cedargate", "pw")).await.err();
        let text = chain(&refused.unwrap_or_else(|| panic!("{command} is not needed")));
        assert!(text.contains("may not do what cedargate has to do"), "{command}: {text}");
    }
    let redis = Redis::with(&user.replace(" +config|get", ""));
    let health = open_at(&redis.url_as("cedargate", "pw")).await.unwrap().ready().await.unwrap();
    assert!(health.warnings.is_empty(), "the file is appended to: {health:?}");
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_taken() {
    let (redis, other) = (Redis::tls(""), Redis::tls(""));
    let error = open_with(&redis.url(), None, Some(&other.ca_file())).await.err().unwrap();
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    assert!(open_with(&redis.url(), None, Some(&redis.ca_file())).await.is_ok());
    let name = redis.url().replace("127.0.0.1", "127.0.0.2");
    assert!(open_with(&name, None, Some(&redis.ca_file())).await.is_err());
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("empty.pem", Some("")), ("missing.pem", None)] {
        let file = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let error = open_with(&redis.url(), None, Some(&file)).await.err().unwrap();
        assert!(chain(&error).contains(name), "{}", chain(&error));
    }
}

#[tokio::test]
async fn a_full_server_refuses_and_loses_nothing() {
    let redis = Redis::start();
    let store = open(&redis).await;
    store.put(&session("a"), b"1", MINUTE).await.unwrap();
    store.insert_bounded(&Key::new(Kind::AppDevices, "ann", ""), "one", 9, MINUTE).await.unwrap();
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let set = Key::new(Kind::AppDevices, "ann", "");
    for refused in [
        store.put(&session("b"), b"1", MINUTE).await,
        store.put(&sign_in("b"), b"1", MINUTE).await,
        store.put_if_absent(&session("b"), b"1", MINUTE).await.map(drop),
        store.compare_and_swap(&session("a"), b"1", b"2", MINUTE).await.map(drop),
        store.increment(&Key::new(Kind::Failures, "ann", ""), MINUTE).await.map(drop),
        store.insert_bounded(&set, "two", 9, MINUTE).await.map(drop),
    ] {
        let text = chain(&refused.unwrap_err());
        assert!(text.contains("is full: raise its `maxmemory`"), "{text}");
    }
    assert!(chain(&store.ready().await.unwrap_err()).contains("is full"));
    let late = open(&redis).await;
    assert!(late.get(&session("a")).await.unwrap().is_some(), "who is signed in stays so at new nodes, too");
    assert_eq!(store.get(&session("a")).await.unwrap().as_deref(), Some(b"1".as_slice()));
    assert_eq!(store.members(&set).await.unwrap(), ["one"]);
    assert!(store.delete(&session("a")).await.unwrap(), "what frees memory goes on");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    store.put(&session("b"), b"1", MINUTE).await.unwrap();
    assert_eq!(redis.cli(&["DBSIZE"]), "3", "nothing was written by halves: marker, set and the last session");
}

#[tokio::test]
async fn an_eviction_policy_set_later_is_noticed() {
    let redis = Redis::start();
    let store = open(&redis).await;
    store.put(&session("a"), b"1", MINUTE).await.unwrap();
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "100mb"]);
    let error = until("the check", async || store.get(&session("a")).await.err()).await;
    assert!(chain(&error).contains("noeviction"), "{}", chain(&error));
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    until("the way back", async || store.get(&session("a")).await.ok()).await.expect("the session");
}

#[tokio::test]
async fn a_dead_server_fails_calls_quickly_and_is_taken_back() {
    let mut redis = Redis::start();
    let store = Arc::new(open(&redis).await);
    store.put(&session("a"), b"1", MINUTE).await.unwrap();
    redis.stop();
    let slowest = Arc::new(AtomicU64::new(0));
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let (store, slowest) = (Arc::clone(&store), Arc::clone(&slowest));
            tokio::spawn(async move {
                let watch = crate::clock::Stopwatch::start();
                let refused = store.get(&session("a")).await.is_err();
                slowest.fetch_max(watch.micros(), Ordering::Relaxed);
                refused
            })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert!(slowest.load(Ordering::Relaxed) < 10_000_000, "nobody queues behind a dead server");
    assert!(store.ready().await.is_err());
    redis.restart();
    until("the way back", async || store.get(&session("a")).await.ok()).await.expect("the session");
    assert!(store.ready().await.is_ok());
}

#[tokio::test]
async fn a_restart_while_nobody_asks_costs_nobody_an_error() {
    let mut redis = Redis::start();
    let store = open(&redis).await;
    store.put(&session("a"), b"1", MINUTE).await.unwrap();
    let watch = crate::clock::Stopwatch::start();
    redis.restart();
    until("a second", async || (watch.micros() > 1_100_000).then_some(())).await;
    assert!(store.get(&session("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_hangs_fails_a_call_within_seconds() {
    let redis = Redis::start();
    let store = open(&redis).await;
    store.put(&session("a"), b"1", MINUTE).await.unwrap();
    redis.cli(&["CLIENT", "PAUSE", "4000", "ALL"]);
    let watch = crate::clock::Stopwatch::start();
    let error = store.get(&session("a")).await.unwrap_err();
    assert!(watch.micros() < 3_500_000, "{}", watch.micros());
    assert!(chain(&error).contains("did not answer"), "{}", chain(&error));
    until("the way back", async || store.get(&session("a")).await.ok()).await.expect("the session");
}

#[tokio::test]
async fn health_tells_what_to_change() {
    let redis = Redis::with("appendonly no");
    let health = open(&redis).await.ready().await.unwrap();
    assert!(health.backend.starts_with("redis ") && health.backend.contains(" at redis://127.0.0.1:"), "{health:?}");
    assert!(health.warnings[0].contains("appendonly yes"), "{health:?}");

    // Another name of the loopback, which we cannot know to be one.
    let health = open_at(&redis.url().replace("127.0.0.1", "0.0.0.0")).await.unwrap().ready().await.unwrap();
    assert!(health.warnings[1].contains("not encrypted"), "{health:?}");

    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let url = RedisUrl::parse(&redis.url()).unwrap();
    let store = RedisStore::open(&url, None, None, clock, Arc::new(FixedEntropy::seeded(1))).await.unwrap();
    let error = store.ready().await.unwrap_err();
    assert!(chain(&error).contains("keep time by NTP"), "{}", chain(&error));
    store.put(&session("a"), b"1", MINUTE).await.unwrap();
}
