//! How long does one decision take, and one plan that ends in a one-factor challenge, with the shipped policies and with
//! large sets? How long does a set take to load, and how long one whose one file changed? How late is a decision meanwhile?
//!
//! Goals: decision and plan 200 µs with the shipped policies; a decision 45 µs among 1,000 policies and 100 µs among 10,000;
//! 10,000 policies load in 0.5 s on one core and one file of them in 100 ms.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench whose set-up is wrong should stop")]
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "the figures are the result")]

mod policies;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cedar_policy::{PolicySet, Schema, ValidationMode, Validator};
use cedargate::clock::Stopwatch;
use cedargate::domain::{Decision, Step};
use cedargate::policy::{Bundle, Goal, planner};
use cedargate::workers::{Pool, PoolSettings, Priority};
use criterion::{Criterion, criterion_group};

use policies::{TODAY, ann, aws, bundle, many, question, repertoire, signals, sources, vocabulary};

fn shipped(criterion: &mut Criterion) {
    let (bundle, user, app, signals, repertoire) = (bundle(0), ann(0), aws(), signals(), repertoire());
    let q = question(&user, &app, &signals);
    let scan = bundle.scan(&q);
    let plan = || planner::plan(&bundle, Goal::App { roles: &app.roles }, black_box(&q), &repertoire).unwrap();
    assert!(matches!(plan().decision, Decision::Challenge { .. }), "the bench measures a challenge");
    criterion.bench_function("decide one step", |b| b.iter(|| bundle.evaluate(Step::SignIn, None, black_box(&q))));
    criterion
        .bench_function("decide one step, scanned", |b| b.iter(|| scan.evaluate(Step::SignIn, None, black_box(&q))));
    criterion.bench_function("decide and plan a one-factor challenge", |b| b.iter(plan));
    let both = planner_shown(&repertoire.enrolled);
    let q = cedargate::policy::Question { proofs: both, fresh: both, ..q };
    let plan = || planner::plan(&bundle, Goal::App { roles: &app.roles }, black_box(&q), &repertoire).unwrap();
    assert_eq!(plan().decision, Decision::Allow, "the bench measures an Allow");
    criterion.bench_function("decide an Allow with a role", |b| b.iter(plan));
}

fn planner_shown(methods: &[cedargate::domain::Method]) -> cedargate::domain::MethodSet {
    methods.iter().copied().collect()
}

fn large(criterion: &mut Criterion) {
    for more in [many() / 10, many()] {
        let (bundle, user, signals) = (bundle(more), ann(more), signals());
        let app = bundle.vocabulary().app("app-0").unwrap().clone();
        let q = question(&user, &app, &signals);
        let scan = bundle.scan(&q);
        let (indexed, scanned) = (bundle.evaluate(Step::SignIn, None, &q), scan.evaluate(Step::SignIn, None, &q));
        assert_eq!(indexed, scanned, "the index answers as the scan does");
        let mut group = criterion.benchmark_group(format!("{more} policies"));
        group.bench_function("indexed", |b| b.iter(|| bundle.evaluate(Step::SignIn, None, black_box(&q))));
        group
            .sample_size(10)
            .bench_function("scanned", |b| b.iter(|| scan.evaluate(Step::SignIn, None, black_box(&q))));
    }
}

fn load(criterion: &mut Criterion) {
    let more = many();
    let (sources, vocabulary) = (sources(more), vocabulary(more));
    let mut one_file = sources.clone();
    one_file.policies = vec![sources.policies.iter().fold(sources.policies[0].clone(), |mut all, file| {
        if file.path != all.path {
            all.text.push_str(&file.text);
        }
        all
    })];
    let before = Bundle::parse(&sources, vocabulary.clone(), TODAY).unwrap();
    let mut changed = sources.clone();
    changed.policies[7].text = changed.policies[7].text.replace("Made up.", "Changed.");
    let text: String = sources.policies.iter().map(|file| file.text.as_str()).collect();
    let mut group = criterion.benchmark_group(format!("load {more} policies"));
    group.sample_size(10);
    group.bench_function("bare: Cedar parses them as one text", |b| {
        b.iter(|| text.parse::<PolicySet>().unwrap());
    });
    let (schema, _) = Schema::from_cedarschema_str(&sources.schema.text).unwrap();
    let validator = Validator::new(schema);
    group.bench_function("bare: Cedar parses them as one text, and validates them", |b| {
        b.iter(|| {
            let set: PolicySet = text.parse().unwrap();
            assert!(validator.validate_with_level(&set, ValidationMode::Strict, 1).validation_passed());
        });
    });
    group.bench_function("all", |b| b.iter(|| Bundle::parse(&sources, vocabulary.clone(), TODAY).unwrap()));
    group.bench_function("of one file", |b| b.iter(|| Bundle::parse(&one_file, vocabulary.clone(), TODAY).unwrap()));
    group.bench_function("one file of them changed", |b| {
        b.iter(|| Bundle::parse_again(&changed, vocabulary.clone(), TODAY, &before).unwrap());
    });
}

/// How late a decision comes while the set is read anew, over and over, beside it: at the priority of a reload, and at that of
/// the decisions themselves.
fn beside_a_reload() {
    let more = many();
    let (bundle, user, signals) = (bundle(more), ann(more), signals());
    let app = bundle.vocabulary().app("app-0").unwrap().clone();
    let q = question(&user, &app, &signals);
    let run = || {
        let mut times: Vec<u64> = (0..20_000)
            .map(|_| {
                let watch = Stopwatch::start();
                black_box(bundle.evaluate(Step::SignIn, None, black_box(&q)));
                watch.micros()
            })
            .collect();
        times.sort_unstable();
        times
    };
    let mut all = vec![("quiet", run())];
    for (name, priority) in [("reloading", Priority::Lowest), ("reloading, as urgent", Priority::Normal)] {
        let done = Arc::new(AtomicBool::new(false));
        let before = Bundle::parse(&sources(more), vocabulary(more + 40), TODAY).unwrap();
        let reloads = std::thread::spawn({
            let done = Arc::clone(&done);
            move || reload_until(&done, priority, before)
        });
        all.push((name, run()));
        done.store(true, Ordering::Relaxed);
        reloads.join().unwrap();
    }
    let median = all[0].1[all[0].1.len() / 2];
    println!("a decision beside a reload: the quiet median is {median} µs");
    for (name, times) in &all {
        let at = |share: usize| times[times.len() * share / 10_000 - 1];
        let ratio = |share| at(share) as f64 / median as f64;
        let (half, most, nearly) = (ratio(5_000), ratio(9_900), ratio(9_990));
        println!("  {name}: median {half:.1} ×, 99 % {most:.1} ×, 99.9 % {nearly:.1} ×, last {:.1} ×", ratio(10_000));
    }
}

/// The worst that reloads can be: nothing is as it was, and the next one begins at once.
fn reload_until(done: &AtomicBool, priority: Priority, mut before: Bundle) {
    let more = many();
    let sources = Arc::new(sources(more));
    let reading = PoolSettings { name: "reload", threads: 1, queue: 1, priority };
    for names in [vocabulary(more), vocabulary(more + 40)].iter().cycle() {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let (sources, names) = (Arc::clone(&sources), names.clone());
        let pool = Pool::start(reading).unwrap();
        let read = pool.run(move || Bundle::parse_again(&sources, names, TODAY, &before).unwrap());
        before = futures::executor::block_on(read).unwrap();
    }
}

criterion_group!(benches, shipped, large, load);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    beside_a_reload();
}
