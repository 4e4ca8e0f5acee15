//! The mails that policies ask for: to the person whose account it is, and to the security team.

use std::net::IpAddr;

use askama::Template;
use jiff::tz::TimeZone;

use super::{Frame, Mail, MailError, moment, one_line};
use crate::clock::Timestamp;
use crate::domain::{EnforcedPolicy, Language, PolicyId, ReferenceId, Username};
use crate::i18n::policy_message;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// Somebody was let in.
    SignedIn,
    /// The first factor was right; one more proof was asked for.
    ProofAsked,
    /// The first factor was right; they were refused.
    Refused,
}

/// Where somebody came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The address.
    pub ip: IpAddr,
    /// Where that is, as people read it; `None` when nobody knows.
    pub place: Option<&'a str>,
    /// What the browser calls itself, as people read it.
    pub device: Option<&'a str>,
    /// Whether the person was let in from it before, with a second factor.
    pub is_known_device: bool,
}

/// What a mail to the person says.
#[derive(Debug, Clone)]
pub struct AlertMail<'a> {
    /// What happened.
    pub kind: AlertKind,
    /// Whom it greets.
    pub name: &'a str,
    /// Who sends it.
    pub organisation: &'a str,
    /// When.
    pub at: Timestamp,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// From where.
    pub origin: Origin<'a>,
    /// Into what; `None` for the portal.
    pub app: Option<&'a str>,
    /// The policies that ask for the mail; their messages stand in it.
    pub policies: &'a [EnforcedPolicy],
    /// Whom to tell when it was somebody else; without it the mail speaks of the organisation's IT support.
    pub contact: Option<&'a str>,
}

/// What a mail to the security team says.
#[derive(Debug, Clone)]
pub struct SecurityAlertMail<'a> {
    /// What happened.
    pub kind: AlertKind,
    /// Who sends it.
    pub organisation: &'a str,
    /// When.
    pub at: Timestamp,
    /// The organisation's time zone.
    pub zone: TimeZone,
    /// From where.
    pub origin: Origin<'a>,
    /// Who.
    pub user: &'a Username,
    /// Into what; `None` for the portal.
    pub app: Option<&'a str>,
    /// The policies that ask for the mail.
    pub policies: &'a [EnforcedPolicy],
    /// Policies that could not be evaluated.
    pub failed: &'a [PolicyId],
    /// What the journal has the decision under.
    pub reference: &'a ReferenceId,
}

/// What a mail on visitors says who were refused before they were known.
#[derive(Debug, Clone)]
pub struct RefusedVisitsMail<'a> {
    /// Who sends it.
    pub organisation: &'a str,
    /// The network, or none: all those beyond the most that are told apart.
    pub network: Option<&'a str>,
    /// When the hour began.
    pub from: Timestamp,
    /// When it was over.
    pub until: Timestamp,
    /// The organisation's time zone.
    pub zone: TimeZone,
    /// How many.
    pub count: u64,
    /// The ids of the policies that refused them.
    pub policies: &'a str,
}

/// A label and what it stands for.
struct Line<'a> {
    label: &'static str,
    value: &'a str,
}

#[derive(Template)]
#[template(
    ext = "txt",
    source = "{{ lead }}
{% for reason in reasons %}{{ reason }}
{% endfor %}
{% for line in lines %}{{ line.label }} {{ line.value }}
{% endfor %}
{{ advice }}"
)]
struct Text<'a> {
    lead: &'a str,
    reasons: &'a [String],
    lines: &'a [Line<'a>],
    advice: &'a str,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<p>{{ lead }}{% for reason in reasons %}<br>{{ reason }}{% endfor %}</p>
<p>{% for line in lines %}{{ line.label }} {{ line.value }}{% if !loop.last %}<br>{% endif %}{% endfor %}</p>
<p>{{ advice }}</p>"#
)]
struct Html<'a> {
    lead: &'a str,
    reasons: &'a [String],
    lines: &'a [Line<'a>],
    advice: &'a str,
}

/// The words of one language.
struct Words {
    at: &'static str,
    app: &'static str,
    portal: &'static str,
    place: &'static str,
    ip: &'static str,
    device: &'static str,
    known: &'static str,
    unknown: &'static str,
}

const ENGLISH: Words = Words {
    at: "Time:",
    app: "App:",
    portal: "the portal",
    place: "Place:",
    ip: "IP address:",
    device: "Device:",
    known: "known",
    unknown: "not known",
};

