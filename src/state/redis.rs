//! The store that several machines share: a Redis server. Only `redis` here, and no rule but the contract of [`StateStore`].
//!
//! Every operation is one script (`scripts.rs`), so each is atomic whatever other nodes do. Values of volatile kinds carry the
//! generation of the store (`link.rs`): after a restart, a failover or a loss they are not seen any more.

mod link;
mod scripts;
mod server;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use redis::{
    Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo, Script, TlsCertificates,
};

use self::link::{Link, MARKER};
use self::scripts::Scripts;
use super::{Bounded, Entry, Key, Kind, MAX_LISTED, StateError, StateStore, StoreHealth, Ttl, check_size};
use crate::clock::{Clock, Entropy, Timestamp};
use crate::config::RedisUrl;
use crate::config::secret::read_password_file;

/// State in a Redis server.
pub struct RedisStore {
    link: Link,
    scripts: Scripts,
}

impl RedisStore {
    /// Connects to the server once, so that what is wrong with it is told at the start. `password_file` holds the password
    /// where the address has none, `ca_file` the authorities of its certificate where the system's do not count.
    ///
    /// # Errors
    /// A file cannot be read, the server cannot be reached, or it is not fit to keep state.
    pub async fn open(
        url: &RedisUrl,
        password_file: Option<&Path>,
        ca_file: Option<&Path>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StateError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| StateError::Open { path: url.to_string(), source };
        let client = client(url, password_file, ca_file).map_err(failed)?;
        let plain_text = !url.tls && !url.is_loopback();
        let link = Link::new(client, url.to_string(), plain_text, clock, entropy);
        match link.lease().await {
            Ok(_) => Ok(Self { link, scripts: Scripts::new() }),
            Err(StateError::Unavailable(source)) => Err(failed(source)),
            Err(error) => Err(error),
        }
    }

    /// Runs a script on the entry of `key`.
    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &Key,
        arguments: &[&dyn Argument],
    ) -> Result<T, StateError> {
        let mut emptied = false;
        loop {
            let mut lease = self.link.lease().await?;
            let mut call = script.key(key.as_str());
            call.key(format!("{}#", key.family())).key(MARKER).arg(key.id());
            call.arg(format!("{}{}", if key.kind().is_volatile() { 'v' } else { '-' }, lease.generation));
            for argument in arguments {
                call.arg(argument.bytes());
            }
            match call.invoke_async(&mut lease.connection).await {
                Ok(answer) => return Ok(answer),
                // Nothing was done yet: the store was emptied under us, and we have to see its next generation.
                Err(error) if error.code() == Some("EMPTIED") && !emptied => {
                    emptied = true;
                    self.link.distrust(&lease).await;
                }
                Err(error) => return Err(self.link.failed(&lease, error).await),
            }
        }
    }
}

/// What a script is handed.
trait Argument: Sync {
    fn bytes(&self) -> Vec<u8>;
}

impl Argument for &[u8] {
    fn bytes(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Argument for &str {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Argument for u32 {
    fn bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

/// In milliseconds, as Redis counts lifetimes.
impl Argument for Ttl {
    fn bytes(&self) -> Vec<u8> {
        (u64::from(self.as_seconds()) * 1000).to_string().into_bytes()
    }
}

fn client(
    url: &RedisUrl,
    password_file: Option<&Path>,
    ca_file: Option<&Path>,
) -> Result<Client, Box<dyn std::error::Error + Send + Sync>> {
    let mut settings = RedisConnectionInfo::default().set_db(i64::from(url.database)).set_skip_set_lib_name();
    if let Some(user) = &url.user {
        settings = settings.set_username(user);
    }
    let password = match (&url.password, password_file) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(file)) => Some(read_password_file(file)?),
        (None, None) => None,
    };
    if let Some(password) = password {
        settings = settings.set_password(password.expose());
    }
    if !url.tls {
        let address = ConnectionAddr::Tcp(url.host.clone(), url.port);
        return Ok(Client::open(address.into_connection_info()?.set_redis_settings(settings))?);
    }
    // The redis crate takes the process' provider. An error means that somebody installed it before us.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let address = ConnectionAddr::TcpTls { host: url.host.clone(), port: url.port, insecure: false, tls_params: None };
    let info = address.into_connection_info()?.set_redis_settings(settings);
    let root_cert = match ca_file {
        Some(file) => Some(authorities(file)?),
        None => None,
    };
    Ok(Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?)
}

/// The PEM file of authorities; one without any would let nobody in.
fn authorities(file: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let pem = std::fs::read(file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))?;
    if !pem.windows(27).any(|window| window == b"-----BEGIN CERTIFICATE-----") {
        return Err(format!("`{}` holds no certificate in PEM", file.display()).into());
    }
    Ok(pem)
}

#[async_trait]
impl StateStore for RedisStore {
    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StateError> {
        self.run(&self.scripts.get, key, &[]).await
    }

