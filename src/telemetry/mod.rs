//! What operators see. Logs: structured events on standard error, for people or as one JSON object a line. What users send may
//! stand in them, so no control character reaches the terminal or forges a second line. [`Metrics`]: numbers for monitoring.
//! [`Traces`]: where the time of a request went.

mod metrics;
mod traces;

use std::io;

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, FilterFn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

pub use metrics::{FetchResult, Hashing, Metrics, ProofOutcome, ReloadResult};
pub use traces::{Traces, TracesError};

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("`{filter}` is no log filter; write it as `info` or `warn,cedargate=debug`")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something in this process logs already.
    #[error("logging was started before")]
    Started(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts logging for the whole process, and tracing if there is somewhere to send traces. `filter` is a level, or directives
/// as `warn,cedargate=debug`; it is for logs.
///
/// # Errors
/// The filter cannot be read, or logging was started before.
pub fn init(format: LogFormat, filter: &str, traces: Option<&Traces>) -> Result<(), TelemetryError> {
    let subscriber = subscriber(format, filter, Escaping(io::stderr), traces)?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Started)
}

fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    writer: W,
    traces: Option<&Traces>,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    // Logs are events. Spans are for traces alone: without those, they cost nothing.
    let filter = filter.and(FilterFn::new(|metadata| metadata.is_event()));
    let logs = tracing_subscriber::fmt::layer::<Registry>().with_ansi(false).with_writer(writer);
    let logs = match format {
        LogFormat::Human => logs.with_filter(filter).boxed(),
        LogFormat::Json => logs.json().flatten_event(true).with_filter(filter).boxed(),
    };
    Ok(Box::new(Registry::default().with(logs).with(traces.map(Traces::layer))))
}

/// Makes writers that escape what a terminal or a reader by lines would take for more than text.
struct Escaping<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaping<M> {
    type Writer = EscapingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(self.0.make_writer())
    }
}

struct EscapingWriter<W>(W);

impl<W: io::Write> io::Write for EscapingWriter<W> {
    /// The formatter hands over one whole event at a time, a line feed at its end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(escape(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes as JSON does (`\u001b`), which stays valid JSON and is readable elsewhere.
fn escape(event: &str) -> String {
    let (line, end) = event.strip_suffix('\n').map_or((event, ""), |line| (line, "\n"));
    let mut escaped = String::with_capacity(event.len());
    for c in line.chars() {
        if c.is_control() || is_layout(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped.push_str(end);
    escaped
}

/// Separators of lines and paragraphs, and marks that turn the direction of writing around.
fn is_layout(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, act: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(format, "info", Escaping(move || writer.clone()), None).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    const HOSTILE: &str = "ann\n2026-01-01 INFO forged\u{1b}[31m\u{85}\u{202e}\u{2028}";

    #[test]
    fn no_control_character_reaches_a_log_for_people() {
        let log =
            logged(LogFormat::Human, || tracing::info!(user.name = HOSTILE, shown = %HOSTILE, "signed in {HOSTILE}"));
        assert_eq!(log.matches('\n').count(), 1, "{log:?}");
        assert!(!log.trim_end().chars().any(|c| c.is_control() || is_layout(c)), "{log:?}");
    }

    #[test]
    fn a_json_log_is_one_object_a_line_with_the_values_as_sent() {
        let log = logged(LogFormat::Json, || tracing::info!(user.name = HOSTILE, "signed in"));
        assert_eq!(log.lines().count(), 1, "{log:?}");
        assert!(!log.trim_end().chars().any(|c| c.is_control() || is_layout(c)), "{log:?}");
        let event: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!(event["user.name"], HOSTILE);
        assert_eq!(event["message"], "signed in");
    }

    #[test]
    fn events_below_the_filter_are_not_written() {
        assert_eq!(logged(LogFormat::Human, || tracing::debug!("detail")), "");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused() {
        let error = subscriber(LogFormat::Human, "cedargate=loud", io::stderr, None).err().unwrap();
        assert!(error.to_string().contains("`cedargate=loud`"), "{error}");
    }
}
