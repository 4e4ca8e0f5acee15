//! How the server ends: it says that it is about to, goes on for as long as a load balancer needs to notice, finishes what is
//! underway, and stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether the server is about to stop. Clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle(Arc<AtomicBool>);

impl Lifecycle {
    /// Of a server that goes on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is about to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The signals that ask the server to stop. Received from the moment this exists, so that one that comes early is not the end.
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Receives them from now on.
    pub(super) fn receive() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one, and stops the server. SIGTERM lets load balancers notice first, for `drain`; SIGINT (Ctrl-C) does not, nor
    /// does a second signal. Either way requests underway are finished.
    pub(super) async fn stop(mut self, server: ServerHandle, lifecycle: Lifecycle, drain: Duration) {
        tokio::select! {
            _ = self.interrupt.recv() => lifecycle.stop(),
            _ = self.terminate.recv() => {
                lifecycle.stop();
                tracing::info!(drain.seconds = drain.as_secs(), "about to stop: readiness says no");
                tokio::select! {
                    () = tokio::time::sleep(drain) => {}
                    _ = self.interrupt.recv() => {}
                    _ = self.terminate.recv() => {}
                }
            }
        }
        tracing::info!("stopping: requests underway are finished");
        server.stop(true).await;
    }
}
