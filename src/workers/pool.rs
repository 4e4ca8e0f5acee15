//! A fixed number of named threads behind a queue of fixed length.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use thread_priority::{ThreadPriority, ThreadPriorityValue, set_current_thread_priority};
use tokio::sync::oneshot;

/// How a pool's threads stand against the others of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Like every thread.
    Normal,
    /// Behind the others when there are more threads than processors.
    Low,
    /// Of what the others leave; next to nothing while they leave nothing.
    Lowest,
}

/// How large a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// What the threads are called in a debugger and in `top`.
    pub name: &'static str,
    /// How many jobs run at once; at least 1.
    pub threads: usize,
    /// How many more may wait.
    pub queue: usize,
    /// How its threads stand against others.
    pub priority: Priority,
}

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// As many jobs wait as may. The caller answers 503 with Retry-After.
    #[error("the `{0}` pool has as many waiting jobs as it may")]
    Full(&'static str),
    /// The job itself broke; its thread goes on.
    #[error("a job of the `{0}` pool failed unexpectedly")]
    JobPanicked(&'static str),
    /// The operating system gave no thread.
    #[error("could not start a thread for the `{name}` pool")]
    Thread {
        /// The pool.
        name: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Priority {
    /// 30 of 100 is a nice value of about 7: a storm of sign-ins slows itself down, but does not stand still. 0 is 19, the last.
    fn value(self) -> Option<u8> {
        match self {
            Self::Normal => None,
            Self::Low => Some(30),
            Self::Lowest => Some(0),
        }
    }

    /// Gives the calling thread this priority, and with it those that it starts. A system that refuses leaves it as it is:
    /// slower, not wrong.
    fn take(self) {
        let Some(value) = self.value() else { return };
        let lowered = ThreadPriorityValue::try_from(value)
            .is_ok_and(|value| set_current_thread_priority(ThreadPriority::Crossplatform(value)).is_ok());
        if !lowered {
            tracing::warn!("a worker thread could not lower its priority");
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Its threads end when the last handle is dropped and the queue is empty.
#[derive(Debug, Clone)]
pub struct Pool {
    settings: PoolSettings,
    jobs: SyncSender<Job>,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn start(settings: PoolSettings) -> Result<Self, PoolError> {
        let (jobs, queue) = sync_channel(settings.queue);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..settings.threads.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(settings.name.to_owned())
                .spawn(move || {
                    settings.priority.take();
                    work(&queue);
                })
                .map_err(|source| PoolError::Thread { name: settings.name, source })?;
        }
        Ok(Self { settings, jobs })
    }

    /// How many jobs run at once.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.settings.threads.max(1)
    }

    /// Runs `job` on a thread of the pool. A job whose caller went away before its turn is left out.
    ///
    /// # Errors
    /// The queue is full, or the job panicked.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, PoolError> {
        let (give, take) = oneshot::channel();
        let boxed: Job = Box::new(move || {
            if !give.is_closed() {
                // The caller may leave while the job runs; then nobody wants the result.
                drop(give.send(job()));
            }
        });
        match self.jobs.try_send(boxed) {
            Ok(()) => take.await.map_err(|_| PoolError::JobPanicked(self.settings.name)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(PoolError::Full(self.settings.name)),
        }
    }
}

/// Takes one job after the other until no handle is left.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: the other idle threads wait for the lock instead, which comes to the same.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            // The panic hook has told what broke, the caller gets `JobPanicked`.
            tracing::error!("a job of a pool panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PoolSettings = PoolSettings { name: "test", threads: 1, queue: 1, priority: Priority::Low };

    #[tokio::test]
    async fn a_job_gives_its_result_from_a_named_thread() {
        let pool = Pool::start(ONE).unwrap();
        let name = pool.run(|| std::thread::current().name().map(str::to_owned)).await.unwrap();
        assert_eq!(name.as_deref(), Some("test"));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_recovers() {
        let pool = Pool::start(ONE).unwrap();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let (started, running) = oneshot::channel();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    started.send(()).unwrap();
                    gate.recv().unwrap();
                })
                .await
            }
        });
        running.await.unwrap();
        let mut second = Box::pin(pool.run(|| 2));
        assert!(futures::poll!(&mut second).is_pending(), "one job may wait");
        assert!(matches!(pool.run(|| 3).await, Err(PoolError::Full("test"))));
        release.send(()).unwrap();
        first.await.unwrap().unwrap();
        assert_eq!(second.await.unwrap(), 2);
    }

    /// proc(5): the 19th field of `stat`, the 17th after the name in parentheses, is the nice value.
    #[cfg(target_os = "linux")]
    fn nice(stat: &str) -> i32 {
        let stat = std::fs::read_to_string(stat).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn low_priority_is_seen_by_the_system() {
        let own = nice("/proc/self/stat");
        let mut seen = Vec::new();
        for priority in [Priority::Normal, Priority::Low, Priority::Lowest] {
            let pool = Pool::start(PoolSettings { priority, ..ONE }).unwrap();
            let nice = || nice("/proc/thread-self/stat");
            let (thread, started) = pool.run(move || (nice(), std::thread::spawn(nice).join().unwrap())).await.unwrap();
            assert_eq!(thread, started, "{priority:?}: what a job starts is no more urgent than the job");
            seen.push(thread);
        }
        assert!(seen[0] == own && seen[0] < seen[1] && seen[1] < seen[2], "{seen:?}, the process {own}");
    }

    #[tokio::test]
    async fn a_panicking_job_is_an_error_and_the_thread_goes_on() {
        let pool = Pool::start(ONE).unwrap();
        assert!(matches!(pool.run(|| panic!("on purpose")).await, Err(PoolError::JobPanicked("test"))));
        assert_eq!(pool.run(|| 4).await.unwrap(), 4);
    }
}