    async fn put(&self, key: &Key, value: &[u8], ttl: Ttl) -> Result<(), StateError> {
        check_size(key, value)?;
        self.run(&self.scripts.put, key, &[&value, &ttl]).await
    }

    async fn put_if_absent(&self, key: &Key, value: &[u8], ttl: Ttl) -> Result<bool, StateError> {
        check_size(key, value)?;
        self.run(&self.scripts.put_if_absent, key, &[&value, &ttl]).await
    }

    async fn take(&self, key: &Key) -> Result<Option<Vec<u8>>, StateError> {
        self.run(&self.scripts.take, key, &[]).await
    }

    async fn delete(&self, key: &Key) -> Result<bool, StateError> {
        self.run(&self.scripts.delete, key, &[]).await
    }

    async fn compare_and_swap(&self, key: &Key, expected: &[u8], new: &[u8], ttl: Ttl) -> Result<bool, StateError> {
        check_size(key, new)?;
        self.run(&self.scripts.compare_and_swap, key, &[&expected, &new, &ttl]).await
    }

    async fn increment(&self, key: &Key, ttl: Ttl) -> Result<u64, StateError> {
        self.run(&self.scripts.increment, key, &[&ttl]).await
    }

    async fn decrement(&self, key: &Key) -> Result<u64, StateError> {
        self.run(&self.scripts.decrement, key, &[]).await
    }

    async fn count(&self, key: &Key) -> Result<u64, StateError> {
        Ok(self.run::<Option<u64>>(&self.scripts.count, key, &[]).await?.unwrap_or(0))
    }

    async fn insert_bounded(&self, key: &Key, member: &str, limit: u32, ttl: Ttl) -> Result<Bounded, StateError> {
        let (outcome, size): (u8, u32) = self.run(&self.scripts.insert_bounded, key, &[&member, &limit, &ttl]).await?;
        match outcome {
            0 => Ok(Bounded::Full(size)),
            1 => Ok(Bounded::Inserted(size)),
            2 => Ok(Bounded::Present(size)),
            _ => Err(self.link.foreign()),
        }
    }

    async fn remove_member(&self, key: &Key, member: &str) -> Result<bool, StateError> {
        self.run(&self.scripts.remove_member, key, &[&member]).await
    }

    async fn members(&self, key: &Key) -> Result<Vec<String>, StateError> {
        let mut members: Vec<String> = self.run(&self.scripts.members, key, &[]).await?;
        members.sort_unstable();
        members.truncate(usize::try_from(MAX_LISTED).unwrap_or(usize::MAX));
        Ok(members)
    }

    async fn list(&self, kind: Kind, owner: &str, limit: u32) -> Result<Vec<Entry>, StateError> {
        let family = Key::new(kind, owner, "");
        let limit = limit.min(MAX_LISTED);
        let found: Vec<(String, Vec<u8>)> = self.run(&self.scripts.list, &family, &[&limit]).await?;
        Ok(found.into_iter().map(|(id, value)| Entry { id, value }).collect())
    }

    async fn born(&self) -> Result<Timestamp, StateError> {
        Ok(self.link.lease().await?.born)
    }

    async fn ready(&self) -> Result<StoreHealth, StateError> {
        self.link.health().await
    }
}
