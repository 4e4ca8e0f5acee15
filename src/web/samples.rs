//! A sample of every page in every state worth looking at. The tests check them all, and write them where a browser can show
//! them (`test-output/pages`).

use super::account::pages::{DeviceCard, Devices, Done};
use super::demo::pages::{
    Account, Choice, Code, Guide, GuideStep, Mail, Mails, Outcome, Pretend, Pretended, Received, ReceivedAttribute,
    ServiceProvider, ServiceProviderStart,
};
use super::errors::pages::{Problem, ProblemKind};
use super::page::{FormError, Frame};
use super::portal::pages::{Portal, RoleTile, Tile, TileNote};
use super::saml::logout_pages::{AppRow, LogoutPost, SigningOut};
use super::saml::pages::{HiddenField, LaunchConfirm, Post};
use super::signin::pages::{
    Back, Blocked, ChooseDevice, CodeTimes, EmailCode, EnrolDone, EnrolLink, EnrolTotp, Identify, Link, LinkKind,
    MethodCard, Methods, Password, SetPassword, SignedOut, Totp, reasons,
};
use crate::domain::{Language, Method};
use crate::signin::{AppLine, AppState, NextStop};

/// A rendered page and the name of its file.
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) html: String,
}

fn sample(name: &str, page: &impl askama::Template) -> Sample {
    Sample { name: name.to_owned(), html: page.render().unwrap() }
}

/// Every page in every state, in one language. `word` stands wherever text comes from outside.
pub(super) fn all(lang: Language, word: &str) -> Vec<Sample> {
    let mut samples = sign_in(lang, word);
    samples.extend(mailed_code(lang, word));
    samples.extend(enrolment(lang, word));
    samples.extend(endings(lang, word));
    samples.extend(devices(lang, word));
    samples.extend(signing_out(lang, word));
    samples.extend(demo(lang, word));
    samples.extend(ProblemKind::ALL.into_iter().map(|kind| {
        let page = Problem::new(frame(lang, word), kind, "/signin").with_reference(word);
        sample(&format!("problem-{}", kind.code()), &page)
    }));
    samples.push(sample("problem-wait", &Problem::too_many_attempts(frame(lang, word), 40, "/signin")));
    samples
}

fn frame(lang: Language, word: &str) -> Frame {
    Frame {
        lang,
        organisation: word.to_owned(),
        contact: Some("help@example.com".to_owned()),
        csrf_token: word.to_owned(),
        language_url: Some("/signin".to_owned()),
    }
}

/// The handle that every form of a sign-in sends back.
fn handle() -> String {
    "sealed-3fd1c0".repeat(12)
}

fn sign_in(lang: Language, word: &str) -> Vec<Sample> {
    let app = Some(word.to_owned());
    let identify = Identify {
        frame: frame(lang, word),
        app_name: app.clone(),
        signin: handle(),
        username: String::new(),
        error: None,
    };
    let password = Password {
        frame: frame(lang, word),
        app_name: app.clone(),
        signin: handle(),
        username: word.to_owned(),
        error: None,
        attempts_left: None,
        retry_after: None,
        see_devices: false,
    };
    let totp = Totp {
        frame: frame(lang, word),
        app_name: app.clone(),
        signin: handle(),
        error: None,
        attempts_left: None,
        retry_after: None,
        reasons: reasons(lang, ["network.abroad", "second-factor.required"]),
        other_methods: true,
        remember_days: None,
        see_devices: false,
    };
    let methods = Methods {
        frame: frame(lang, word),
        app_name: app,
        signin: handle(),
        offers: [Method::Passkey, Method::Totp, Method::BackupCode].map(|m| MethodCard::new(lang, m)).to_vec(),
    };
    vec![
        sample("identify", &identify),
        sample("identify-portal", &Identify { app_name: None, ..identify.clone() }),
        sample(
            "identify-error",
            &Identify { error: Some(FormError::NameMissing), username: word.to_owned(), ..identify },
        ),
        sample("password", &password),
        sample("password-at-limit", &Password { see_devices: true, ..password.clone() }),
        sample(
            "password-error",
            &Password { error: Some(FormError::WrongPassword), attempts_left: Some(3), ..password.clone() },
        ),
        sample(
            "password-wait",
            &Password { error: Some(FormError::TooManyAttempts), retry_after: Some(8), ..password },
        ),
        sample("totp", &totp),
        sample("totp-remember", &Totp { remember_days: Some(30), see_devices: true, ..totp.clone() }),
        sample("totp-remember-portal", &Totp { remember_days: Some(1), app_name: None, ..totp.clone() }),
        sample("totp-plain", &Totp { reasons: Vec::new(), other_methods: false, app_name: None, ..totp.clone() }),
        sample("totp-error", &Totp { error: Some(FormError::CodeWrong), attempts_left: Some(2), ..totp }),
        sample("methods", &methods),
    ]
}

