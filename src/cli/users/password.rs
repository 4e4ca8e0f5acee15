//! Reading a password: hidden from a terminal, or one line from a pipe.

use std::io::{BufRead, IsTerminal as _};

use anyhow::bail;
use zeroize::Zeroizing;

use crate::domain::Username;
use crate::workers::Password;

/// A line longer than this is no password.
const MAX_LINE: u64 = 4096;

/// Asks twice on a terminal; takes the first line of a pipe.
pub(super) fn read(username: &Username) -> anyhow::Result<Password> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let first = Zeroizing::new(rpassword::prompt_password(format!("New password for {username}: "))?);
        let second = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
        if first != second {
            bail!("the two passwords differ");
        }
        return Ok(Password::new(first.to_string()));
    }
    from_line(stdin.lock())
}

/// The first line, without its end.
fn from_line(input: impl BufRead) -> anyhow::Result<Password> {
    let mut line = Zeroizing::new(String::new());
    input.take(MAX_LINE).read_line(&mut line)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Password::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piped_password_is_the_first_line_as_it_stands() {
        for (input, password) in [
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret", "secret"),
            (" two words \nmore\n", " two words "),
            ("", ""),
        ] {
            assert_eq!(from_line(input.as_bytes()).unwrap().expose(), password, "{input:?}");
        }
        assert!(from_line("x".repeat(10_000).as_bytes()).unwrap().is_too_long(), "what is cut off is refused later");
    }
}
