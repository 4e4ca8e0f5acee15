//! A place that metadata is fetched from: a small HTTP server that says what the test lets it say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens on the loopback until the test ends.
pub(crate) struct Source {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// None: it hangs up on everybody.
    document: Option<String>,
    /// The status it gave to each request.
    answers: Vec<u16>,
}

impl Source {
    /// Begins with this document.
    pub(crate) fn of(document: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { document: Some(document.to_owned()), answers: Vec::new() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever hangs up hangs up.
                let _ = answer(&stream, &shared);
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/metadata", self.address)
    }

    /// From now on it has this.
    pub(crate) fn says(&self, document: &str) {
        self.state.lock().unwrap().document = Some(document.to_owned());
    }

    /// From now on it hangs up.
    pub(crate) fn is_down(&self) {
        self.state.lock().unwrap().document = None;
    }

    /// The status it gave to each request; 0 where it hung up.
    pub(crate) fn answers(&self) -> Vec<u16> {
        self.state.lock().unwrap().answers.clone()
    }
}

fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    assert!(request.starts_with("GET /metadata HTTP/1.1"), "{request}");
    let mut known = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((_, value)) = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match")) {
            known = Some(value.to_owned());
        }
    }
    let mut state = state.lock().unwrap();
    let Some(document) = state.document.clone() else {
        state.answers.push(0);
        return Ok(());
    };
    // Only that it differs matters.
    let etag = format!("\"{}-{}\"", document.len(), document.bytes().map(u64::from).sum::<u64>());
    let same = known.as_deref() == Some(&etag);
    state.answers.push(if same { 304 } else { 200 });
    drop(state);
    if same {
        return write!(stream, "HTTP/1.1 304 Not Modified\r\netag: {etag}\r\nconnection: close\r\n\r\n");
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
        document.len()
    )
}
