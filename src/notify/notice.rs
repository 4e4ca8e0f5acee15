//! The mails that tell a person about a change of their sign-in, so that a change by somebody else does not stay hidden
//! (OWASP ASVS 6.3.7).

use std::net::IpAddr;

use askama::Template;
use jiff::tz::TimeZone;

use super::{Frame, Mail, MailError, moment, one_line, report};
use crate::clock::Timestamp;
use crate::domain::{Language, Method};
use crate::i18n::method_label;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// A method was added.
    MethodAdded(Method),
    /// Somebody said in a sign-in that they no longer have this method.
    MethodLost(Method),
    /// The first or a new password was set.
    PasswordSet,
    /// A device was taken off the person's list.
    DeviceRemoved,
}

/// What the mail says.
#[derive(Debug, Clone)]
pub struct NoticeMail<'a> {
    /// What changed.
    pub kind: NoticeKind,
    /// Whom it greets.
    pub name: &'a str,
    /// Who sends it.
    pub organisation: &'a str,
    /// When it changed.
    pub at: Timestamp,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// The address the change came from.
    pub ip: IpAddr,
    /// Whom to tell when it was somebody else; without it the mail speaks of the organisation's IT support.
    pub contact: Option<&'a str>,
}

/// The words of one language that are the same in every notice.
struct Words {
    at: &'static str,
    ip: &'static str,
    own: &'static str,
    foreign: &'static str,
}

const ENGLISH: Words = Words {
    at: "Time:",
    ip: "IP address:",
    own: "If this was you, there is nothing to do.",
    foreign: "If this was not you, someone else may have access to your account.",
};

const GERMAN: Words = Words {
    at: "Zeitpunkt:",
    ip: "IP-Adresse:",
    own: "Wenn Sie das waren, brauchen Sie nichts zu tun.",
    foreign: "Wenn Sie das nicht waren, hat möglicherweise jemand anderes Zugriff auf Ihr Konto.",
};

/// The change as the subject's last words and as a sentence.
fn change(language: Language, kind: NoticeKind) -> (&'static str, String) {
    let label = |method| method_label(language, method);
    match (language, kind) {
        (Language::En, NoticeKind::MethodAdded(method)) => {
            ("sign-in method added", format!("The sign-in method “{}” was added to your account.", label(method)))
        }
        (Language::En, NoticeKind::MethodLost(method)) => (
            "sign-in method reported lost",
            format!(
                "During a sign-in to your account, the sign-in method “{}” was reported as no longer available.",
                label(method)
            ),
        ),
        (Language::En, NoticeKind::PasswordSet) => ("password set", "A password was set for your account.".to_owned()),
        (Language::En, NoticeKind::DeviceRemoved) => {
            ("device removed", "A device was removed from your account, and its sessions were ended.".to_owned())
        }
        (Language::De, NoticeKind::DeviceRemoved) => {
            ("Gerät entfernt", "von Ihrem Konto wurde ein Gerät entfernt; seine Sitzungen sind beendet.".to_owned())
        }
        (Language::De, NoticeKind::MethodAdded(method)) => (
            "Anmeldemethode hinzugefügt",
            format!("Ihrem Konto wurde die Anmeldemethode „{}“ hinzugefügt.", label(method)),
        ),
        (Language::De, NoticeKind::MethodLost(method)) => (
            "Anmeldemethode als verloren gemeldet",
            format!(
                "bei einer Anmeldung an Ihrem Konto wurde die Anmeldemethode „{}“ als nicht mehr verfügbar gemeldet.",
                label(method)
            ),
        ),
        (Language::De, NoticeKind::PasswordSet) => {
            ("Passwort festgelegt", "für Ihr Konto wurde ein Passwort festgelegt.".to_owned())
        }
    }
}

#[derive(Template)]
#[template(
    ext = "txt",
    source = "{{ change }}

{{ words.at }} {{ at }}
{{ words.ip }} {{ ip }}

{{ words.own }}
{{ words.foreign }} {{ report }}"
)]
struct Text<'a> {
    words: &'a Words,
    change: &'a str,
    at: &'a str,
    ip: IpAddr,
    report: &'a str,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p>{{ change }}</p>
<p>{{ words.at }} {{ at }}<br>{{ words.ip }} {{ ip }}</p>
<p>{{ words.own }}<br>{{ words.foreign }} {{ report }}</p>"#
)]
struct Html<'a> {
    words: &'a Words,
    change: &'a str,
    at: &'a str,
    ip: IpAddr,
    report: &'a str,
}