fn mailed_code(lang: Language, word: &str) -> Vec<Sample> {
    let times = CodeTimes { sent: "14:25:03".to_owned(), until: "14:35".to_owned(), zone: "CET".to_owned() };
    let sent = EmailCode {
        frame: frame(lang, word),
        app_name: Some(word.to_owned()),
        signin: handle(),
        masked_email: "a•••@example.com".to_owned(),
        valid: Some(times),
        resend_in: 27,
        exhausted: false,
        too_soon: false,
        error: None,
        attempts_left: None,
        retry_after: None,
        reasons: reasons(lang, ["second-factor.required"]),
        remember_days: Some(30),
        see_devices: true,
    };
    let wrong = EmailCode { error: Some(FormError::MailedCodeWrong), attempts_left: Some(4), ..sent.clone() };
    let expired = EmailCode { error: Some(FormError::MailedCodeExpired), valid: None, resend_in: 0, ..sent.clone() };
    vec![
        sample("email-code", &sent),
        sample("email-code-error", &wrong),
        sample(
            "email-code-wait-error",
            &EmailCode { error: Some(FormError::TooManyAttempts), retry_after: Some(10), attempts_left: None, ..wrong },
        ),
        sample("email-code-too-soon", &EmailCode { too_soon: true, ..sent.clone() }),
        sample("email-code-last", &EmailCode { exhausted: true, ..sent.clone() }),
        sample("email-code-expired", &expired),
        sample("email-code-none", &EmailCode { error: None, ..expired.clone() }),
        sample("email-code-exhausted", &EmailCode { error: None, exhausted: true, ..expired }),
    ]
}

/// A QR-like picture: the pages take any SVG.
fn qr() -> String {
    let mut dots = String::new();
    let mut state = 7_u32;
    for y in 0..29 {
        for x in 0..29 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 1 {
                dots.push_str(&format!("M{} {}h1v1h-1z", x + 4, y + 4));
            }
        }
    }
    format!(
        "<?xml version=\"1.0\" standalone=\"yes\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"296\" height=\"296\" \
         viewBox=\"0 0 37 37\"><path fill=\"#fff\" d=\"M0 0h37v37H0z\"/><path fill=\"#000\" d=\"{dots}\"/></svg>"
    )
}

fn enrolment(lang: Language, word: &str) -> Vec<Sample> {
    let link = EnrolLink {
        frame: frame(lang, word),
        app_name: Some(word.to_owned()),
        signin: handle(),
        masked_email: Some("a•••@example.com".to_owned()),
        sent: false,
        reasons: reasons(lang, ["second-factor.required"]),
    };
    let totp = EnrolTotp {
        frame: frame(lang, word),
        app_name: Some(word.to_owned()),
        signin: handle(),
        qr_svg: qr(),
        secret_text: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP".to_owned(),
        error: None,
    };
    let password = SetPassword { frame: frame(lang, word), signin: handle(), username: word.to_owned(), error: None };
    let mut samples = vec![
        sample("enrol-link", &link),
        sample("enrol-link-sent", &EnrolLink { sent: true, ..link.clone() }),
        sample("enrol-link-portal", &EnrolLink { app_name: None, masked_email: None, ..link }),
        sample("enrol-totp", &totp),
        sample("enrol-totp-error", &EnrolTotp { error: Some(FormError::CodeMalformed), ..totp }),
        sample("enrol-done", &EnrolDone { frame: frame(lang, word), continue_url: "/launch/aws".to_owned() }),
        sample("set-password", &password),
        sample("set-password-error", &SetPassword { error: Some(FormError::PasswordCommon), ..password }),
    ];
    samples.extend(LinkKind::ALL.into_iter().map(|kind| {
        let page = Link { frame: frame(lang, word), token: word.to_owned(), kind, display: word.to_owned() };
        sample(&format!("link-{}", kind.code()), &page)
    }));
    samples
}

