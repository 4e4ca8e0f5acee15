//! What a sign-in costs the server: the real binary on a real Redis, driven over HTTP by a small client of our own, bounded in
//! count. CPU is what the processes of cedargate and Redis were charged, so the client costs nothing; each figure stands
//! beside one argon2id hash of the same run. `cargo bench --bench signin` measures, `cargo test` walks through once.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is the result")]

mod browser;
mod process;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use cedargate::clock::{Entropy, Stopwatch, SystemEntropy};
use cedargate::workers::{HashPool, HashSettings, Password};

use browser::Browser;
use world::World;

/// How often each question is asked.
struct Rounds {
    page: u32,
    password: u32,
    totp: u32,
    sso: u32,
    starts: u32,
    loops: u32,
}

impl Rounds {
    const MEASURED: Self = Self { page: 3000, password: 150, totp: 120, sso: 2000, starts: 9, loops: 16 };
    /// Enough to see that everything works.
    const ONCE: Self = Self { page: 3, password: 1, totp: 1, sso: 3, starts: 1, loops: 2 };
}

fn main() {
    // `cargo bench` says so; whoever runs the tests wants to see it work, not to wait.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { Rounds::MEASURED } else { Rounds::ONCE };
    let hash = hash_micros(if rounds.loops > 2 { 40 } else { 1 });
    let people = rounds.totp + rounds.loops + 2;
    let mut world = World::new(people);
    let starts = (0..rounds.starts).map(|_| world.start()).collect();
    let start = median(starts);
    let idle = world.resident_kib();

    let mut ann = Browser::new(world.address());
    let first = ann.get("/signin");
    assert_eq!(first.status, 200, "{}", first.body);
    let page = world.cpu_micros_per(rounds.page, |_| {
        assert_eq!(ann.get("/signin").status, 200);
    });

    // Each person has a code left for now, so that is one code step each.
    let mut spent = 0.0;
    for number in 0..rounds.totp {
        let mut browser = Browser::new(world.address());
        let asked = browser.reach_code_page(&world.person(number));
        let code = world.person(number).code();
        spent += world.cpu_micros(|| assert!(browser.type_code(&asked, &code).has_response(), "a code opens the wiki"));
    }
    let totp = spent / f64::from(rounds.totp);

    // From a device that is known by now, a password opens the wiki.
    let zoe = world.person(rounds.totp);
    ann.sign_in_with_code(&zoe);
    let password = world.cpu_micros_per(rounds.password, |_| {
        ann.forget_session();
        assert!(ann.type_name_and_password(&zoe).has_response(), "a password opens the wiki on a known device");
    });

    let sso = world.cpu_micros_per(rounds.sso, |_| {
        assert!(ann.launch().has_response(), "a session opens the wiki");
    });
    let quiet = percentile_99(walls(rounds.sso, &mut ann));
    let busy = percentile_99(beside_sign_ins(&world, &rounds, &mut ann));
    let loaded = world.resident_kib();

    println!("one argon2id hash (19 MiB, t=2): {hash:.0} µs of CPU");
    println!("| question | measured | ratio in this run | goal |");
    println!("|---|---|---|---|");
    println!("| first page, CPU | {page:.0} µs | {:.3} × the hash | ≤ 150 µs |", page / hash);
    println!("| TOTP step to the response, CPU | {totp:.0} µs | {:.3} × the hash | ≤ 1200 µs |", totp / hash);
    println!(
        "| full password sign-in to the response, CPU | {password:.0} µs | {:.3} × the hash | ≤ 1.10 × |",
        password / hash
    );
    println!(
        "| single sign-on to the response, CPU with Redis | {sso:.0} µs | {:.3} × the hash | ≤ 750 µs |",
        sso / hash
    );
    println!(
        "| single sign-on, 99th percentile beside {} looping sign-ins | {busy} µs | {:.2} × quiet ({quiet} µs) | ≤ 3 × |",
        rounds.loops,
        f64::from(busy) / f64::from(quiet)
    );
    println!(
        "| start to first page | {:.1} ms | {:.2} × the hash | ≤ 60 ms |",
        f64::from(start) / 1000.0,
        f64::from(start) / hash
    );
    println!("| resident, idle | {:.1} MiB (after the load {:.1}) | | ≤ 30 MiB |", mib(idle), mib(loaded));
}

/// What one hash costs on a thread of its own, made by the code that makes it in the server.
fn hash_micros(rounds: u32) -> f64 {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let pool = HashPool::start(HashSettings::default(), entropy).expect("a pool starts");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    let before = process::cpu_nanos("self");
    for _ in 0..rounds {
        runtime.block_on(pool.hash(Password::new("maple-Otter-41-lantern".to_owned()))).expect("a password is hashed");
    }
    (process::cpu_nanos("self") - before) / 1000.0 / f64::from(rounds)
}

/// How long each of so many launches takes on the wall, in microseconds.
fn walls(rounds: u32, browser: &mut Browser) -> Vec<u32> {
    (0..rounds)
        .map(|_| {
            let watch = Stopwatch::start();
            assert!(browser.launch().has_response(), "a session opens the wiki");
            u32::try_from(watch.micros()).unwrap_or(u32::MAX)
        })
        .collect()
}

/// The same while others sign in with their passwords again and again.
fn beside_sign_ins(world: &World, rounds: &Rounds, browser: &mut Browser) -> Vec<u32> {
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    thread::scope(|scope| {
        for number in 0..rounds.loops {
            let (over, answered, address) = (Arc::clone(&over), Arc::clone(&answered), world.address());
            let person = world.person(rounds.totp + 1 + number);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let page = Browser::new(address).type_name_and_password(&person);
                    // A full queue says so and asks to come again: that is the protection, not a fault.
                    assert!(matches!(page.status, 200 | 303 | 503), "{} {}", page.status, page.body);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let walls = walls(rounds.sso, browser);
        // At least one sign-in of the storm was answered, or there was none.
        while answered.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        over.store(true, Ordering::SeqCst);
        walls
    })
}

fn median(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    values[values.len() / 2]
}

fn percentile_99(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    values[(values.len() * 99 / 100).min(values.len() - 1)]
}

fn mib(kib: u32) -> f64 {
    f64::from(kib) / 1024.0
}
