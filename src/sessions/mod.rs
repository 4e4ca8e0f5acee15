//! SSO sessions: what a browser was found to be after a sign-in, and for how long that holds. What lives here: creating,
//! finding, strengthening and ending them, and which apps were told of each. What must not: any decision (a session opens nothing by itself; every assertion is
//! decided anew) and cookies (`web`).

mod participants;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Entropy, EntropyError, Timestamp};
use crate::domain::{DeviceId, Proof, SessionId, User, UserId};
use crate::state::{Key, Kind, StateError, StateStore, Ttl, decode, encode, token_type};

#[cfg(test)]
mod tests;

pub use participants::{MOST_PARTICIPANTS, Participant, ParticipantError, Participants};

/// A session nobody used for so long is over.
pub const IDLE_SECONDS: i64 = 30 * 60;
/// A session is over after so long, used or not.
pub const ABSOLUTE_SECONDS: i64 = 12 * 60 * 60;
/// Use is written down once in so long.
const TOUCH_SECONDS: i64 = 60;

token_type!(
    /// The secret that opens a session. It lives in the cookie; the store has its hash.
    SessionToken
);

/// An SSO session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name in logs and lists; stays the same when the token changes.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The user's `session_epoch` when it began.
    pub epoch: i64,
    /// What was shown, the newest of each method; each ages by its own `at`.
    pub proofs: Vec<Proof>,
    /// The device it began on. When the user removes that, the session is over.
    #[serde(default)]
    pub device: Option<DeviceId>,
    /// When it began.
    pub created: Timestamp,
    /// When it was last used, to the minute.
    pub last_used: Timestamp,
}

impl Session {
    /// Whether it still belongs to `user` as they are now: same person, and nothing since has ended their sessions.
    #[must_use]
    pub fn is_of(&self, user: &User) -> bool {
        self.user == user.id && self.epoch == user.session_epoch
    }

    /// When it is over at the latest.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        end_of(self.created)
    }

    /// Whether it counts at `now`. A session from the future does not: clocks jumped.
    fn is_alive(&self, now: Timestamp) -> bool {
        let age = now.as_second() - self.created.as_second();
        let idle = now.as_second() - self.last_used.as_second();
        (0..ABSOLUTE_SECONDS).contains(&age) && (0..IDLE_SECONDS).contains(&idle)
    }

    /// How long the store keeps it from `now` on: also while it is idle, so that a sign-out still finds whom to tell.
    fn lifetime(&self, now: Timestamp) -> Ttl {
        let left = (self.ends().as_second() - now.as_second()).clamp(0, ABSOLUTE_SECONDS);
        Ttl::seconds(u32::try_from(left).unwrap_or(0))
    }

    fn show(&mut self, proofs: Vec<Proof>) {
        for proof in proofs {
            self.proofs.retain(|old| old.method != proof.method);
            self.proofs.push(proof);
        }
    }
}

/// What stands under a token.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    /// The session it opens.
    Session(Session),
    /// Nothing: the session got a new token, and here is its hash. Who ends the session by the old token ends it all the same.
    Moved { moved_to: String },
}

/// When a session that begins at `created` is over at the latest.
#[must_use]
pub fn end_of(created: Timestamp) -> Timestamp {
    created.checked_add(jiff::SignedDuration::from_secs(ABSOLUTE_SECONDS)).unwrap_or(Timestamp::MAX)
}

