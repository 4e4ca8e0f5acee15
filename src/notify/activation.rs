//! The mail with a link that completes registration or enrols a second factor.

use askama::Template;
use jiff::tz::TimeZone;

use super::{Frame, Mail, MailError, moment, one_line};
use crate::clock::Timestamp;
use crate::domain::Language;

/// What the mail says.
#[derive(Debug, Clone)]
pub struct ActivationMail<'a> {
    /// Whom it greets.
    pub name: &'a str,
    /// Who sends it.
    pub organisation: &'a str,
    /// The link.
    pub url: &'a str,
    /// Until when the link works.
    pub expires: Timestamp,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// Whom to ask.
    pub contact: Option<&'a str>,
}

/// The words of one language.
struct Words {
    lead: &'static str,
    button: &'static str,
    until: &'static str,
    unasked: &'static str,
    contact: &'static str,
}

const ENGLISH: Words = Words {
    lead: "with this link you complete your registration and set up how you sign in:",
    button: "Continue",
    until: "The link works once, until",
    unasked: "If you did not expect this mail, do not open the link; nothing happens then.",
    contact: "Questions?",
};

const GERMAN: Words = Words {
    lead: "mit diesem Link schließen Sie Ihre Registrierung ab und richten Ihre Anmeldung ein:",
    button: "Weiter",
    until: "Der Link funktioniert einmal, bis",
    unasked: "Wenn Sie diese Mail nicht erwartet haben, öffnen Sie den Link nicht; dann geschieht nichts.",
    contact: "Fragen?",
};

#[derive(Template)]
#[template(
    ext = "txt",
    source = "{{ words.lead }}

{{ url }}

{{ words.until }} {{ until }}.
{{ words.unasked }}{% if let Some(contact) = contact %}

{{ words.contact }} {{ contact }}{% endif %}"
)]
struct Text<'a> {
    words: &'a Words,
    url: &'a str,
    until: &'a str,
    contact: Option<&'a str>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p>{{ words.lead }}</p>
<p><a href="{{ url }}" style="display:inline-block;padding:.75em 1.5em;border-radius:.5em;background:#1f5c43;color:#fff;text-decoration:none">{{ words.button }}</a></p>
<p style="word-break:break-all"><a href="{{ url }}">{{ url }}</a></p>
<p>{{ words.until }} {{ until }}.<br>{{ words.unasked }}</p>{% if let Some(contact) = contact %}
<p>{{ words.contact }} {{ contact }}</p>{% endif %}"#
)]
struct Html<'a> {
    words: &'a Words,
    url: &'a str,
    until: &'a str,
    contact: Option<&'a str>,
}

/// Builds the mail.
///
/// # Errors
/// A template could not be rendered.
pub fn activation_link(language: Language, mail: &ActivationMail<'_>) -> Result<Mail, MailError> {
    let (words, subject) = match language {
        Language::En => (&ENGLISH, format!("Your access to {}", mail.organisation)),
        Language::De => (&GERMAN, format!("Ihr Zugang zu {}", mail.organisation)),
    };
    let until = moment(language, mail.expires, &mail.zone);
    let contact = mail.contact.map(one_line);
    let (url, until, contact) = (mail.url, until.as_str(), contact.as_deref());
    let frame = Frame { language, subject: &subject, name: mail.name, organisation: mail.organisation };
    frame.around(Text { words, url, until, contact }, Html { words, url, until, contact })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail<'a>(name: &'a str, organisation: &'a str) -> ActivationMail<'a> {
        ActivationMail {
            name,
            organisation,
            url: "https://login.example.com/link/abc_DEF-1",
            expires: Timestamp::from_second(1_800_000_000).unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            contact: Some("it@example.com"),
        }
    }

    #[test]
    fn both_languages_say_who_what_and_until_when() {
        for (language, until, greeting) in [
            (Language::En, "15 January 2027, 09:00 (Europe/Berlin)", "Hello Ann,"),
            (Language::De, "15.01.2027, 09:00 Uhr (Europe/Berlin)", "Guten Tag Ann,"),
        ] {
            let mail = activation_link(language, &mail("Ann", "Example Bank")).unwrap();
            assert!(mail.subject.contains("Example Bank"));
            for part in [&mail.text, &mail.html] {
                for expected in ["https://login.example.com/link/abc_DEF-1", until, greeting, "it@example.com"] {
                    assert!(part.contains(expected), "{expected} in {part}");
                }
            }
            assert!(mail.html.contains(&format!("lang=\"{}\"", language.tag())));
        }
    }

    #[test]
    fn hostile_names_reach_neither_header_nor_markup() {
        let mail =
            activation_link(Language::En, &mail("<script>x</script>\r\n.", "Evil\r\nBcc: all@example.com\n\n<b>"))
                .unwrap();
        assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
        assert!(!mail.html.contains("<script>") && !mail.html.contains("<b>"), "{}", mail.html);
        assert!(!mail.text.contains('\r') && !mail.text.contains("\nBcc"), "{}", mail.text);
    }

    #[test]
    fn without_a_contact_no_line_asks_for_questions() {
        let mail = activation_link(Language::En, &ActivationMail { contact: None, ..mail("Ann", "Bank") }).unwrap();
        assert!(!mail.text.contains("Questions") && !mail.html.contains("Questions"));
    }
}
