//! From checked rows to people in the database.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use super::{ImportError, ImportMode, Person, Report, ReportRow, Row, RowOutcome, Sheet};
use crate::accounts::{Accounts, AccountsError, PasswordHash};
use crate::workers::{HashError, HashPool};

/// What an imported authenticator is called until its owner renames it.
const IMPORTED: &str = "Imported";

impl Accounts {
    /// Checks rows against each other and against the database and, with [`ImportMode::Apply`], creates all people in one
    /// transaction, unless a row has a problem.
    ///
    /// # Errors
    /// A password could not be hashed or the database failed; then nobody was created.
    pub async fn import(&self, sheet: Sheet, mode: ImportMode, hashing: &HashPool) -> Result<Report, ImportError> {
        let mut rows = sheet.rows;
        refuse_repeated(&mut rows);
        self.refuse_taken(&mut rows).await?;
        let good = rows.iter().all(|row| row.outcome.is_ok());
        if !good {
            return Ok(report(&rows, RowOutcome::Held));
        }
        match mode {
            ImportMode::DryRun => Ok(report(&rows, RowOutcome::WouldCreate)),
            ImportMode::Apply => {
                hash_passwords(&mut rows, hashing).await?;
                self.write_all(rows).await
            }
        }
    }

    async fn refuse_taken(&self, rows: &mut [Row]) -> Result<(), AccountsError> {
        for row in rows {
            let mut problems = Vec::new();
            for (column, name) in row.outcome.as_ref().map(login_names).into_iter().flatten() {
                if self.is_taken(&name).await? {
                    problems.push(format!("{column}: `{name}` is taken by an existing user"));
                }
            }
            refuse(row, problems);
        }
        Ok(())
    }

    /// One transaction. A name that was taken since the check refuses its row, and with it the import.
    pub(super) async fn write_all(&self, mut rows: Vec<Row>) -> Result<Report, ImportError> {
        let mut transaction = self.add().await?;
        for at in 0..rows.len() {
            let Some(row) = rows.get_mut(at) else { break };
            let Ok(person) = &row.outcome else { continue };
            let created = match self.insert(&mut transaction, &person.user).await {
                Ok(id) => id,
                Err(AccountsError::Taken { name }) => {
                    refuse(row, vec![format!("`{name}` was taken by another user just now")]);
                    return Ok(report(&rows, RowOutcome::Held));
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(secret) = &person.totp {
                self.insert_totp(&mut transaction, created, secret, None, IMPORTED).await?;
            }
        }
        transaction.commit().await.map_err(AccountsError::from)?;
        Ok(report(&rows, RowOutcome::Created))
    }
}

/// What this person could type to sign in, by column; once when address and username are the same.
fn login_names(person: &Person) -> Vec<(&'static str, String)> {
    let (username, email) = (person.user.username.to_string(), person.user.email.folded());
    if username == email { vec![("username", username)] } else { vec![("username", username), ("email", email)] }
}

/// Adds problems to a row; a row with problems is nobody.
fn refuse(row: &mut Row, mut problems: Vec<String>) {
    if problems.is_empty() {
        return;
    }
    match &mut row.outcome {
        Ok(_) => row.outcome = Err(problems),
        Err(earlier) => earlier.append(&mut problems),
    }
}

/// Refuses rows whose names stand in an earlier row.
fn refuse_repeated(rows: &mut [Row]) {
    let mut first: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let mut problems = Vec::new();
        for (column, name) in row.outcome.as_ref().map(login_names).into_iter().flatten() {
            match first.get(&name) {
                Some(line) => problems.push(format!("{column}: `{name}` is in line {line} already")),
                None => drop(first.insert(name, row.line)),
            }
        }
        refuse(row, problems);
    }
}

/// Replaces passwords by their hashes, as many at once as the pool has threads, so that its queue never overflows.
async fn hash_passwords(rows: &mut [Row], hashing: &HashPool) -> Result<(), HashError> {
    let mut waiting: BTreeSet<usize> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.outcome.as_ref().is_ok_and(|p| p.password.is_some()))
        .map(|(at, _)| at)
        .collect();
    let mut running: JoinSet<(usize, Result<PasswordHash, HashError>)> = JoinSet::new();
    loop {
        while running.len() < hashing.threads() {
            let Some(at) = waiting.pop_first() else { break };
            let Some(password) = rows.get_mut(at).and_then(|row| row.outcome.as_mut().ok()?.password.take()) else {
                continue;
            };
            let hashing = hashing.clone();
            running.spawn(async move { (at, hashing.hash(password).await) });
        }
        let Some(done) = running.join_next().await else { return Ok(()) };
        let (at, hash) = done.map_err(|_| HashError::Argon2)?;
        if let Some(Ok(person)) = rows.get_mut(at).map(|row| row.outcome.as_mut()) {
            person.user.password = Some(hash?);
        }
    }
}

/// The report; `good` is what becomes of rows without problems.
fn report(rows: &[Row], good: RowOutcome) -> Report {
    let rows = rows
        .iter()
        .map(|row| ReportRow {
            line: row.line,
            username: row.username.clone(),
            outcome: if row.outcome.is_ok() { good } else { RowOutcome::Refused },
            problems: row.outcome.as_ref().err().cloned().unwrap_or_default(),
        })
        .collect();
    Report { applied: good == RowOutcome::Created, rows }
}