/// Builds the mail. An IPv4 address written as IPv6 (RFC 4291 §2.5.5.2) stands in it as IPv4.
///
/// # Errors
/// A template could not be rendered.
pub fn notice(language: Language, mail: &NoticeMail<'_>) -> Result<Mail, MailError> {
    let (brief, change) = change(language, mail.kind);
    let (words, subject) = match language {
        Language::En => (&ENGLISH, format!("Your access to {}: {brief}", mail.organisation)),
        Language::De => (&GERMAN, format!("Ihr Zugang zu {}: {brief}", mail.organisation)),
    };
    let at = moment(language, mail.at, &mail.zone);
    let contact = mail.contact.map(one_line);
    let report = report(language, contact.as_deref(), &one_line(mail.organisation));
    let (change, at, ip, report) = (change.as_str(), at.as_str(), mail.ip.to_canonical(), report.as_str());
    let frame = Frame { language, subject: &subject, name: mail.name, organisation: mail.organisation };
    frame.around(Text { words, change, at, ip, report }, Html { words, change, at, ip, report })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDED: NoticeKind = NoticeKind::MethodAdded(Method::Totp);
    const LOST: NoticeKind = NoticeKind::MethodLost(Method::Totp);

    fn mail<'a>(kind: NoticeKind, name: &'a str, organisation: &'a str) -> NoticeMail<'a> {
        NoticeMail {
            kind,
            name,
            organisation,
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            ip: "203.0.113.7".parse().unwrap(),
            contact: Some("it@example.com"),
        }
    }

    #[test]
    fn both_languages_say_what_when_from_where_and_whom_to_tell() {
        let (en, de) = ("15 January 2027, 09:00 (Europe/Berlin)", "15.01.2027, 09:00 Uhr (Europe/Berlin)");
        for (language, kind, subject, change, at) in [
            (Language::En, ADDED, "Your access to Bank: sign-in method added", "“Authenticator app” was added", en),
            (
                Language::En,
                LOST,
                "Your access to Bank: sign-in method reported lost",
                "“Authenticator app” was rep",
                en,
            ),
            (Language::En, NoticeKind::PasswordSet, "Your access to Bank: password set", "A password was set", en),
            (Language::En, NoticeKind::DeviceRemoved, "Your access to Bank: device removed", "A device was rem", en),
            (Language::De, NoticeKind::DeviceRemoved, "Ihr Zugang zu Bank: Gerät entfernt", "ein Gerät entfernt", de),
            (Language::De, ADDED, "Ihr Zugang zu Bank: Anmeldemethode hinzugefügt", "„Authenticator-App“ hinzu", de),
            (
                Language::De,
                LOST,
                "Ihr Zugang zu Bank: Anmeldemethode als verloren gemeldet",
                "„Authenticator-App“ als",
                de,
            ),
            (Language::De, NoticeKind::PasswordSet, "Ihr Zugang zu Bank: Passwort festgelegt", "ein Passwort fest", de),
        ] {
            let mail = notice(language, &mail(kind, "Ann", "Bank")).unwrap();
            assert_eq!(mail.subject, subject);
            for part in [&mail.text, &mail.html] {
                for expected in [change, at, "203.0.113.7", ": it@example.com", " Ann,"] {
                    assert!(part.contains(expected), "{expected} in {part}");
                }
            }
            assert!(mail.html.contains(&format!("lang=\"{}\"", language.tag())));
        }
    }

    #[test]
    fn the_text_reads_as_a_letter() {
        let german = notice(Language::De, &mail(NoticeKind::PasswordSet, "Ann", "Bank")).unwrap();
        assert_eq!(
            german.text,
            "Guten Tag Ann,\n\nfür Ihr Konto wurde ein Passwort festgelegt.\n\n\
             Zeitpunkt: 15.01.2027, 09:00 Uhr (Europe/Berlin)\nIP-Adresse: 203.0.113.7\n\n\
             Wenn Sie das waren, brauchen Sie nichts zu tun.\nWenn Sie das nicht waren, hat möglicherweise jemand \
             anderes Zugriff auf Ihr Konto. Melden Sie es sofort: it@example.com\n\nBank\n"
        );
        assert!(german.html.contains("<p>für Ihr Konto wurde ein Passwort festgelegt.</p>\n<p>"), "{}", german.html);
    }

    #[test]
    fn hostile_names_reach_neither_header_nor_markup() {
        let hostile = "Evil\r\nBcc: all@example.com\n\n<b>";
        for language in [Language::En, Language::De] {
            for kind in [ADDED, LOST, NoticeKind::PasswordSet, NoticeKind::DeviceRemoved] {
                for contact in [None, Some("<i>x</i>\r\nBcc: all@example.com")] {
                    let mail = mail(kind, "<script>x</script>\r\n.", hostile);
                    let mail = notice(language, &NoticeMail { contact, ..mail }).unwrap();
                    assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
                    for markup in ["<script>", "<b>", "<i>"] {
                        assert!(!mail.html.contains(markup), "{}", mail.html);
                    }
                    assert!(!mail.text.contains('\r') && !mail.text.contains("\nBcc"), "{}", mail.text);
                }
            }
        }
    }

    #[test]
    fn without_a_contact_the_mail_names_the_organisation() {
        for (language, expected) in
            [(Language::En, "to the IT support of Bank."), (Language::De, "der IT-Betreuung von Bank.")]
        {
            let mail = notice(language, &NoticeMail { contact: None, ..mail(ADDED, "Ann", "Bank") }).unwrap();
            assert!(mail.text.contains(expected) && mail.html.contains(expected), "{}", mail.text);
        }
    }

    #[test]
    fn addresses_are_written_as_people_know_them() {
        for (ip, expected) in [("::ffff:203.0.113.7", ": 203.0.113.7\n"), ("2001:db8::1", ": 2001:db8::1\n")] {
            let mail = NoticeMail { ip: ip.parse().unwrap(), ..mail(ADDED, "Ann", "Bank") };
            assert!(notice(Language::En, &mail).unwrap().text.contains(expected), "{expected}");
        }
    }
}
