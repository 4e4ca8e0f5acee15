//! Several solvers at the same time, one question each. They end with the command, however that ends.

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{BufReader, BufWriter};
use tokio::process::Child;

use super::Effort;
use crate::cli::progress::Progress;
use crate::policy::analysis::{Pipes, Reasoner, Solvers};

/// As shells tell of Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// Bytes of stack of a worker; what is not used costs nothing.
const STACK: usize = 256 * 1024 * 1024;

/// What came of it.
pub(in crate::cli::policy) enum Work<T> {
    /// An answer for each task, in their order, and how many questions the solvers were asked.
    Done(Vec<T>, u32),
    /// There is no solver: what to do about it.
    NoSolver(String),
}

/// The solver, and those of them that run.
struct Local {
    program: OsString,
    limit: Duration,
    running: Mutex<Vec<Child>>,
}

impl Local {
    fn new(limit: Duration) -> Self {
        let program = std::env::var_os("CVC5").unwrap_or_else(|| "cvc5".into());
        Self { program, limit, running: Mutex::default() }
    }

    /// Whether it is there.
    fn look(&self) -> Result<(), String> {
        let asked = Command::new(&self.program).arg("--version").stdin(Stdio::null()).output();
        let what = match asked {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => format!("`{}` ended with {}", self.program.display(), output.status),
            Err(error) => format!("`{}` can't be started: {error}", self.program.display()),
        };
        Err(format!(
            "{what}\n  help: proofs need the solver cvc5: install it (Debian: apt-get install cvc5), or set CVC5 to the program"
        ))
    }

    fn stop(&self) {
        for mut child in self.running.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that has ended already is none to stop.
            _ = child.start_kill();
        }
    }
}

impl Solvers for Local {
    fn start(&self) -> io::Result<Pipes> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(["--lang", "smt"]).arg(format!("--tlimit-per={}", self.limit.as_millis().max(1)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the solver has no pipes"));
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        running.push(child);
        Ok(Pipes { input: Box::new(BufWriter::new(input)), output: Box::new(BufReader::new(output)) })
    }
}

/// Answers each of `tasks`, as many at the same time as `effort` says. Ctrl-C ends the solvers and the command.
pub(in crate::cli::policy) fn over<Q: Sync, T: Send>(
    tasks: &[Q],
    effort: &Effort,
    what: &'static str,
    answer: impl AsyncFn(&Q, &mut Reasoner<'_>) -> T + Sync,
) -> anyhow::Result<Work<T>> {
    let solver = Local::new(effort.time_limit);
    if let Err(help) = solver.look() {
        return Ok(Work::NoSolver(help));
    }
    let jobs = effort.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, std::num::NonZero::get);
    let jobs = jobs.min(tasks.len()).max(1);
    let progress = Progress::new(what, u64::try_from(tasks.len()).unwrap_or(0));
    let shared = Shared { next: AtomicUsize::new(0), questions: AtomicU32::new(0), answers: Mutex::default() };
    // A worker that has ended has dropped its end of the channel.
    let (working, mut ended) = tokio::sync::mpsc::channel::<()>(1);
    thread::scope(|scope| -> anyhow::Result<()> {
        let workers: Vec<_> = (0..jobs)
            .map(|_| {
                let (working, solver, shared, progress, answer) =
                    (working.clone(), &solver, &shared, &progress, &answer);
                // Expressions are compiled by functions that call themselves.
                thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || {
                    let _working = working;
                    one_by_one(tasks, effort, solver, shared, progress, answer)
                })
            })
            .collect::<io::Result<_>>()?;
        drop(working);
        let interrupted = runtime()?.block_on(async {
            tokio::select! {
                _ = ended.recv() => false,
                pressed = tokio::signal::ctrl_c() => pressed.is_ok(),
            }
        });
        if interrupted {
            // The workers may be deep in a question: nothing of theirs is worth waiting for.
            progress.clear();
            solver.stop();
            std::process::exit(EXIT_INTERRUPTED);
        }
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker ended too early"))??;
        }
        Ok(())
    })?;
    solver.stop();
    let mut answers = shared.answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    Ok(Work::Done(answers.into_iter().map(|(_, answer)| answer).collect(), shared.questions.into_inner()))
}

struct Shared<T> {
    next: AtomicUsize,
    questions: AtomicU32,
    answers: Mutex<Vec<(usize, T)>>,
}

/// The work of one solver: whichever task nobody has taken yet.
fn one_by_one<Q, T>(
    tasks: &[Q],
    effort: &Effort,
    solver: &Local,
    shared: &Shared<T>,
    progress: &Progress,
    answer: &impl AsyncFn(&Q, &mut Reasoner<'_>) -> T,
) -> io::Result<()> {
    runtime()?.block_on(async {
        let mut reasoner = Reasoner::new(solver, effort.time_limit);
        loop {
            let at = shared.next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(at) else { break };
            let answer = answer(task, &mut reasoner).await;
            shared.answers.lock().unwrap_or_else(PoisonError::into_inner).push((at, answer));
            progress.step();
        }
        shared.questions.fetch_add(reasoner.questions(), Ordering::Relaxed);
    });
    Ok(())
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
