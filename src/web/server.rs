//! Puts the parts together and serves them. `serve` and `demo` start the same server; the demo decorates its facts and adds
//! pages of its own.

use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpServer};

use crate::accounts::{Accounts, AccountsError, Envelope, EnvelopeError};
use crate::audit::{AuditError, Journal, Means, Quota};
use crate::clock::{Clock, Entropy};
use crate::config::Loaded;
use crate::config::secret::{SecretError, ensure_key_file};
use crate::devices::Devices;
use crate::methods::email_otp::EmailOtpMethod;
use crate::methods::password::PasswordMethod;
use crate::methods::totp::TotpMethod;
use crate::notify::{Courier, Smtp, SmtpError};
use crate::runtime::tls::{TlsError, server_settings};
use crate::runtime::{
    Heads, HeadsError, LoadError, NoFetching, Refresher, Runtime, Source, fetch_missing, head_key, signed_head,
};
use crate::sessions::{Participants, Sessions};
use crate::signals::{Baselines, Failures, Lens};
use crate::signin::{Delivery, Parts, Service, SignIns};
use crate::state::StateError;
use crate::telemetry::Metrics;
use crate::workers::{HashError, HashPool, HashSettings, Pool, PoolError, PoolSettings, Priority};

use super::context::Web;
use super::cookies::CookieStyle;
use super::lifecycle::{Lifecycle, StopSignals};
use super::operations::measure::measured;
use super::{routes, security_headers};

/// How long a connection may take to send its request, in seconds.
const REQUEST_TIMEOUT_SECONDS: u64 = 10;
/// How long requests underway may take once no more are taken, in seconds.
const FINISH_SECONDS: u64 = 30;

/// Signing takes a fifth of a millisecond, so two threads and a short queue do.
const SIGNING: PoolSettings = PoolSettings { name: "sign", threads: 2, queue: 256, priority: Priority::Normal };

/// Time, randomness, and the way mails take.
pub struct Surroundings {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// What becomes of mails.
    pub delivery: Delivery,
}

