//! `cedargate demo`: the same server as `serve`, on temporary data, loopback only. Adds pretended facts, pages that guide
//! through them, the mails it does not send, and a service provider that verifies what it gets with another library than
//! the one that signed.

pub mod handlers;
pub mod pretend;
pub mod service_provider;
pub mod stand_in;
pub mod world;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::web::Data;

use crate::accounts::Accounts;
use crate::clock::{Clock as _, SystemClock, SystemEntropy};
use crate::config;
use crate::domain::Country;
use crate::saml::{MetadataError, Validity};
use crate::signin::Delivery;
use crate::web::server::{OpenError, Surroundings, open, serve};
use crate::workers::{HashPool, HashSettings};

use self::pretend::{Decorated, Pretence, Pretended};
use self::stand_in::StandIn;
use self::world::Character;

/// The demonstration cannot start or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It shows passwords, so it is for this machine alone.
    #[error("the demonstration shows its passwords to everybody, so it listens on loopback only, not on `{0}`")]
    NotLoopback(SocketAddr),
    /// The address is taken.
    #[error("can't listen on `{address}`; try `cedargate demo --listen 127.0.0.1:0`")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Its config does not load.
    #[error(transparent)]
    Config(#[from] config::ConfigErrors),
    /// The server's parts do not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its people cannot be made.
    #[error(transparent)]
    World(#[from] world::WorldError),
    /// Its own metadata cannot be written.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Its service provider does not understand the metadata.
    #[error(transparent)]
    StandIn(#[from] service_provider::MetadataError),
    /// A file, a folder or the output.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What the demonstration's pages share.
pub struct Demo {
    /// The people to sign in as.
    pub characters: Vec<Character>,
    /// What is pretended now.
    pub pretended: Pretended,
    /// People and mails.
    pub accounts: Accounts,
    /// The service provider that stands in for AWS.
    pub stand_in: StandIn,
    /// Its first page.
    pub aws_url: String,
    /// The guide, from its side.
    pub guide_url: String,
}

/// Runs until a signal says to stop; then its data is gone.
///
/// # Errors
/// `address` is not a loopback one or is taken, or something cannot be opened.
pub fn run(address: SocketAddr) -> Result<(), DemoError> {
    if !address.ip().is_loopback() {
        return Err(DemoError::NotLoopback(address));
    }
    let folder = tempfile::Builder::new().prefix("cedargate-demo-").tempdir()?;
    actix_web::rt::System::new().block_on(async {
        let listener = TcpListener::bind(address).map_err(|source| DemoError::Bind { address, source })?;
        let bound = listener.local_addr()?;
        let file = world::write_files(folder.path(), bound)?;
        let loaded = config::load(&file, [])?;
        let pretended = Pretended::new(Pretence {
            ip: SocketAddr::from(([203, 0, 113, 10], 0)).ip(),
            country: Country::parse("DE").map_err(world::WorldError::from)?,
            hour: None,
        });
        let surroundings =
            Surroundings { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), delivery: Delivery::Outbox };
        let lens = Arc::new(Decorated { pretended: pretended.clone() });
        let opened = open(loaded, &listener, surroundings, lens).await?;
        let hashing =
            HashPool::start(HashSettings::default(), Arc::new(SystemEntropy)).map_err(world::WorldError::from)?;
        let characters = world::populate(&opened.accounts, &hashing, &SystemEntropy, SystemClock.now()).await?;
        let snapshot = opened.web.service.snapshot();
        let organisation = &snapshot.config.organisation.name;
        world::invite(&opened.accounts, organisation, &snapshot.public_url, SystemClock.now()).await?;
        let demo = Data::new(Demo {
            stand_in: StandIn::new(
                format!("http://localhost:{}/demo/aws/acs", bound.port()),
                &snapshot.idp.metadata(None, Validity::Unlimited, SystemClock.now())?.xml,
                snapshot.idp.sso_url(),
            )?,
            aws_url: format!("http://localhost:{}/demo/aws", bound.port()),
            guide_url: format!("http://{bound}/demo"),
            characters,
            pretended,
            accounts: opened.accounts,
        });
        announce(&demo, &snapshot.public_url)?;
        let server = serve(listener, opened.web, move |routes| {
            routes.app_data(demo.clone()).configure(handlers::configure);
        })?;
        let keeping = actix_web::rt::spawn(opened.heads.clone().keep());
        server.await?;
        keeping.abort();
        Ok(())
    })
}

/// Says where to go and who to be, once.
fn announce(demo: &Demo, url: &config::PublicUrl) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", url.as_str())?;
    writeln!(out, "\nOpen {} in a browser: it leads through the demonstration.\n", demo.guide_url)?;
    for character in &demo.characters {
        writeln!(out, "  {:6}  {}", character.username, character.password)?;
    }
    writeln!(out, "\nThe data is temporary and gone when this ends (Ctrl-C).")?;
    out.flush()
}