fn tile(id: &str, name: &str, icon: Option<&str>, note: Option<TileNote>) -> Tile {
    Tile {
        id: id.to_owned(),
        name: name.to_owned(),
        icon: icon.and_then(super::assets::app_icon_url),
        launch_url: format!("/launch/{id}"),
        note,
        roles: Vec::new(),
    }
}

fn tiles(word: &str) -> Vec<Tile> {
    let role =
        |name: &str, note| RoleTile { name: name.to_owned(), launch_url: format!("/launch/aws?role={name}"), note };
    let aws = tile("aws", "AWS Production", Some("cloud"), Some(TileNote::ExtraStep));
    vec![
        Tile {
            roles: vec![role("Developer", None), role("ReadOnly", None), role("Admin", Some(TileNote::ExtraStep))],
            ..aws
        },
        tile("wiki", "Wiki", Some("book"), None),
        tile("chat", "Team Chat", Some("chat"), None),
        tile("payroll", "Payroll", Some("people"), Some(TileNote::NotAvailable)),
        tile("git", "Source Code", Some("code"), Some(TileNote::ExtraStep)),
        tile("reports", "Quarterly Reports and Planning", Some("chart"), None),
        tile("support", "Support Desk", Some("ticket"), None),
        tile("other", word, None, None),
    ]
}

fn endings(lang: Language, word: &str) -> Vec<Sample> {
    let back = Back {
        app_name: word.to_owned(),
        acs: "https://signin.aws.amazon.com/saml".to_owned(),
        saml_response: "PHNhbWwycDpSZXNwb25zZT4=".to_owned(),
        relay_state: Some(word.to_owned()),
    };
    let blocked = Blocked {
        frame: frame(lang, word),
        app_name: Some(word.to_owned()),
        message: reasons(lang, ["network.not-allowed"]).concat(),
        reference: "K7QF-2M9X-4TRB".to_owned(),
        when: "2026-11-21 22:15".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        back: Some(back),
        devices: None,
        start_again_url: "/signin".to_owned(),
    };
    let portal = Portal {
        frame: frame(lang, word),
        display_name: "Ann Brown".to_owned(),
        username: word.to_owned(),
        apps: tiles(word),
        query: None,
    };
    vec![
        sample("blocked", &blocked),
        sample("blocked-at-limit", &Blocked { devices: Some(handle()), ..blocked.clone() }),
        sample("blocked-portal", &Blocked { app_name: None, back: None, ..blocked }),
        sample("signed-out", &SignedOut { frame: frame(lang, word) }),
        sample(
            "post",
            &Post {
                frame: frame(lang, word),
                app_name: word.to_owned(),
                acs: "https://signin.aws.amazon.com/saml".to_owned(),
                saml_response: "PHNhbWwycDpSZXNwb25zZT4=".to_owned(),
                relay_state: Some(word.to_owned()),
            },
        ),
        sample(
            "logout-post",
            &LogoutPost {
                frame: frame(lang, word),
                app_name: word.to_owned(),
                action: "https://wiki.example.com/slo".to_owned(),
                field: "SAMLRequest",
                value: "PHNhbWwycDpSZXNwb25zZT4=".to_owned(),
                relay_state: Some(word.to_owned()),
            },
        ),
        sample(
            "launch-confirm",
            &LaunchConfirm {
                frame: frame(lang, word),
                app_name: word.to_owned(),
                action: "/launch/aws".to_owned(),
                fields: vec![HiddenField { name: "relay_state", value: word.to_owned() }],
            },
        ),
        sample("portal", &portal),
        sample(
            "portal-search",
            &Portal { query: Some(word.to_owned()), apps: tiles(word).split_off(6), ..portal.clone() },
        ),
        sample("portal-no-match", &Portal { query: Some(word.to_owned()), apps: Vec::new(), ..portal.clone() }),
        sample("portal-none", &Portal { apps: Vec::new(), ..portal }),
    ]
}