/// Something that the server needs cannot be opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is what failed, and says so itself")]
pub enum OpenError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("the accounts database can't be opened")]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Heads(#[from] HeadsError),
    #[error(transparent)]
    Mail(#[from] SmtpError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Fetching(#[from] NoFetching),
    #[error(transparent)]
    Hashing(#[from] HashError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error("the listener has no address")]
    Listener(#[from] std::io::Error),
}

/// The opened parts that more than the server needs.
pub struct Opened {
    /// For [`serve`].
    pub web: Data<Web>,
    /// People and mails.
    pub accounts: Accounts,
    /// Sends the mails, where `[mail]` says how.
    pub courier: Option<Courier>,
    /// Keeps fetched metadata fresh: to be run while serving.
    pub refresher: Refresher,
    /// Signs the heads of the journal: to be kept up while serving, and signed once more at the end.
    pub heads: Heads,
}

/// Opens stores, keys and pools, and checks policies. `listener` is bound already, so that the public address is known; facts are
/// seen through `signals`.
///
/// # Errors
/// Something cannot be opened; the message says what and where.
pub async fn open(
    loaded: Loaded,
    listener: &TcpListener,
    surroundings: Surroundings,
    signals: Arc<dyn Lens>,
) -> Result<Opened, OpenError> {
    let Surroundings { clock, entropy, delivery } = surroundings;
    fetch_missing(&loaded.config, &clock, &entropy).await?;
    let source = Source::new(loaded, listener.local_addr()?, clock.clone());
    let set = source.first(&*entropy)?;
    let config = &set.snapshot.config;
    let sealed = Accounts::existing(&config.accounts).await?;
    let secret = ensure_key_file(&config.server.secret_file, sealed.as_deref(), &*entropy)?;
    let envelope = Arc::new(Envelope::from_secret(secret.expose())?);
    let smtp = config.mail.as_ref().map(Smtp::new).transpose()?;
    let accounts = Accounts::open(&config.accounts, envelope.clone(), clock.clone(), entropy.clone()).await?;
    let courier = smtp.map(|smtp| Courier::new(accounts.clone(), Arc::new(smtp), clock.clone(), entropy.clone()));
    let store = crate::state::open(&config.state, clock.clone(), entropy.clone()).await?;
    let signed: Vec<_> = accounts.newest_audit_heads().await?.into_iter().filter_map(signed_head).collect();
    let keys = Arc::new(accounts.clone());
    let means = Means { clock: clock.clone(), entropy: entropy.clone(), keys, quota: Quota::USUAL };
    let journal = Arc::new(Journal::open(&config.audit.path, means, &signed)?);
    source.archive(&set)?;
    let heads = Heads::new(journal.clone(), accounts.clone(), head_key(&envelope)?, clock.clone())
        .keeping_months(config.audit.keep_months);
    let failures = Failures::new(store.clone(), &*envelope.derive_key("failures")?);
    let devices = Devices::new(store.clone(), clock.clone(), entropy.clone());
    let hashing = HashPool::start(HashSettings::default(), entropy.clone())?;
    let cookies = CookieStyle::of(set.snapshot.public_url.as_str());
    let metrics = Arc::new(Metrics::new());
    let runtime = Arc::new(Runtime::new(source, set, accounts.clone(), metrics.clone(), clock.clone()));
    let refresher = Refresher::new(runtime.clone(), clock.clone(), entropy.clone())?;
    let parts = Parts {
        runtime,
        metrics,
        accounts: accounts.clone(),
        sessions: Sessions::new(store.clone(), clock.clone(), entropy.clone()),
        participants: Participants::new(store.clone(), clock.clone()),
        devices: devices.clone(),
        sign_ins: SignIns::new(store.clone(), envelope.clone(), clock.clone(), entropy.clone()),
        delivery,
        password: PasswordMethod::new(
            accounts.clone(),
            hashing.clone(),
            devices.clone(),
            failures.clone(),
            clock.clone(),
        ),
        email_otp: EmailOtpMethod::new(
            store.clone(),
            envelope.clone(),
            devices.clone(),
            failures.clone(),
            clock.clone(),
            entropy.clone(),
        ),
        totp: TotpMethod::new(accounts.clone(), devices.clone(), failures.clone(), clock.clone()),
        failures,
        baselines: Baselines::new(store.clone(), clock.clone()),
        signals,
        journal,
        hashing,
        signing: Pool::start(SIGNING)?,
        store,
        envelope: envelope.clone(),
        clock,
        entropy: entropy.clone(),
    };
    let lifecycle = Lifecycle::new();
    let web = Data::new(Web { service: Service::new(parts), envelope, entropy, cookies, lifecycle });
    Ok(Opened { web, accounts, courier, refresher, heads })
}

/// Serves until a signal says to stop; requests underway are finished first. With a certificate in config, https.
///
/// # Errors
/// The listener does not work, or TLS cannot be set up.
pub fn serve(
    listener: TcpListener,
    web: Data<Web>,
    more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<Server, OpenError> {
    let (cookies, lifecycle) = (web.cookies, web.lifecycle.clone());
    let drain = web.service.snapshot().config.server.drain_seconds;
    let tls = server_settings(web.service.runtime())?;
    let signals = StopSignals::receive()?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web.clone())
            .wrap(security_headers::defaults(cookies))
            .wrap(from_fn(measured))
            .configure(more.clone())
            .configure(routes::configure)
    });
    let server = server
        .client_request_timeout(std::time::Duration::from_secs(REQUEST_TIMEOUT_SECONDS))
        .shutdown_timeout(FINISH_SECONDS)
        .disable_signals()
        .workers(2);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    let server = server.run();
    actix_web::rt::spawn(signals.stop(server.handle(), lifecycle, std::time::Duration::from_secs(drain.into())));
    Ok(server)
}