const GERMAN: Words = Words {
    at: "Zeitpunkt:",
    app: "App:",
    portal: "das Portal",
    place: "Ort:",
    ip: "IP-Adresse:",
    device: "Gerät:",
    known: "bekannt",
    unknown: "nicht bekannt",
};

impl Words {
    fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &ENGLISH,
            Language::De => &GERMAN,
        }
    }

    fn device_of(&self, origin: &Origin<'_>) -> String {
        let known = if origin.is_known_device { self.known } else { self.unknown };
        match origin.device {
            Some(device) => format!("{} ({known})", one_line(device)),
            None => known.to_owned(),
        }
    }
}

/// The last words of the subject, and the sentence at the top.
fn told(language: Language, kind: AlertKind) -> (&'static str, &'static str) {
    match (language, kind) {
        (Language::En, AlertKind::SignedIn) => ("new sign-in", "Someone signed in to your account."),
        (Language::En, AlertKind::ProofAsked) => (
            "sign-in with your password",
            "Someone entered your password. They were asked for one more proof that it is you.",
        ),
        (Language::En, AlertKind::Refused) => {
            ("sign-in refused", "Someone entered your password. They were not let in.")
        }
        (Language::De, AlertKind::SignedIn) => ("neue Anmeldung", "jemand hat sich an Ihrem Konto angemeldet."),
        (Language::De, AlertKind::ProofAsked) => (
            "Anmeldung mit Ihrem Passwort",
            "jemand hat Ihr Passwort eingegeben und wurde um eine weitere Bestätigung gebeten.",
        ),
        (Language::De, AlertKind::Refused) => {
            ("Anmeldung abgelehnt", "jemand hat Ihr Passwort eingegeben und wurde nicht eingelassen.")
        }
    }
}

/// What to do: nothing, or to have the account secured.
fn advice(language: Language, contact: Option<&str>, organisation: &str) -> String {
    match (language, contact) {
        (Language::En, Some(contact)) => format!(
            "If this was you, there is nothing to do. If this was not you, have your account secured at once: {contact}"
        ),
        (Language::En, None) => format!(
            "If this was you, there is nothing to do. If this was not you, have your account secured at once by the IT \
             support of {organisation}."
        ),
        (Language::De, Some(contact)) => format!(
            "Wenn Sie das waren, brauchen Sie nichts zu tun. Wenn nicht, lassen Sie Ihr Konto sofort sichern: {contact}"
        ),
        (Language::De, None) => format!(
            "Wenn Sie das waren, brauchen Sie nichts zu tun. Wenn nicht, lassen Sie Ihr Konto sofort von der \
             IT-Betreuung von {organisation} sichern."
        ),
    }
}

/// Builds the mail to the person.
///
/// # Errors
/// A template could not be rendered.
pub fn alert(language: Language, mail: &AlertMail<'_>) -> Result<Mail, MailError> {
    let words = Words::of(language);
    let (brief, lead) = told(language, mail.kind);
    let subject = match language {
        Language::En => format!("Your access to {}: {brief}", mail.organisation),
        Language::De => format!("Ihr Zugang zu {}: {brief}", mail.organisation),
    };
    // Each message once: several policies may say the same.
    let mut reasons: Vec<String> = Vec::new();
    for policy in mail.policies {
        let reason = policy.message.as_deref().and_then(|message| policy_message(language, message));
        reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
    }
    let at = moment(language, mail.at, &mail.zone);
    let (ip, device) = (mail.origin.ip.to_canonical().to_string(), words.device_of(&mail.origin));
    let app = one_line(mail.app.unwrap_or(words.portal));
    let place = mail.origin.place.map(one_line);
    let mut lines = vec![Line { label: words.at, value: &at }, Line { label: words.app, value: &app }];
    lines.extend(place.as_deref().map(|value| Line { label: words.place, value }));
    lines.extend([Line { label: words.ip, value: &ip }, Line { label: words.device, value: &device }]);
    let contact = mail.contact.map(one_line);
    let advice = advice(language, contact.as_deref(), &one_line(mail.organisation));
    let (lines, reasons, advice) = (lines.as_slice(), reasons.as_slice(), advice.as_str());
    let frame = Frame { language, subject: &subject, name: mail.name, organisation: mail.organisation };
    frame.around(Text { lead, reasons, lines, advice }, Html { lead, reasons, lines, advice })
}

/// Whom mails to the security team greet.
const TEAM: &str = "security team";

