//! What runs beside the requests of a server that sends mails: the courier, and the hourly sums of refused visits.

use std::time::Duration;

use actix_web::web::Data;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::context::Web;
use crate::notify::Courier;

/// How often is looked whether an hour of refused visits is to be summed up.
const SUM_UP_EVERY: Duration = Duration::from_secs(60);
/// How long the mail under way may take when the server stops. What is not done is another node's, once its lease is over.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The tasks.
pub struct Mailing {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Mailing {
    /// Starts them. Has to be called within the runtime.
    #[must_use]
    pub fn start(courier: Courier, web: Data<Web>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let sending = stopped.clone();
        let tasks =
            vec![tokio::spawn(async move { courier.run(sending).await }), actix_web::rt::spawn(sum_up(web, stopped))];
        Self { stop, tasks }
    }

    /// Lets the mail under way go out, and ends.
    pub async fn stop(self) {
        // An error means that nobody listens any more.
        let _ = self.stop.send(true);
        for mut task in self.tasks {
            match tokio::time::timeout(STOP_LIMIT, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "sending mails ended badly"),
                Err(_) => {
                    tracing::warn!("a mail under way takes too long; it is tried again later");
                    task.abort();
                }
            }
        }
    }
}

async fn sum_up(web: Data<Web>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Err(error) = web.service.sum_up_refused_visits().await {
            tracing::error!(error = &error as &dyn std::error::Error, "refused visits can't be summed up");
        }
        tokio::select! {
            () = tokio::time::sleep(SUM_UP_EVERY) => {}
            changed = stopped.changed() => if changed.is_err() { return },
        }
    }
}