fn signing_out(lang: Language, word: &str) -> Vec<Sample> {
    let frame = frame(lang, word);
    let until = "2026-11-21T17:45:00Z".parse().ok();
    let states = [
        AppState::SignedOut,
        AppState::Failed,
        AppState::Unconfirmed,
        AppState::Unreached,
        AppState::Stays(until),
        AppState::Stays(None),
        AppState::Asked,
        AppState::Waiting,
    ];
    let row = |state: AppState| AppRow::of(&frame, &AppLine { name: word.to_owned(), state }, Some("Europe/Berlin"));
    let page = |name: &str, rows: &[AppState], next: NextStop| {
        let rows = rows.iter().cloned().map(row).collect();
        sample(name, &SigningOut { frame: frame.clone(), rows, next })
    };
    vec![
        page("signing-out", &states[6..], NextStop::Ask(word.to_owned())),
        page("signing-out-again", &states, NextStop::AskAgain(word.to_owned())),
        page("signing-out-answer", &states[..2], NextStop::Answer(word.to_owned())),
        page("signing-out-done", &states[..6], NextStop::Nowhere),
        page("signing-out-everywhere", &states[..1], NextStop::Nowhere),
    ]
}

fn devices(lang: Language, word: &str) -> Vec<Sample> {
    let card = |name: &str, is_current, remembered: &[&str]| DeviceCard {
        id: "01a20076-0db4-7232-b0f6-c1e3ab6477bb".to_owned(),
        name: name.to_owned(),
        is_current,
        place: Some(word.to_owned()),
        last_used: Some("2026-11-21 22:15 CET".to_owned()),
        first_used: Some("2026-08-03 09:02 CEST".to_owned()),
        remembered: remembered.iter().map(|sentence| (*sentence).to_owned()).collect(),
    };
    let nameless = DeviceCard { place: None, last_used: None, first_used: None, ..card(word, false, &[]) };
    let cards = vec![card("Firefox on Linux", true, &[word]), card("Safari on iPhone", false, &[]), nameless];
    let choose = ChooseDevice {
        frame: frame(lang, word),
        app_name: Some(word.to_owned()),
        signin: handle(),
        devices: cards.clone(),
    };
    let account = Devices {
        frame: frame(lang, word),
        username: word.to_owned(),
        devices: cards,
        may_remove: true,
        extra_step: false,
        reasons: Vec::new(),
        done: None,
    };
    let kept = reasons(lang, ["device.kept"]);
    let mut samples = vec![
        sample("choose-device", &choose),
        sample("choose-device-none", &ChooseDevice { devices: Vec::new(), ..choose }),
        sample("devices", &account),
        sample("devices-extra-step", &Devices { extra_step: true, ..account.clone() }),
        sample("devices-kept", &Devices { may_remove: false, reasons: kept, ..account.clone() }),
        sample("devices-none", &Devices { devices: Vec::new(), ..account.clone() }),
    ];
    samples.extend(
        Done::ALL
            .into_iter()
            .map(|done| sample(&format!("devices-{}", done.code()), &Devices { done: Some(done), ..account.clone() })),
    );
    samples
}

fn guide(lang: Language, word: &str) -> Guide {
    let step = |title: &str, text: &str, url: &str| GuideStep {
        title: title.to_owned(),
        text: text.to_owned(),
        url: url.to_owned(),
        label: word.to_owned(),
    };
    let account = |name: &str, text: &str, code: Option<&str>| Account {
        username: name.to_owned(),
        password: "willow-anchor-lantern-42".to_owned(),
        text: text.to_owned(),
        code: code.map(|digits| Code { digits: digits.to_owned(), seconds_left: 17 }),
    };
    Guide {
        frame: frame(lang, word),
        accounts: vec![
            account("ann", "Works in the office and may open the wiki and AWS.", Some("492 039")),
            account("carl", "A contractor: Monday to Friday, one device.", None),
            account(word, word, None),
        ],
        steps: vec![
            step("Allowed", "Sign in as ann and open the wiki: a password is enough from the office.", "/launch/wiki"),
            step("Challenged", "Open AWS: it asks for a second factor. Take ann’s code from this page.", "/launch/aws"),
            step("Blocked", "Pretend to be in a blocked country, then open anything.", "/demo/pretend"),
        ],
        pretended: Some(Pretended { address: "203.0.113.7".to_owned(), country: word.to_owned(), hour: Some(9) }),
    }
}