/// A session could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store failed.
    #[error(transparent)]
    State(#[from] StateError),
    /// No random bytes for a token.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// All sessions.
#[derive(Clone)]
pub struct Sessions {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Sessions {
    /// Keeps them in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn StateStore>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy }
    }

    /// Begins a session of `user`, who has shown `proofs`, on `device`.
    ///
    /// # Errors
    /// The store or the random source failed.
    pub async fn create(
        &self,
        id: SessionId,
        user: &User,
        proofs: Vec<Proof>,
        device: Option<DeviceId>,
    ) -> Result<(SessionToken, Session), SessionError> {
        let now = self.clock.now();
        let epoch = user.session_epoch;
        let mut session =
            Session { id, user: user.id, epoch, proofs: Vec::new(), device, created: now, last_used: now };
        session.show(proofs);
        let token = self.keep(&session, now).await?;
        Ok((token, session))
    }

    /// The session that `token` opens, if it is not over. Writes down that it was used.
    ///
    /// # Errors
    /// The store failed.
    pub async fn find(&self, token: &SessionToken) -> Result<Option<Session>, SessionError> {
        let key = key(token);
        let Some((mut session, stored)) = self.session_at(&key).await? else { return Ok(None) };
        let now = self.clock.now();
        if !session.is_alive(now) {
            return Ok(None);
        }
        if now.as_second() - session.last_used.as_second() >= TOUCH_SECONDS {
            session.last_used = now;
            // Whoever swaps first has written the same minute; a session ended meanwhile stays ended.
            let swapped =
                self.store.compare_and_swap(&key, &stored, &encode(&key, &session)?, session.lifetime(now)).await?;
            if !swapped && self.session_at(&key).await?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(session))
    }

    /// Adds what was shown since, under a new token; the old one is void from now on. `None` when the session is over, or
    /// another request has just done the same.
    ///
    /// # Errors
    /// The store or the random source failed.
    pub async fn add_proofs(
        &self,
        token: &SessionToken,
        proofs: Vec<Proof>,
    ) -> Result<Option<(SessionToken, Session)>, SessionError> {
        let key = key(token);
        let now = self.clock.now();
        loop {
            let Some((mut session, stored)) = self.session_at(&key).await? else { return Ok(None) };
            if !session.is_alive(now) {
                return Ok(None);
            }
            session.show(proofs.clone());
            session.last_used = now;
            // INVARIANT: it is never gone in between. Whoever ends it meanwhile makes the swap fail, and afterwards is led on.
            let new = self.keep(&session, now).await?;
            let moved = encode(&key, &Stored::Moved { moved_to: new.hash() })?;
            if self.store.compare_and_swap(&key, &stored, &moved, session.lifetime(now)).await? {
                return Ok(Some((new, session)));
            }
            // It ended, moved, or its last use was written down just now: the next look tells.
            self.store.delete(&self::key(&new)).await?;
        }
    }

    /// The session that `token` opens or once opened, also when it is idle: to sign out of it, and for nothing else.
    ///
    /// # Errors
    /// The store failed.
    pub async fn to_end(&self, token: &SessionToken) -> Result<Option<Session>, SessionError> {
        let mut key = key(token);
        loop {
            let Some(bytes) = self.store.get(&key).await? else { return Ok(None) };
            match decode(&key, &bytes)? {
                Stored::Session(session) => return Ok(Some(session)),
                Stored::Moved { moved_to } => key = key_at(&moved_to),
            }
        }
    }

    /// Ends a session, also under a token that it has got since. `true` if there was one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn end(&self, token: &SessionToken) -> Result<bool, SessionError> {
        let mut key = key(token);
        loop {
            // What leads on stays where it is: when this fails on the way, it can be tried again.
            let Some(mut bytes) = self.store.get(&key).await? else { return Ok(false) };
            if matches!(decode(&key, &bytes)?, Stored::Session(_)) {
                let Some(taken) = self.store.take(&key).await? else { return Ok(false) };
                bytes = taken;
            }
            match decode(&key, &bytes)? {
                Stored::Session(_) => return Ok(true),
                Stored::Moved { moved_to } => key = key_at(&moved_to),
            }
        }
    }

    /// The session at `key`, and how it is written there.
    async fn session_at(&self, key: &Key) -> Result<Option<(Session, Vec<u8>)>, SessionError> {
        let Some(bytes) = self.store.get(key).await? else { return Ok(None) };
        match decode(key, &bytes)? {
            Stored::Session(session) => Ok(Some((session, bytes))),
            Stored::Moved { .. } => Ok(None),
        }
    }

    async fn keep(&self, session: &Session, now: Timestamp) -> Result<SessionToken, SessionError> {
        let token = SessionToken::new(self.entropy.as_ref())?;
        let key = key(&token);
        self.store.put(&key, &encode(&key, session)?, session.lifetime(now)).await?;
        Ok(token)
    }
}

fn key(token: &SessionToken) -> Key {
    key_at(&token.hash())
}

fn key_at(hash: &str) -> Key {
    Key::new(Kind::Session, hash, "")
}
