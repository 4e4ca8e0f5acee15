//! Ways to authenticate: what each shows, and how an answer is checked. What lives here: one file per method, and the
//! throttle that every guessable method stands behind. What must not: storage of authenticators (`accounts`), hashing
//! (`workers`), and the decision which methods are enough (`policy`).

pub mod throttle;
pub mod totp;
