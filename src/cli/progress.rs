//! How far long work has come: a line on standard error, where somebody sees it. Nothing in files and pipes.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line. It goes away with the value.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Counts `what` up to `all`; 0 when nobody knows how many there are.
    pub(super) fn new(what: &'static str, all: u64) -> Self {
        let target =
            if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target((all > 0).then_some(all), target);
        let template =
            if all > 0 { "{msg} {wide_bar} {human_pos}/{human_len} {eta}" } else { "{spinner} {msg} {human_pos}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// One more is done.
    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    /// Takes the line away before its time.
    #[cfg(feature = "analyze")]
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
