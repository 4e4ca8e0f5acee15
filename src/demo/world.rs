//! The demonstration's own organisation: config, policies and people on temporary data.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::accounts::{Accounts, AccountsError, LinkPurpose, NewUser, OutboxMail, Urgency};
use crate::clock::{Entropy, EntropyError, Timestamp};
use crate::config::PublicUrl;
use crate::domain::{Country, EmailAddress, GroupName, IdError, Language, TotpSecret, UserId, UserStatus, Username};
use crate::methods::totp;
use crate::notify::{ActivationMail, MailError, activation_link};
use crate::workers::{HashError, HashPool, Password};

/// The organisation's config; the address is put in for `{address}`, `{host}` stands for the service provider's side.
const CONFIG: &str = include_str!("config.toml");

/// How long the links in the mailboxes work: five days.
const INVITATION_SECONDS: u32 = 5 * 24 * 60 * 60;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../policies/", $name)))),+]
    };
}

/// The policies as shipped, so that what the demonstration shows is what a first `serve` does.
const POLICIES: [(&str, &str); 8] = shipped![
    "schema.cedarschema",
    "00-base.cedar",
    "10-aws.cedar",
    "20-network.cedar",
    "30-devices.cedar",
    "40-time-risk.cedar",
    "50-notify.cedar",
    "60-console.cedar",
];

/// The people cannot be made.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is what failed, and says so itself")]
pub enum WorldError {
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Totp(#[from] totp::TotpError),
    #[error(transparent)]
    Name(#[from] IdError),
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// Somebody to sign in as.
#[derive(Debug, Clone)]
pub struct Character {
    /// Their name.
    pub username: &'static str,
    /// Their random password.
    pub password: String,
    /// The secret of their authenticator app, if they have one.
    pub totp: Option<TotpSecret>,
    /// The key of the text that introduces them.
    pub text_key: &'static str,
}

struct Role {
    username: &'static str,
    first_name: &'static str,
    last_name: &'static str,
    groups: &'static [&'static str],
    has_totp: bool,
    text_key: &'static str,
}

const CAST: [Role; 4] = [
    Role {
        username: "ann",
        first_name: "Ann",
        last_name: "Arbour",
        groups: &["aws-users", "staff"],
        has_totp: true,
        text_key: "demo-account-ann",
    },
    Role {
        username: "bob",
        first_name: "Bob",
        last_name: "Birch",
        groups: &["aws-users", "contractors"],
        has_totp: true,
        text_key: "demo-account-bob",
    },
    Role {
        username: "carla",
        first_name: "Carla",
        last_name: "Cypress",
        groups: &["staff"],
        has_totp: false,
        text_key: "demo-account-carla",
    },
    Role {
        username: "dora",
        first_name: "Dora",
        last_name: "Dogwood",
        groups: &["aws-users", "staff"],
        has_totp: false,
        text_key: "demo-account-dora",
    },
];

/// Writes config and policies under `folder`, and gives the config file.
///
/// # Errors
/// A file cannot be written.
pub fn write_files(folder: &Path, address: SocketAddr) -> std::io::Result<PathBuf> {
    let policies = folder.join("policies");
    fs::create_dir_all(&policies)?;
    for (name, text) in POLICIES {
        fs::write(policies.join(name), text)?;
    }
    let config = CONFIG.replace("{address}", &address.to_string()).replace("{port}", &address.port().to_string());
    let file = folder.join("config.toml");
    fs::write(&file, config)?;
    Ok(file)
}

/// Creates the people, each with a random password.
///
/// # Errors
/// The database or the random source failed.
pub async fn populate(
    accounts: &Accounts,
    hashing: &HashPool,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<Vec<Character>, WorldError> {
    let mut characters = Vec::new();
    for role in &CAST {
        let password = random_password(entropy)?;
        let hash = hashing.hash(Password::new(password.clone())).await?;
        let id = create(accounts, role).await?;
        accounts.set_password(id, &hash).await?;
        let totp = if role.has_totp { Some(enrol(accounts, id, entropy, now).await?) } else { None };
        characters.push(Character { username: role.username, password, totp, text_key: role.text_key });
    }
    Ok(characters)
}

/// Puts a mail into the mailbox of everybody without an authenticator app who may need one: its link adds an app.
///
/// # Errors
/// The database or the random source failed.
pub async fn invite(
    accounts: &Accounts,
    organisation: &str,
    url: &PublicUrl,
    now: Timestamp,
) -> Result<(), WorldError> {
    for role in CAST.iter().filter(|role| !role.has_totp && role.groups.contains(&"aws-users")) {
        let Some(user) = accounts.user_by_name(&Username::parse(role.username)?).await? else { continue };
        let link = accounts.new_link(user.id, LinkPurpose::Activation, INVITATION_SECONDS).await?;
        let mail = activation_link(
            Language::En,
            &ActivationMail {
                name: &user.display_name(),
                organisation,
                url: &url.join(&format!("/link/{}", link.expose())),
                expires: now.saturating_add(SignedDuration::from_secs(i64::from(INVITATION_SECONDS))).unwrap_or(now),
                zone: TimeZone::UTC,
                contact: None,
            },
        )?;
        accounts
            .enqueue(OutboxMail {
                user: Some(user.id),
                to: user.email,
                subject: mail.subject,
                text: mail.text,
                html: Some(mail.html),
                urgency: Urgency::Ordinary,
                expires: None,
            })
            .await?;
    }
    Ok(())
}

async fn create(accounts: &Accounts, role: &Role) -> Result<UserId, WorldError> {
    let email = EmailAddress::parse(&format!("{}@example.com", role.username))?;
    let mut user = NewUser::pending(Username::parse(role.username)?, email);
    user.first_name = role.first_name.to_owned();
    user.last_name = role.last_name.to_owned();
    user.groups = role.groups.iter().map(|group| GroupName::parse(group)).collect::<Result<_, _>>()?;
    user.home_country = Country::parse("DE")?;
    user.status = UserStatus::Active;
    user.language = None::<Language>;
    Ok(accounts.create(&user).await?)
}

/// Enrols an app as if its first code had been typed a minute ago, so that the code on the guide page is a new one.
async fn enrol(
    accounts: &Accounts,
    id: UserId,
    entropy: &dyn Entropy,
    now: Timestamp,
) -> Result<TotpSecret, WorldError> {
    let secret = totp::new_secret(entropy)?;
    let a_minute_ago = u64::try_from(now.as_second() / 30 - 2).unwrap_or(0);
    accounts.add_totp(id, &secret, a_minute_ago, "").await?;
    Ok(secret)
}

/// Three groups of four letters and digits: easy to copy, 60 bits.
fn random_password(entropy: &dyn Entropy) -> Result<String, WorldError> {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().map_or('a', char::from);
    let letters: Vec<char> = entropy.bytes::<12>()?.iter().map(letter).collect();
    Ok(letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}
