//! Time and randomness, as parameters. Nothing outside this file asks the operating system for either, so a test decides
//! both (`clippy.toml` bans the other ways).

use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
pub use jiff::Timestamp;

/// Tells the time of day (UTC instants; zones are the reader's business).
pub trait Clock: Send + Sync {
    /// The instant now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Measures how long something takes, by the monotonic clock. It tells no time of day, so it decides nothing.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Microseconds since.
    #[must_use]
    pub fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved: tests, and the pretended hour of the demo.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at `start` (whole milliseconds).
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_millisecond()))
    }

    /// Moves the clock by `seconds` (negative: back).
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds.saturating_mul(1000), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

/// The random source failed. Nothing can be issued without it, so callers stop.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct EntropyError;

/// Gives random bytes fit for keys and tokens.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// The source failed.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

impl dyn Entropy + '_ {
    /// `N` random bytes.
    ///
    /// # Errors
    /// The source failed.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// The operating system's random source.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        SystemRandom::new().fill(bytes).map_err(|_| EntropyError)
    }
}

/// Numbers that only look random, the same in each run: for tests.
#[derive(Debug)]
pub struct FixedEntropy(AtomicI64);

impl FixedEntropy {
    /// Starts the sequence at `seed`.
    #[must_use]
    pub fn seeded(seed: i64) -> Self {
        Self(AtomicI64::new(seed))
    }
}

impl Entropy for FixedEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(8) {
            // splitmix64: well spread, and two lines long.
            let n = self.0.fetch_add(0x1e37_79b9_7f4a_7c15, Ordering::SeqCst).cast_unsigned();
            let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            for (byte, random) in chunk.iter_mut().zip((n ^ (n >> 31)).to_le_bytes()) {
                *byte = random;
            }
        }
        Ok(())
    }
}
