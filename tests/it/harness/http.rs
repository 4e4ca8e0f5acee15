//! What the little servers of the tests read: one request, no more of HTTP than their clients send.

use std::io::BufRead;

/// A request: its first line, and what follows its headers.
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
}

/// The next request of a connection; none at its end. A broken connection is the client's business.
pub(crate) fn request(reader: &mut impl BufRead) -> Option<Request> {
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line, body })
}
