//! How often does a decision ask for memory?

#![allow(clippy::print_stdout, reason = "the figures are the result")]

mod policies;

use cedargate::domain::Step;
use cedargate::policy::{Goal, planner};

use policies::{ann, aws, bundle, many, question, repertoire, signals};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    for more in [0, many() / 10, many()] {
        let (bundle, user, signals, repertoire) = (bundle(more), ann(more), signals(), repertoire());
        let app = bundle.vocabulary().app("app-0").cloned().unwrap_or_else(aws);
        let q = question(&user, &app, &signals);
        let scan = bundle.scan(&q);
        count(more, "one step", || drop(bundle.evaluate(Step::SignIn, None, &q)));
        count(more, "one step, scanned", || drop(scan.evaluate(Step::SignIn, None, &q)));
        count(more, "a plan", || drop(planner::plan(&bundle, Goal::App { roles: &app.roles }, &q, &repertoire)));
    }
}

fn count(more: usize, name: &str, act: impl Fn()) {
    // The first time, Cedar makes what it keeps.
    act();
    let before = dhat::HeapStats::get();
    act();
    let after = dhat::HeapStats::get();
    let (blocks, bytes) = (after.total_blocks - before.total_blocks, after.total_bytes - before.total_bytes);
    println!("shipped and {more} policies: {name}: {blocks} allocations, {bytes} bytes");
}