/// Builds the mail to the security team, in English.
///
/// # Errors
/// A template could not be rendered.
pub fn security_alert(mail: &SecurityAlertMail<'_>) -> Result<Mail, MailError> {
    let words = &ENGLISH;
    let (brief, lead) = match mail.kind {
        AlertKind::SignedIn => ("signed in", "Somebody signed in, and a policy asks to tell you."),
        AlertKind::ProofAsked => {
            ("challenged", "Somebody showed a first factor and was asked for more, and a policy asks to tell you.")
        }
        AlertKind::Refused => {
            ("refused", "Somebody showed a first factor and was refused, and a policy asks to tell you.")
        }
    };
    let joined = |ids: Vec<&str>| ids.join(", ");
    let policies = joined(mail.policies.iter().map(|policy| policy.id.as_str()).collect());
    let failed = joined(mail.failed.iter().map(PolicyId::as_str).collect());
    let subject = format!("{}: {} {brief}", mail.organisation, mail.user);
    let at = moment(Language::En, mail.at, &mail.zone);
    let (ip, device) = (mail.origin.ip.to_canonical().to_string(), words.device_of(&mail.origin));
    let app = one_line(mail.app.unwrap_or(words.portal));
    let place = mail.origin.place.map(one_line);
    let mut lines = vec![
        Line { label: "User:", value: mail.user.as_str() },
        Line { label: words.app, value: &app },
        Line { label: words.at, value: &at },
    ];
    lines.extend(place.as_deref().map(|value| Line { label: words.place, value }));
    lines.extend([Line { label: words.ip, value: &ip }, Line { label: words.device, value: &device }]);
    let named = [("Policies:", &policies), ("Policies that failed:", &failed)];
    lines.extend(named.into_iter().filter(|(_, ids)| !ids.is_empty()).map(|(label, value)| Line { label, value }));
    lines.push(Line { label: "Reference:", value: mail.reference.as_str() });
    let advice = format!("`cedargate policy explain {}` shows all that went into the decision.", mail.reference);
    framed(&subject, mail.organisation, lead, &lines, &advice)
}

/// Builds the mail to the security team on refused visitors, in English.
///
/// # Errors
/// A template could not be rendered.
pub fn refused_visits(mail: &RefusedVisitsMail<'_>) -> Result<Mail, MailError> {
    let network = mail.network.unwrap_or("other networks");
    let subject = format!("{}: {} visits refused from {network}", mail.organisation, mail.count);
    let from = moment(Language::En, mail.from, &mail.zone);
    let until = moment(Language::En, mail.until, &mail.zone);
    let count = mail.count.to_string();
    let lines = [
        Line { label: "Network:", value: network },
        Line { label: "Visits:", value: &count },
        Line { label: "From:", value: &from },
        Line { label: "Until:", value: &until },
        Line { label: "Policies:", value: mail.policies },
    ];
    let lead = "Visitors were refused before they could sign in, and a policy asks to tell you.";
    framed(&subject, mail.organisation, lead, &lines, "One mail tells of all of them from one network in one hour.")
}

