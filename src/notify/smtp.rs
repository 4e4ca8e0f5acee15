//! The mail server: one connection per mail, protected as config says, and the mail as MIME. The only place that knows the
//! SMTP library.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::address::AddressError;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::courier::{Carrier, SendError};
use super::one_line;
use crate::accounts::StoredMail;
use crate::config::{Mail, MailSecurity, MailSender, Secret};

/// How long the server may take to answer one command.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);
/// The largest password or certificate file that is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Mails cannot be sent as `[mail]` says.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// A file of `[mail]` cannot be read.
    #[error("`mail.{key}`: can't read `{}`: {source}", path.display())]
    Read {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The password file is empty or holds more than one line.
    #[error("`mail.password_file`: `{}` has to hold the password on one line and nothing else", .0.display())]
    Password(PathBuf),
    /// The certificate file holds no certificate, or a damaged one.
    #[error("`mail.ca_file`: `{}` holds no readable PEM certificate", .0.display())]
    Certificates(PathBuf),
    /// TLS cannot be set up.
    #[error("`mail`: TLS can't be set up for this mail server")]
    Tls(#[source] lettre::transport::smtp::Error),
    /// The sender is none that can be written into a mail.
    #[error("`mail.from`: `{address}` can't stand in a mail: {source}")]
    Sender {
        /// The address.
        address: String,
        /// Why.
        source: AddressError,
    },
}

/// A mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Mailbox,
}

impl Smtp {
    /// Reads the files that `settings` names. Nothing is connected yet.
    ///
    /// # Errors
    /// A file cannot be read or does not hold what it should.
    pub fn new(settings: &Mail) -> Result<Self, SmtpError> {
        let url = &settings.url;
        let tls = match settings.security() {
            MailSecurity::Clear => Tls::None,
            MailSecurity::Starttls => Tls::Required(tls_parameters(settings)?),
            MailSecurity::Implicit => Tls::Wrapper(tls_parameters(settings)?),
        };
        // The name says that TLS is optional; here it is what config says, and never less.
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(url.host())
            .port(url.port())
            .timeout(Some(COMMAND_LIMIT))
            .tls(tls);
        if let Some(username) = &settings.username {
            let password = password(settings)?;
            builder = builder.credentials(Credentials::new(username.clone(), password.expose().to_owned()));
        }
        Ok(Self { transport: builder.build(), sender: sender(&settings.from)? })
    }

    /// The mail as it goes over the wire. Its Message-ID is the same at each attempt, so that a receiver who got it twice can
    /// tell.
    fn message(&self, stored: &StoredMail) -> Result<Message, SendError> {
        let refused = |error: &dyn std::error::Error| SendError::Refused(format!("it can't be written: {error}"));
        let mail = &stored.mail;
        let to: Address = mail.to.as_str().parse().map_err(|error: AddressError| refused(&error))?;
        let id = format!("<{}@{}>", stored.id, self.sender.email.domain());
        let builder = Message::builder()
            .from(self.sender.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(&mail.subject))
            .date(SystemTime::from(stored.at))
            .message_id(Some(id))
            // No out-of-office note answers it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let text = SinglePart::plain(mail.text.clone());
        let message = match &mail.html {
            Some(html) => builder.multipart(
                MultiPart::alternative()
                    .singlepart(text)
                    .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html.clone())),
            ),
            None => builder.singlepart(text),
        };
        message.map_err(|error| refused(&error))
    }
}

#[async_trait]
impl Carrier for Smtp {
    async fn carry(&self, mail: &StoredMail) -> Result<(), SendError> {
        let message = self.message(mail)?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let said = whole(&error);
                if error.is_permanent() {
                    Err(SendError::Refused(said))
                } else if error.is_transient() {
                    Err(SendError::Deferred(said))
                } else {
                    Err(SendError::Unreachable(said))
                }
            }
        }
    }
}

fn tls_parameters(settings: &Mail) -> Result<TlsParameters, SmtpError> {
    let mut builder = TlsParameters::builder(settings.url.host().to_owned());
    if let Some(path) = &settings.ca_file {
        let pem = read("ca_file", path)?;
        let wrong = || SmtpError::Certificates(path.clone());
        let certificates: Vec<_> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| wrong())?;
        if certificates.is_empty() {
            return Err(wrong());
        }
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in certificates {
            builder = builder.add_root_certificate(Certificate::from_der(certificate.to_vec()).map_err(|_| wrong())?);
        }
        return builder.build_rustls().map_err(|_| wrong());
    }
    builder.build_rustls().map_err(SmtpError::Tls)
}

