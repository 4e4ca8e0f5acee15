//! What the commands print: tables for people, JSON for programs.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::accounts::Authenticator;
use crate::accounts::import::{ImportError, Report, RowOutcome};
use crate::domain::{Country, GroupName, Language, User};

/// A user as JSON.
#[derive(Serialize)]
struct UserView<'a> {
    username: &'a str,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    phone: Option<&'a str>,
    groups: Vec<&'a str>,
    country: Option<&'a str>,
    time_zone: Option<&'a str>,
    language: Option<&'static str>,
    status: &'static str,
}

#[derive(Serialize)]
struct AuthenticatorView<'a> {
    id: String,
    method: &'static str,
    name: &'a str,
    added: String,
    last_used: Option<String>,
}

#[derive(Serialize)]
struct FullView<'a> {
    id: String,
    #[serde(flatten)]
    user: UserView<'a>,
    authenticators: Vec<AuthenticatorView<'a>>,
}

impl<'a> UserView<'a> {
    fn of(user: &'a User) -> Self {
        let country = user.home_country.as_str();
        Self {
            username: user.username.as_str(),
            email: user.email.as_str(),
            first_name: &user.first_name,
            last_name: &user.last_name,
            phone: user.phone.as_deref(),
            groups: user.groups.iter().map(GroupName::as_str).collect(),
            country: (country != Country::UNKNOWN).then_some(country),
            time_zone: user.time_zone.as_deref(),
            language: user.language.map(Language::tag),
            status: user.status.code(),
        }
    }
}

fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

/// Text that came from outside, without what could steer a terminal.
fn plain(text: impl Display) -> String {
    text.to_string().chars().map(|c| if c.is_control() { '�' } else { c }).collect()
}

pub(super) fn many(out: &mut impl Write, users: &[User], as_json: bool) -> io::Result<()> {
    if as_json {
        return json(out, &users.iter().map(UserView::of).collect::<Vec<_>>());
    }
    let mut rows = vec![["USERNAME", "EMAIL", "NAME", "STATUS", "GROUPS"].map(str::to_owned)];
    rows.extend(users.iter().map(|user| {
        let name = format!("{} {}", user.first_name, user.last_name);
        let groups: Vec<&str> = user.groups.iter().map(GroupName::as_str).collect();
        [plain(&user.username), plain(&user.email), plain(name.trim()), user.status.code().to_owned(), groups.join(";")]
    }));
    table(out, &rows)
}

/// Prints rows with columns as wide as their widest cell; the last one is ragged.
fn table<const N: usize>(out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

pub(super) fn one(
    out: &mut impl Write,
    user: &User,
    authenticators: &[Authenticator],
    as_json: bool,
) -> io::Result<()> {
    let authenticators: Vec<AuthenticatorView<'_>> = authenticators
        .iter()
        .map(|authenticator| AuthenticatorView {
            id: authenticator.id.to_string(),
            method: authenticator.method.code(),
            name: &authenticator.name,
            added: authenticator.added.to_string(),
            last_used: authenticator.last_used.map(|at| at.to_string()),
        })
        .collect();
    let view = UserView::of(user);
    if as_json {
        return json(out, &FullView { id: user.id.to_string(), user: view, authenticators });
    }
    let mut rows = [
        ["username", view.username],
        ["email", view.email],
        ["first name", view.first_name],
        ["last name", view.last_name],
        ["phone", view.phone.unwrap_or("-")],
        ["country", view.country.unwrap_or("-")],
        ["time zone", view.time_zone.unwrap_or("-")],
        ["language", view.language.unwrap_or("-")],
        ["status", view.status],
    ]
    .map(|row| row.map(plain))
    .to_vec();
    rows.push(["groups".to_owned(), if view.groups.is_empty() { "-".to_owned() } else { view.groups.join(";") }]);
    for authenticator in &authenticators {
        let used = authenticator.last_used.as_deref().unwrap_or("never");
        let name = plain(authenticator.name);
        rows.push([authenticator.method.to_owned(), format!("{name}, added {}, used {used}", authenticator.added)]);
    }
    table(out, &rows)
}

pub(super) fn report(out: &mut impl Write, report: &Report, as_json: bool) -> io::Result<()> {
    if as_json {
        return json(out, report);
    }
    for row in &report.rows {
        let outcome = match row.outcome {
            RowOutcome::Created => "created",
            RowOutcome::WouldCreate => "would be created",
            RowOutcome::Held => "fine, held back",
            RowOutcome::Refused => "refused",
        };
        writeln!(out, "line {}: {}: {outcome}", row.line, plain(&row.username))?;
        for problem in &row.problems {
            writeln!(out, "    {}", plain(problem))?;
        }
    }
    let refused = report.rows.iter().filter(|row| row.outcome == RowOutcome::Refused).count();
    let all = report.rows.len();
    match (report.applied, refused) {
        (true, _) => writeln!(out, "{all} created"),
        (false, 0) => writeln!(out, "{all} would be created; nothing was changed"),
        (false, refused) => writeln!(out, "{refused} of {all} rows have problems; nobody was created"),
    }
}

/// A file that cannot be read at all.
pub(super) fn file_problem(out: &mut impl Write, file: &Path, error: &ImportError, as_json: bool) -> io::Result<()> {
    if as_json {
        return json(out, &serde_json::json!({ "applied": false, "error": error.to_string() }));
    }
    writeln!(out, "{}: {}", file.display(), plain(error))
}
