//! Mails: building them (subject, plain text and HTML, in the reader's language), and sending what waits in the outbox. What
//! is worth a mail is not known here.

mod activation;
mod alert;
mod code;
mod courier;
mod notice;
mod smtp;

use askama::Template;
use jiff::tz::TimeZone;

use crate::clock::Timestamp;
use crate::domain::Language;

pub use activation::{ActivationMail, activation_link};
pub use alert::{
    AlertKind, AlertMail, Origin, RefusedVisitsMail, SecurityAlertMail, alert, refused_visits, security_alert,
};
pub use code::{CodeMail, sign_in_code};
pub use courier::{Carrier, Courier, Round, SendError};
pub use notice::{NoticeKind, NoticeMail, notice};
pub use smtp::{Smtp, SmtpError};

/// A mail could not be written.
#[derive(Debug, thiserror::Error)]
#[error("a mail can't be written")]
pub struct MailError(#[from] askama::Error);

/// A mail without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// A text as one line: what a header may hold (RFC 5322 §2.2). Line breaks in it would start a header of its author's.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// An instant as people read it, in their time zone.
fn moment(language: Language, at: Timestamp, zone: &TimeZone) -> String {
    let at = at.to_zoned(zone.clone());
    let zone = zone.iana_name().map_or_else(|| at.strftime("UTC%:z").to_string(), str::to_owned);
    match language {
        Language::En => format!("{} ({zone})", at.strftime("%-d %B %Y, %H:%M")),
        Language::De => format!("{} Uhr ({zone})", at.strftime("%d.%m.%Y, %H:%M")),
    }
}

/// What to do about somebody else who signs in, or changed something.
fn report(language: Language, contact: Option<&str>, organisation: &str) -> String {
    match (language, contact) {
        (Language::En, Some(contact)) => format!("Report it at once: {contact}"),
        (Language::En, None) => format!("Report it at once to the IT support of {organisation}."),
        (Language::De, Some(contact)) => format!("Melden Sie es sofort: {contact}"),
        (Language::De, None) => format!("Melden Sie es sofort der IT-Betreuung von {organisation}."),
    }
}

/// What every mail has around its message.
#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    language: Language,
    subject: &'a str,
    name: &'a str,
    organisation: &'a str,
}

impl Frame<'_> {
    /// The whole mail: a greeting, the message as plain text and as HTML, and who sends it.
    fn around(&self, text: impl Template, html: impl Template) -> Result<Mail, MailError> {
        let greeting = match self.language {
            Language::En => "Hello",
            Language::De => "Guten Tag",
        };
        let (subject, name, organisation) = (one_line(self.subject), one_line(self.name), one_line(self.organisation));
        let (name, organisation) = (name.as_str(), organisation.as_str());
        let text = TextFrame { greeting, name, organisation, message: text }.render()?;
        let tag = self.language.tag();
        let html = HtmlFrame { tag, subject: &subject, greeting, name, organisation, message: html }.render()?;
        Ok(Mail { subject, text, html })
    }
}

#[derive(Template)]
#[template(
    ext = "txt",
    source = "{{ greeting }} {{ name }},

{{ message }}

{{ organisation }}
"
)]
struct TextFrame<'a, M: Template> {
    greeting: &'a str,
    name: &'a str,
    organisation: &'a str,
    message: M,
}

// The message is a template that has escaped what it holds; escaping it again would show its markup.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ tag }}"><head><meta charset="utf-8"><title>{{ subject }}</title></head>
<body style="font-family:system-ui,sans-serif;line-height:1.5;color:#1b2620;max-width:36em;margin:2em auto;padding:0 1em">
<p>{{ greeting }} {{ name }},</p>
{{ message|safe }}
<p>{{ organisation }}</p>
</body></html>
"#
)]
struct HtmlFrame<'a, M: Template> {
    tag: &'a str,
    subject: &'a str,
    greeting: &'a str,
    name: &'a str,
    organisation: &'a str,
    message: M,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_names_the_zone_it_is_told_in() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let nameless = TimeZone::fixed(jiff::tz::offset(2));
        for (language, zone, expected) in [
            (Language::En, &berlin, "15 January 2027, 09:00 (Europe/Berlin)"),
            (Language::De, &berlin, "15.01.2027, 09:00 Uhr (Europe/Berlin)"),
            (Language::En, &TimeZone::UTC, "15 January 2027, 08:00 (UTC)"),
            (Language::De, &nameless, "15.01.2027, 10:00 Uhr (UTC+02:00)"),
        ] {
            assert_eq!(moment(language, at, zone), expected);
        }
    }
}
