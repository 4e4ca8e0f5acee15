//! Processes that live as long as a test, and tools that are run once.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cedargate::clock::Stopwatch;

/// A child process with its output. Dropped, it is killed by its id; when the test failed, what it wrote is shown.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `command`. Its output is read all the time, so that it never stops for a full pipe.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(
                |error| panic!("`{name}` does not start ({error}); `make tools` installs what tests call"),
            );
        let (sender, lines) = channel();
        let log = Arc::new(Mutex::new(String::new()));
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
            child.stderr.take().map(|err| Box::new(err) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let (sender, log) = (sender.clone(), Arc::clone(&log));
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    log.lock().unwrap().push_str(&format!("{line}\n"));
                    if sender.send(line).is_err() {
                        // Nobody waits for lines any more; the log still wants them.
                    }
                }
            });
        }
        Self { name, child, lines, log }
    }

    /// The rest of the first line that holds `marker`, or the log when the process ends or `limit` passes before.
    pub(crate) fn wait_for(&self, marker: &str, limit: Duration) -> Result<String, String> {
        let start = Stopwatch::start();
        loop {
            match self.lines.recv_timeout(limit.saturating_sub(Duration::from_micros(start.micros()))) {
                Ok(line) => {
                    if let Some((_, rest)) = line.split_once(marker) {
                        return Ok(rest.trim().to_owned());
                    }
                }
                Err(reason) => {
                    let what = match reason {
                        RecvTimeoutError::Timeout => "took too long to say",
                        RecvTimeoutError::Disconnected => "ended without saying",
                    };
                    return Err(format!("`{}` {what} `{marker}`:\n{}", self.name, self.log()));
                }
            }
        }
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM), and waits until it has. Whether it ended well.
    pub(crate) fn terminate(&mut self, limit: Duration) -> bool {
        let said = run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]), b"");
        assert!(said.ok, "{said:?}");
        let start = Stopwatch::start();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(u128::from(start.micros()) < limit.as_micros(), "`{}` does not end:\n{}", self.name, self.log());
            thread::yield_now();
        }
    }

    /// Sends it a signal (`TERM`, `HUP`).
    pub(crate) fn signal(&self, name: &str) {
        let said = run(Command::new("kill").args(["-s", name, &self.child.id().to_string()]), b"");
        assert!(said.ok, "`{}` can't be told {name}: {}", self.name, said.err);
    }

    /// How it ended by itself; none when it did not within `limit`.
    pub(crate) fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Stopwatch::start();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            // Its output ends with it: waiting for a line is waiting for the end, without asking all the time.
            let left = limit.checked_sub(Duration::from_micros(start.micros()))?;
            if self.lines.recv_timeout(left.min(Duration::from_millis(20))).is_err() {
                thread::yield_now();
            }
        }
    }

    /// All that it wrote so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} wrote:\n{}---", self.name, self.log());
        }
    }
}

/// What a tool said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) ok: bool,
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a tool to its end with `input` on its standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Said {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("`{name}` does not start ({error}); `make tools` installs what tests call"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Written from beside: a tool that answers before it has read everything must not wait for us.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    // A tool may refuse its input without reading it: its answer counts, not the broken pipe.
    let _ = writer.join().unwrap();
    Said {
        ok: status.success(),
        code: status.code(),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
