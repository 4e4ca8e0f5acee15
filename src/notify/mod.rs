//! Building of mails: subject, plain text and HTML, in the reader's language. Sending is another matter; nothing here
//! knows a mail server.

mod activation;

pub use activation::{ActivationMail, activation_link};

/// A mail could not be written.
#[derive(Debug, thiserror::Error)]
#[error("a mail can't be written")]
pub struct MailError(#[from] askama::Error);

/// A mail without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// A text as one line: what a header may hold (RFC 5322 §2.2). Line breaks in it would start a header of its author's.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}
