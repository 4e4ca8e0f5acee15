//! A place that metadata is fetched from: a small HTTP server that says what the test lets it say.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Listens on the loopback until the test ends.
pub(crate) struct Source {
    address: String,
    scheme: &'static str,
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
        Self::start(document, None)
    }

    /// The same by https, with the certificate and key that `write_certificate` put into this folder.
    pub(crate) fn by_https(document: &str, folder: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(folder.join("tls.crt.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("tls.key.pem")).unwrap();
        let settings = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::start(document, Some(Arc::new(settings)))
    }

    fn start(document: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State { document: Some(document.to_owned()), answers: Vec::new() }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Whoever hangs up hangs up.
                let _ = match &tls {
                    None => answer(stream, &shared),
                    Some(tls) => {
                        let session = ServerConnection::new(Arc::clone(tls)).unwrap();
                        answer(StreamOwned::new(session, stream), &shared)
                    }
                };
            }
        });
        Self { address, scheme, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/metadata", self.scheme, self.address)
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

fn answer(stream: impl Read + Write, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = reader.by_ref().lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    assert!(request.starts_with("GET /metadata HTTP/1.1"), "{request}");
    let mut known = None;
    for line in &mut lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((_, value)) = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("if-none-match")) {
            known = Some(value.to_owned());
        }
    }
    let mut stream = reader.into_inner();
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
        write!(stream, "HTTP/1.1 304 Not Modified\r\netag: {etag}\r\nconnection: close\r\n\r\n")?;
    } else {
        let length = document.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}"
        )?;
    }
    stream.flush()
}