fn password(settings: &Mail) -> Result<Secret, SmtpError> {
    let Some(path) = &settings.password_file else {
        // INVARIANT: config refuses a name without a password.
        return Ok(settings.password.clone().unwrap_or_else(|| Secret::new(String::new())));
    };
    let wrong = || SmtpError::Password(path.clone());
    let text = String::from_utf8(read("password_file", path)?).map_err(|_| wrong())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(wrong());
    }
    Ok(Secret::new(line.to_owned()))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, SmtpError> {
    let failed = |source| SmtpError::Read { key, path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(failed(std::io::Error::other("it is larger than 1 MiB")));
    }
    std::fs::read(path).map_err(failed)
}

fn sender(from: &MailSender) -> Result<Mailbox, SmtpError> {
    let address = from.address().as_str();
    let parsed = address.parse().map_err(|source| SmtpError::Sender { address: address.to_owned(), source })?;
    Ok(Mailbox::new(from.name().map(str::to_owned), parsed))
}

/// An error with what caused it.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Dispatch, OutboxMail, Urgency};
    use crate::clock::{FixedEntropy, Timestamp};
    use crate::config::MailUrl;
    use crate::domain::{EmailAddress, MailId};

    fn settings() -> Mail {
        Mail {
            url: MailUrl::parse("smtp://localhost:2525").unwrap(),
            from: MailSender::parse("Bänk; Söhne <login@example.com>").unwrap(),
            username: None,
            password: None,
            password_file: None,
            tls: None,
            ca_file: None,
            security_team: Vec::new(),
        }
    }

    fn stored(to: &str, subject: &str) -> StoredMail {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        StoredMail {
            id: MailId::new(at, &FixedEntropy::seeded(1)).unwrap(),
            at,
            mail: OutboxMail {
                user: None,
                to: EmailAddress::parse(to).unwrap(),
                subject: subject.to_owned(),
                text: "Zeile eins\nZeile zwei mit ü\n".to_owned(),
                html: Some("<p>ü</p>".to_owned()),
                urgency: Urgency::Ordinary,
                expires: None,
            },
            dispatch: Dispatch { attempts: 1, sent: None, given_up: None, next_try: at, last_error: None },
        }
    }

    fn written(to: &str, subject: &str) -> String {
        let message = Smtp::new(&settings()).unwrap().message(&stored(to, subject)).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn a_mail_has_both_parts_a_stable_id_and_says_that_a_machine_wrote_it() {
        let mail = written("ann@example.com", "Hello");
        assert_eq!(mail.lines().filter(|line| line.starts_with("Message-ID:")).count(), 1);
        let id = stored("ann@example.com", "").id;
        for expected in [
            &format!("Message-ID: <{id}@example.com>"),
            "Date: Fri, 15 Jan 2027 08:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "Content-Type: multipart/alternative",
            "Content-Type: text/plain",
            "Content-Type: text/html",
            "To: ann@example.com",
        ] {
            assert!(mail.contains(expected), "{expected} in {mail}");
        }
        assert!(mail.is_ascii(), "{mail}");
    }

    #[test]
    fn nothing_in_a_mail_starts_a_header_of_its_own() {
        for subject in
            ["Hi\r\nBcc: all@example.com", "Hi\nBcc: all@example.com", "Hü\rBcc: all@example.com\r\n\r\nbody"]
        {
            let mail = written("ann@example.com", subject);
            let headers = mail.split("\r\n\r\n").next().unwrap();
            assert!(!headers.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{headers}");
            assert_eq!(headers.lines().filter(|line| line.starts_with("Subject:")).count(), 1, "{headers}");
        }
    }

    #[test]
    fn files_that_do_not_hold_what_they_should_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let with_password = |password_file| Mail { username: Some("ann".to_owned()), password_file, ..settings() };
        let with_ca = |ca_file| Mail { url: MailUrl::parse("smtps://localhost").unwrap(), ca_file, ..settings() };
        for (settings, told) in [
            (with_password(Some(folder.path().join("none"))), "`mail.password_file`: can't read"),
            (with_password(file("empty", "\n")), "`mail.password_file`"),
            (with_password(file("two", "a\nb\n")), "on one line"),
            (with_ca(Some(folder.path().join("none"))), "`mail.ca_file`: can't read"),
            (with_ca(file("text", "no certificate")), "holds no readable PEM certificate"),
            (
                with_ca(file("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
                "holds no readable PEM certificate",
            ),
        ] {
            let Err(error) = Smtp::new(&settings) else { panic!("{told} was taken") };
            assert!(error.to_string().contains(told), "{error}");
        }
        assert!(Smtp::new(&with_password(file("good", "hunter 2\r\n"))).is_ok());
    }
}
