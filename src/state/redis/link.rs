//! The connection to Redis: made when it is needed, looked over when it is new and each second after, dropped when it fails.
//!
//! One connection carries all calls at once. Nobody waits long: a server that does not answer fails a call within a second
//! or two, and for a moment after a failure every call fails at once, so that a crowd does not queue for a dead server.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::scripts;
use super::server::{Server, Unfit, skew};
use crate::clock::{Clock, Entropy, Stopwatch, Timestamp};
use crate::state::key::hex;
use crate::state::{StateError, StoreHealth};

/// How long a connection may take to be made, with TLS, AUTH and all that is looked at.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection is looked over again after so long.
const CHECK_EVERY_MICROS: u64 = 1_000_000;
/// After a failure, calls fail at once for so long; doubled with each further failure up to the longest.
const FIRST_PAUSE_MICROS: u64 = 100_000;
const LONGEST_PAUSE_MICROS: u64 = 2_000_000;

/// What the store writes its generation under. The owner's place in the key holds no owner, and no kind is called so.
pub(super) const MARKER: &str = "cg:{store}:generation";

/// What a new connection is tried on.
const PROBE: &str = "cg:{store}:probe";

/// What is wrong with the server or the way to it, told with what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum RedisProblem {
    /// It cannot be reached.
    #[error("`{url}` does not let us in: {error}")]
    Unreachable { url: String, error: RedisError },
    /// It answered once, and does not now.
    #[error("`{url}` did not answer: {error}")]
    Unanswered { url: String, error: RedisError },
    /// It takes no more.
    #[error("`{url}` is full: raise its `maxmemory`; nothing that it holds is lost: {error}")]
    Full { url: String, error: RedisError },
    /// It refuses a command.
    #[error("the user of `{url}` may not do what cedargate has to do there (docs/state.md lists it): {error}")]
    NotPermitted { url: String, error: RedisError },
    /// It refuses for another reason.
    #[error("`{url}` refused: {error}")]
    Refused { url: String, error: RedisError },
    /// It is not fit.
    #[error("`{url}` is not fit to keep state: {unfit}")]
    Unfit { url: String, unfit: Unfit },
    /// It holds something else than we wrote.
    #[error("`{url}` answered something that cedargate never wrote there")]
    Foreign { url: String },
    /// Another call has just found it broken.
    #[error("the connection to `{url}` was lost")]
    Lost { url: String },
    /// Its clock is wrong, or ours.
    #[error("the clock of `{url}` is {seconds} s ahead of ours (negative: behind); let both machines keep time by NTP")]
    Skewed { url: String, seconds: i64 },
    /// There is no randomness for a generation.
    #[error(transparent)]
    Entropy(#[from] crate::clock::EntropyError),
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

impl From<RedisProblem> for StateError {
    fn from(problem: RedisProblem) -> Self {
        Self::Unavailable(Box::new(problem))
    }
}

/// Makes and keeps the connection.
pub(super) struct Link {
    client: Client,
    /// The address without its password.
    url: String,
    plain_text: bool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Where connections live: not on the worker that happens to ask first.
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    failed: Option<Failed>,
    /// How many connections there were.
    connections: u64,
    /// The generation last seen.
    generation: Option<String>,
    /// The warnings last told.
    told: Vec<String>,
}

struct Live {
    number: u64,
    connection: MultiplexedConnection,
    /// Since it was looked over.
    checked: Stopwatch,
    health: StoreHealth,
    skew: Option<i64>,
    /// The setting `save`, if the server tells it.
    snapshots: Option<String>,
    generation: String,
    born: Timestamp,
}

struct Failed {
    since: Stopwatch,
    pause: u64,
    problem: Arc<RedisProblem>,
}

/// A connection to use for one call.
pub(super) struct Lease {
    pub(super) connection: MultiplexedConnection,
    number: u64,
    /// The generation of the store when it was looked over.
    pub(super) generation: String,
    /// When the store of that generation was born.
    pub(super) born: Timestamp,
}

impl Link {
    /// Over a client of the redis crate; connects at the first call.
    pub(super) fn new(
        client: Client,
        url: String,
        plain_text: bool,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let runtime = Handle::current();
        Self { client, url, plain_text, clock, entropy, runtime, state: Mutex::new(State::default()) }
    }

    /// A connection that was looked over within the last second.
    pub(super) async fn lease(&self) -> Result<Lease, StateError> {
        let mut state = self.state.lock().await;
        self.ensure(&mut state).await?;
        let live = state.live.as_ref().ok_or_else(|| RedisProblem::Lost { url: self.url.clone() })?;
        let (connection, generation) = (live.connection.clone(), live.generation.clone());
        Ok(Lease { connection, number: live.number, generation, born: live.born })
    }

    /// How the server is doing, once it has done all that it is needed for.
    pub(super) async fn health(&self) -> Result<StoreHealth, StateError> {
        let mut lease = self.lease().await?;
        if let Err(problem) = self.probe(&mut lease.connection).await {
            if !matches!(problem, RedisProblem::Full { .. }) {
                self.distrust(&lease).await;
            }
            return Err(problem.into());
        }
        let state = self.state.lock().await;
        let live = state.live.as_ref().ok_or_else(|| RedisProblem::Lost { url: self.url.clone() })?;
        match live.skew {
            Some(seconds) => Err(RedisProblem::Skewed { url: self.url.clone(), seconds }.into()),
            None => Ok(live.health.clone()),
        }
    }

    /// Gives the connection up: the next call makes a new one.
    pub(super) async fn distrust(&self, lease: &Lease) {
        let mut state = self.state.lock().await;
        if state.live.as_ref().is_some_and(|live| live.number == lease.number) {
            state.live = None;
        }
    }

    /// What an error of a call means. A connection that may be broken is not used again.
    pub(super) async fn failed(&self, lease: &Lease, error: RedisError) -> StateError {
        let code = error.code().unwrap_or_default().to_owned();
        if error.is_io_error()
            || error.is_unrecoverable_error()
            || ["READONLY", "NOAUTH", "NOPERM", "LOADING"].contains(&&*code)
        {
            self.distrust(lease).await;
        }
        self.problem(error).into()
    }

    /// An answer that makes no sense.
    pub(super) fn foreign(&self) -> StateError {
        RedisProblem::Foreign { url: self.url.clone() }.into()
    }

    fn problem(&self, error: RedisError) -> RedisProblem {
        let url = self.url.clone();
        let text = error.to_string();
        // What a script called is refused in words of its own, before Redis 7 for want of memory too.
        match error.code().unwrap_or_default() {
            "OOM" => RedisProblem::Full { url, error },
            "NOPERM" => RedisProblem::NotPermitted { url, error },
            _ if text.contains("OOM command not allowed") => RedisProblem::Full { url, error },
            _ if text.contains("can't run this command or subcommand") => RedisProblem::NotPermitted { url, error },
            _ if error.is_io_error() => RedisProblem::Unanswered { url, error },
            _ => RedisProblem::Refused { url, error },
        }
    }

    /// Sees to it that there is a connection that was looked over within the last second.
    async fn ensure(&self, state: &mut State) -> Result<(), StateError> {
        if let Some(live) = &state.live {
            if live.checked.micros() < CHECK_EVERY_MICROS {
                return Ok(());
            }
            let (number, mut connection, snapshots) = (live.number, live.connection.clone(), live.snapshots.clone());
            match self.look_over(&mut connection).await {
                Ok(seen) => {
                    self.keep(state, number, connection, snapshots, seen);
                    return Ok(());
                }
                // The server went away while nobody asked: that is no failure of this call yet.
                Err(RedisProblem::Unanswered { error, .. }) if !error.is_timeout() => state.live = None,
                Err(problem) => return Err(self.fail(state, problem)),
            }
        }
        if let Some(failed) = &state.failed
            && failed.since.micros() < failed.pause
        {
            return Err(StateError::Unavailable(Box::new(Arc::clone(&failed.problem))));
        }
        match self.connect().await {
            Ok((connection, snapshots, seen)) => {
                state.connections = state.connections.saturating_add(1);
                if state.failed.take().is_some() {
                    tracing::info!(state.url = self.url, "the state store answers again");
                }
                self.keep(state, state.connections, connection, snapshots, seen);
                Ok(())
            }
            Err(problem) => Err(self.fail(state, problem)),
        }
    }

    fn fail(&self, state: &mut State, problem: RedisProblem) -> StateError {
        let pause = match &state.failed {
            Some(failed) => failed.pause.saturating_mul(2).min(LONGEST_PAUSE_MICROS),
            None => {
                let error: &dyn std::error::Error = &problem;
                tracing::error!(error, "the state store does not work: no sign-in goes on until it does");
                FIRST_PAUSE_MICROS
            }
        };
        let problem = Arc::new(problem);
        state.live = None;
        state.failed = Some(Failed { since: Stopwatch::start(), pause, problem: Arc::clone(&problem) });
        StateError::Unavailable(Box::new(problem))
    }

    fn keep(
        &self,
        state: &mut State,
        number: u64,
        connection: MultiplexedConnection,
        snapshots: Option<String>,
        seen: Seen,
    ) {
        let Seen { server, skew, generation, born } = seen;
        if state.generation.as_ref().is_some_and(|old| *old != generation) {
            tracing::warn!(
                state.url = self.url,
                "the state store was restarted, replaced or emptied: sign-ins underway and codes sent before are void"
            );
        }
        state.generation = Some(generation.clone());
        let mut warnings = server.warnings(snapshots.as_deref());
        if self.plain_text {
            warnings.push(
                "the connection to Redis is not encrypted and leaves this machine: use `rediss://`, or a network that nobody \
                 else can read"
                    .to_owned(),
            );
        }
        if warnings != state.told {
            for warning in &warnings {
                tracing::warn!(state.url = self.url, "{warning}");
            }
            state.told.clone_from(&warnings);
        }
        let health = StoreHealth { backend: format!("redis {} at {}", server.version, self.url), warnings };
        let checked = Stopwatch::start();
        state.live = Some(Live { number, connection, checked, health, skew, snapshots, generation, born });
    }

    /// A new connection, looked over and tried out, within [`CONNECT_TIMEOUT`].
    async fn connect(&self) -> Result<(MultiplexedConnection, Option<String>, Seen), RedisProblem> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.connect_and_try()).await.unwrap_or_else(|_| {
            let error = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
            Err(RedisProblem::Unanswered { url: self.url.clone(), error })
        })
    }

    async fn connect_and_try(&self) -> Result<(MultiplexedConnection, Option<String>, Seen), RedisProblem> {
        let client = self.client.clone();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        // Its driver runs where it is made.
        let making =
            self.runtime.spawn(async move { client.get_multiplexed_async_connection_with_config(&config).await });
        let made = making.await.map_err(|_| RedisProblem::Stopping)?;
        let mut connection = made.map_err(|error| RedisProblem::Unreachable { url: self.url.clone(), error })?;
        let seen = self.look_over(&mut connection).await?;
        match self.probe(&mut connection).await {
            // Who is signed in stays so while it is full.
            Ok(()) | Err(RedisProblem::Full { .. }) => {}
            Err(problem) => return Err(problem),
        }
        let saved: Result<Vec<String>, _> =
            redis::cmd("CONFIG").arg("GET").arg("save").query_async(&mut connection).await;
        // A user who may not ask is told so in the warnings.
        let snapshots = saved.ok().and_then(|pair| pair.into_iter().nth(1));
        Ok((connection, snapshots, seen))
    }

    /// Does once whatever the scripts do, on entries that are gone after.
    async fn probe(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisProblem> {
        let done: Result<(), RedisError> =
            scripts::probe().key(PROBE).key(format!("{PROBE}-set")).invoke_async(connection).await;
        done.map_err(|error| self.problem(error))
    }

    /// Asks the server what it is, and takes part in its generation.
    async fn look_over(&self, connection: &mut MultiplexedConnection) -> Result<Seen, RedisProblem> {
        let (info, time): (String, (i64, i64)) =
            redis::pipe().cmd("INFO").cmd("TIME").query_async(connection).await.map_err(|error| self.problem(error))?;
        let server = Server::read(&info).map_err(|unfit| RedisProblem::Unfit { url: self.url.clone(), unfit })?;
        let fresh = hex(&self.entropy.bytes::<16>()?);
        let (generation, born): (String, i64) = scripts::claim()
            .key(MARKER)
            .arg(&server.identity)
            .arg(fresh)
            .invoke_async(connection)
            .await
            .map_err(|error| self.problem(error))?;
        let born = Timestamp::from_millisecond(born).map_err(|_| RedisProblem::Foreign { url: self.url.clone() })?;
        Ok(Seen { skew: skew(time.0, self.clock.now()), server, generation, born })
    }
}

struct Seen {
    server: Server,
    skew: Option<i64>,
    generation: String,
    born: Timestamp,
}