fn framed(subject: &str, organisation: &str, lead: &str, lines: &[Line<'_>], advice: &str) -> Result<Mail, MailError> {
    let frame = Frame { language: Language::En, subject, name: TEAM, organisation };
    let reasons = &[];
    frame.around(Text { lead, reasons, lines, advice }, Html { lead, reasons, lines, advice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedEntropy;

    fn policy(id: &str, message: Option<&str>) -> EnforcedPolicy {
        EnforcedPolicy {
            id: PolicyId::parse(id).unwrap(),
            message: message.map(str::to_owned),
            alerts_user: true,
            alerts_security: true,
        }
    }

    fn origin<'a>() -> Origin<'a> {
        Origin { ip: "203.0.113.7".parse().unwrap(), place: Some("Oslo, NO"), device: None, is_known_device: false }
    }

    fn mail<'a>(kind: AlertKind, policies: &'a [EnforcedPolicy]) -> AlertMail<'a> {
        AlertMail {
            kind,
            name: "Ann",
            organisation: "Bank",
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            origin: origin(),
            app: Some("AWS"),
            policies,
            contact: Some("it@example.com"),
        }
    }

    #[test]
    fn a_mail_to_a_person_says_what_when_where_which_device_and_app_and_what_to_do() {
        let policies =
            [policy("device.limit", Some("device.limit")), policy("x.y", Some("device.limit")), policy("x.z", None)];
        let text = alert(Language::En, &mail(AlertKind::ProofAsked, &policies)).unwrap();
        assert_eq!(text.subject, "Your access to Bank: sign-in with your password");
        let reason = policy_message(Language::En, "device.limit").unwrap();
        assert_eq!(
            text.text,
            format!(
                "Hello Ann,\n\nSomeone entered your password. They were asked for one more proof that it is you.\n\
                 {reason}\n\nTime: 15 January 2027, 09:00 (Europe/Berlin)\nApp: AWS\nPlace: Oslo, NO\n\
                 IP address: 203.0.113.7\nDevice: not known\n\nIf this was you, there is nothing to do. If this was not \
                 you, have your account secured at once: it@example.com\n\nBank\n"
            )
        );
        for language in Language::ALL {
            for kind in [AlertKind::SignedIn, AlertKind::ProofAsked, AlertKind::Refused] {
                let mail = alert(language, &mail(kind, &policies)).unwrap();
                for part in [&mail.text, &mail.html] {
                    for expected in ["09:00", "AWS", "Oslo, NO", "203.0.113.7", "it@example.com"] {
                        assert!(part.contains(expected), "{expected} in {part}");
                    }
                }
                assert!(mail.html.contains(&format!("lang=\"{}\"", language.tag())));
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_left_out_and_what_is_known_is_named() {
        let origin = Origin { place: None, device: Some("Firefox on Linux"), is_known_device: true, ..origin() };
        let mail = AlertMail { origin, app: None, contact: None, ..mail(AlertKind::SignedIn, &[]) };
        let english = alert(Language::En, &mail).unwrap().text;
        assert!(english.contains("Device: Firefox on Linux (known)\n") && english.contains("App: the portal\n"));
        assert!(!english.contains("Place:") && english.contains("IT support of Bank."));
        assert!(alert(Language::De, &mail).unwrap().text.contains("Gerät: Firefox on Linux (bekannt)\n"));
    }

    #[test]
    fn a_mail_to_the_security_team_names_user_policies_and_reference() {
        let reference = ReferenceId::new(&FixedEntropy::seeded(1)).unwrap();
        let failed = [PolicyId::parse("b.broken").unwrap()];
        let mail = SecurityAlertMail {
            kind: AlertKind::Refused,
            organisation: "Bank",
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            zone: TimeZone::UTC,
            origin: origin(),
            user: &Username::parse("ann").unwrap(),
            app: Some("AWS"),
            policies: &[policy("risk.failed-many", None)],
            failed: &failed,
            reference: &reference,
        };
        let mail = security_alert(&mail).unwrap();
        assert_eq!(mail.subject, "Bank: ann refused");
        for part in [&mail.text, &mail.html] {
            for expected in ["ann", "AWS", "risk.failed-many", "b.broken", reference.as_str(), "203.0.113.7", "08:00"] {
                assert!(part.contains(expected), "{expected} in {part}");
            }
        }
    }

    #[test]
    fn refused_visits_are_summed() {
        let mail = RefusedVisitsMail {
            organisation: "Bank",
            network: Some("198.51.100.0/24"),
            from: Timestamp::from_second(1_800_000_000).unwrap(),
            until: Timestamp::from_second(1_800_003_600).unwrap(),
            zone: TimeZone::UTC,
            count: 412,
            policies: "net.blocked",
        };
        let built = refused_visits(&mail).unwrap();
        assert_eq!(built.subject, "Bank: 412 visits refused from 198.51.100.0/24");
        assert!(built.text.contains("08:00") && built.text.contains("09:00") && built.text.contains("net.blocked"));
        let others = refused_visits(&RefusedVisitsMail { network: None, ..mail }).unwrap();
        assert!(others.subject.ends_with("from other networks"));
    }

    #[test]
    fn hostile_names_reach_neither_header_nor_markup() {
        let hostile = "Evil\r\nBcc: all@example.com\n\n<b>";
        for language in Language::ALL {
            let origin = Origin { place: Some(hostile), device: Some(hostile), ..origin() };
            let mail = AlertMail {
                name: hostile,
                organisation: hostile,
                origin,
                app: Some(hostile),
                contact: Some(hostile),
                ..mail(AlertKind::Refused, &[])
            };
            let mail = alert(language, &mail).unwrap();
            assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
            assert!(!mail.html.contains("<b>"), "{}", mail.html);
            assert!(!mail.text.contains('\r') && !mail.text.contains("\nBcc"), "{}", mail.text);
        }
    }
}
