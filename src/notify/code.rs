//! The mail with the code that confirms a sign-in. The code is not in the subject: locked screens show subjects.

use std::net::IpAddr;

use askama::Template;
use jiff::tz::TimeZone;

use super::{Frame, Mail, MailError, moment, one_line, report};
use crate::clock::Timestamp;
use crate::domain::Language;

/// What the mail says.
#[derive(Debug, Clone)]
pub struct CodeMail<'a> {
    /// The code, in groups.
    pub code: &'a str,
    /// Whom it greets.
    pub name: &'a str,
    /// Who sends it.
    pub organisation: &'a str,
    /// What the sign-in leads to; `None` for the portal.
    pub app: Option<&'a str>,
    /// When it was asked for.
    pub at: Timestamp,
    /// Until when it works.
    pub until: Timestamp,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// The address it was asked for from.
    pub ip: IpAddr,
    /// Whom to tell when it was somebody else; without it the mail speaks of the organisation's IT support.
    pub contact: Option<&'a str>,
}

/// The words of one language.
struct Words {
    lead: &'static str,
    app: &'static str,
    until: &'static str,
    newest: &'static str,
    at: &'static str,
    ip: &'static str,
    secret: &'static str,
    foreign: &'static str,
}

const ENGLISH: Words = Words {
    lead: "this code confirms that it is you who is signing in:",
    app: "App:",
    until: "It works once, on the page that asked for it, until",
    newest: "If you got several codes, only the newest one works.",
    at: "Asked for:",
    ip: "IP address:",
    secret: "Tell it to nobody. We never ask for it by phone, chat or mail.",
    foreign: "If you are not signing in right now, somebody else knows your password.",
};

const GERMAN: Words = Words {
    lead: "mit diesem Code bestätigen Sie, dass Sie selbst sich anmelden:",
    app: "App:",
    until: "Er gilt einmal, auf der Seite, die nach ihm fragt, bis",
    newest: "Wenn Sie mehrere Codes bekommen haben, gilt nur der neueste.",
    at: "Angefordert:",
    ip: "IP-Adresse:",
    secret: "Geben Sie ihn niemandem. Wir fragen nie am Telefon, im Chat oder per Mail danach.",
    foreign: "Wenn Sie sich gerade nicht anmelden, kennt jemand anderes Ihr Passwort.",
};

#[derive(Template)]
#[template(
    ext = "txt",
    source = "{{ words.lead }}

    {{ code }}

{{ words.until }} {{ until }}.
{{ words.newest }}

{% if let Some(app) = app %}{{ words.app }} {{ app }}
{% endif %}{{ words.at }} {{ at }}
{{ words.ip }} {{ ip }}

{{ words.secret }}
{{ words.foreign }} {{ report }}"
)]
struct Text<'a> {
    words: &'a Words,
    code: &'a str,
    app: Option<&'a str>,
    until: &'a str,
    at: &'a str,
    ip: IpAddr,
    report: &'a str,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p>{{ words.lead }}</p>
<p style="font:700 1.75em/1.3 ui-monospace,monospace;letter-spacing:.1em">{{ code }}</p>
<p>{{ words.until }} {{ until }}.<br>{{ words.newest }}</p>
<p>{% if let Some(app) = app %}{{ words.app }} {{ app }}<br>{% endif %}{{ words.at }} {{ at }}<br>{{ words.ip }} {{ ip }}</p>
<p>{{ words.secret }}<br>{{ words.foreign }} {{ report }}</p>"#
)]
struct Html<'a> {
    words: &'a Words,
    code: &'a str,
    app: Option<&'a str>,
    until: &'a str,
    at: &'a str,
    ip: IpAddr,
    report: &'a str,
}

/// Builds the mail.
///
/// # Errors
/// A template could not be rendered.
pub fn sign_in_code(language: Language, mail: &CodeMail<'_>) -> Result<Mail, MailError> {
    let (words, subject) = match language {
        Language::En => (&ENGLISH, format!("Your code for {}", mail.organisation)),
        Language::De => (&GERMAN, format!("Ihr Code für {}", mail.organisation)),
    };
    let (at, until) = (moment(language, mail.at, &mail.zone), moment(language, mail.until, &mail.zone));
    let (app, contact) = (mail.app.map(one_line), mail.contact.map(one_line));
    let report = report(language, contact.as_deref(), &one_line(mail.organisation));
    let (code, app, until, at) = (mail.code, app.as_deref(), until.as_str(), at.as_str());
    let (ip, report) = (mail.ip.to_canonical(), report.as_str());
    let frame = Frame { language, subject: &subject, name: mail.name, organisation: mail.organisation };
    frame.around(Text { words, code, app, until, at, ip, report }, Html { words, code, app, until, at, ip, report })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail<'a>(organisation: &'a str, app: Option<&'a str>) -> CodeMail<'a> {
        CodeMail {
            code: "1234 5678",
            name: "Ann",
            organisation,
            app,
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            until: Timestamp::from_second(1_800_000_600).unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            ip: "::ffff:203.0.113.9".parse().unwrap(),
            contact: Some("it@example.com"),
        }
    }

    #[test]
    fn both_languages_say_the_code_until_when_for_what_and_from_where() {
        for (language, until) in [
            (Language::En, "15 January 2027, 09:10 (Europe/Berlin)"),
            (Language::De, "15.01.2027, 09:10 Uhr (Europe/Berlin)"),
        ] {
            let mail = sign_in_code(language, &mail("Example Bank", Some("R&D Wiki"))).unwrap();
            for expected in ["1234 5678", until, "203.0.113.9", "it@example.com"] {
                assert!(mail.text.contains(expected), "{expected} in {}", mail.text);
                assert!(mail.html.contains(expected), "{expected} in {}", mail.html);
            }
            assert!(mail.text.contains("R&D Wiki") && mail.html.contains("R&#38;D Wiki"), "{}", mail.html);
            assert!(mail.subject.contains("Example Bank"), "{}", mail.subject);
        }
    }

    #[test]
    fn a_locked_screen_does_not_show_the_code() {
        for language in Language::ALL {
            let mail = sign_in_code(language, &mail("Example Bank", None)).unwrap();
            assert!(!mail.subject.contains(|c: char| c.is_ascii_digit()), "{}", mail.subject);
            assert!(!mail.text.contains("App:"), "{}", mail.text);
        }
    }

    #[test]
    fn hostile_names_reach_neither_header_nor_markup() {
        let evil = "Evil\r\nBcc: all@example.com\n\n<b>";
        let mail = sign_in_code(Language::En, &mail(evil, Some("<script>x</script>\r\n."))).unwrap();
        assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
        assert!(!mail.html.contains("<script>") && !mail.html.contains("<b>"), "{}", mail.html);
        assert!(!mail.text.contains('\r') && !mail.text.contains("\nBcc"), "{}", mail.text);
    }
}
