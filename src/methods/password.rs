//! The password: looked up, throttled, compared. An unknown user costs the same work and gets the same answer as a wrong
//! password; whether the account may be used at all is asked of policies afterwards.

use std::sync::Arc;

use super::throttle::{Admission, Attempt, Person, Throttle};
use super::{Answer, MethodError, Origin};
use crate::accounts::{Accounts, Login};
use crate::clock::Clock;
use crate::devices::Devices;
use crate::domain::{Method, Proof, User};
use crate::signals::{Failures, Guarded};
use crate::workers::{Checked, HashError, HashPool, Password};

#[cfg(test)]
mod tests;

/// A right password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordShown {
    /// Whose it is.
    pub user: User,
    /// What it proves.
    pub proof: Proof,
    /// Wrong ones for this name from this source within 15 minutes before it.
    pub failed_attempts: u32,
}

/// Checks passwords.
#[derive(Clone)]
pub struct PasswordMethod {
    accounts: Accounts,
    hashing: HashPool,
    devices: Devices,
    failures: Failures,
    throttle: Throttle,
    clock: Arc<dyn Clock>,
}

impl PasswordMethod {
    /// Compares with the hashes in `accounts`, on the pool.
    #[must_use]
    pub fn new(
        accounts: Accounts,
        hashing: HashPool,
        devices: Devices,
        failures: Failures,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let throttle = Throttle::new(failures.clone(), Arc::clone(&clock));
        Self { accounts, hashing, devices, failures, throttle, clock }
    }

    /// Whether `password` is that of the user whose username or mail address was `typed`.
    ///
    /// # Errors
    /// A store failed, or too many passwords wait to be compared.
    pub async fn check(
        &self,
        typed: &str,
        password: Password,
        origin: Origin<'_>,
    ) -> Result<Answer<PasswordShown>, MethodError> {
        let login = self.accounts.find_by_login(typed).await?;
        let source = origin.source(&self.devices, login.as_ref().map(|login| login.user.id)).await?;
        let attempt = Attempt { guarded: Guarded::Password, subject: self.failures.subject(typed), source };
        let mut ticket = match self.throttle.admit(attempt).await? {
            Admission::Go(ticket) => ticket,
            Admission::Wait { retry_after } => return Ok(Answer::Wait { retry_after }),
        };
        let may_be_right = self.throttle.admit_person(&mut ticket, self.person(typed, login.as_ref())).await?;
        let stored = login.as_ref().and_then(|login| login.password.as_ref());
        let checked = match self.hashing.verify(stored, password.clone()).await {
            Ok(checked) => checked,
            Err(HashError::TooLong) => Checked::NoMatch,
            Err(error) => {
                self.throttle.unchecked(ticket).await?;
                return Err(error.into());
            }
        };
        if let (false, Some(login)) = (may_be_right, &login) {
            tracing::info!(user.id = %login.user.id, "a password counts as wrong: too many wrong ones over all names");
        }
        let (true, Checked::Match { needs_rehash }, Some(login)) = (may_be_right, checked, login) else {
            return Ok(Answer::Wrong { free_left: ticket.free_left(), retry_after: ticket.retry_after() });
        };
        let failed_attempts = ticket.recent_before();
        self.throttle.right(ticket).await?;
        if needs_rehash {
            self.rehash(&login, password).await;
        }
        let proof = Proof { method: Method::Password, at: self.clock.now(), authenticator: None };
        Ok(Answer::Right(PasswordShown { user: login.user, proof, failed_attempts }))
    }

    /// One person is one subject besides, by whichever name they are guessed at. That must not show, so the work is done
    /// whether the answer may count or not, and nobody is a person too.
    fn person(&self, typed: &str, login: Option<&Login>) -> Person {
        let (username, email) =
            login.map_or((typed, ""), |login| (login.user.username.as_str(), login.user.email.as_str()));
        let (id, typed, email) =
            (self.failures.subject(username), self.failures.subject(typed), self.failures.subject(email));
        if typed == id {
            Person { by: id.clone(), other: email, id }
        } else {
            Person { by: email, other: id.clone(), id }
        }
    }

    /// Replaces a hash that is weaker than what is made today. That it failed keeps nobody out: the next sign-in tries again.
    async fn rehash(&self, login: &Login, password: Password) {
        let Some(old) = &login.password else { return };
        let replaced: Result<bool, MethodError> = async {
            let new = self.hashing.hash(password).await?;
            Ok(self.accounts.upgrade_password_hash(login.user.id, old, &new).await?)
        }
        .await;
        if let Err(error) = replaced {
            tracing::warn!(error = %error, user.id = %login.user.id, "password hash not upgraded");
        }
    }
}