fn received(word: &str) -> Received {
    let attribute =
        |name: &str, value: &str| ReceivedAttribute { name: name.to_owned(), values: vec![value.to_owned()] };
    let role = "arn:aws:iam::123456789012:role/Dev,arn:aws:iam::123456789012:saml-provider/cedargate";
    Received {
        issuer: "http://127.0.0.1:8080/saml/metadata".to_owned(),
        subject: word.to_owned(),
        subject_format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned(),
        audience: "urn:amazon:webservices".to_owned(),
        valid_until: "2026-11-21 22:20:00 UTC".to_owned(),
        authn_context: "urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken".to_owned(),
        in_response_to: None,
        relay_state: Some("https://console.aws.amazon.com".to_owned()),
        attributes: vec![
            attribute("https://aws.amazon.com/SAML/Attributes/Role", role),
            attribute("https://aws.amazon.com/SAML/Attributes/RoleSessionName", "ann@example.com"),
            attribute("https://aws.amazon.com/SAML/Attributes/SessionDuration", "3600"),
        ],
        roles: vec!["arn:aws:iam::123456789012:role/Dev".to_owned()],
        session_duration: Some("3600".to_owned()),
        checks: vec![
            "The signature is good and covers the assertion.".to_owned(),
            "The audience is this service.".to_owned(),
            "It is within its time.".to_owned(),
        ],
    }
}

fn demo(lang: Language, word: &str) -> Vec<Sample> {
    let mail = Mail {
        to: "ann@example.com".to_owned(),
        subject: word.to_owned(),
        at: "2026-11-21 22:15".to_owned(),
        text: format!("Hello {word},\n\nopen this link:\nhttp://127.0.0.1:8080/link/abc\n"),
        links: vec!["http://127.0.0.1:8080/link/abc".to_owned(), "javascript:alert(1)".to_owned()],
    };
    let choice = |value: &str, selected| Choice { value: value.to_owned(), label: word.to_owned(), selected };
    let pretend = Pretend {
        frame: frame(lang, word),
        address: "203.0.113.7".to_owned(),
        addresses: vec![choice("203.0.113.7", true)],
        countries: vec![choice("DE", true), choice("KP", false)],
        hours: vec![choice("", true), choice("9", false)],
        saved: true,
        error: None,
    };
    let provider = |outcome| ServiceProvider {
        frame: frame(lang, word),
        outcome,
        xml: Some(format!("<saml2p:Response>\n  <saml2:Issuer>{word}</saml2:Issuer>\n</saml2p:Response>")),
        guide_url: "/demo".to_owned(),
    };
    vec![
        sample("demo-guide", &guide(lang, word)),
        sample("demo-mails", &Mails { frame: frame(lang, word), mails: vec![mail] }),
        sample("demo-mails-none", &Mails { frame: frame(lang, word), mails: Vec::new() }),
        sample("demo-pretend", &pretend),
        sample("demo-pretend-error", &Pretend { saved: false, error: Some(word.to_owned()), ..pretend }),
        sample(
            "demo-provider-start",
            &ServiceProviderStart {
                frame: frame(lang, word),
                signin_url: "/sp/signin".to_owned(),
                guide_url: "/demo".to_owned(),
            },
        ),
        sample("demo-provider", &provider(Outcome::Verified(Box::new(received(word))))),
        sample("demo-provider-refused", &provider(Outcome::Refused(word.to_owned()))),
        sample("demo-provider-denied", &provider(Outcome::Denied(word.to_owned()))),
    ]
}
