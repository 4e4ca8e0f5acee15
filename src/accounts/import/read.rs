//! From bytes to checked rows. Everything that is wrong with a row is said at once.

use std::collections::BTreeSet;

use csv::{ReaderBuilder, StringRecord};

use super::{ImportError, Limits, Person, Row, Rules, Sheet, shown};
use crate::accounts::{NewUser, Password, PasswordContext, PasswordHash};
use crate::domain::{Country, EmailAddress, GroupName, Language, TotpSecret, UserStatus, Username};

/// The columns, in the order of the sample. All but the first two may be left out or empty.
pub const COLUMNS: [&str; 13] = [
    "username",
    "email",
    "first_name",
    "last_name",
    "phone",
    "groups",
    "country",
    "time_zone",
    "language",
    "status",
    "password",
    "password_hash",
    "totp_secret",
];
const REQUIRED: [&str; 2] = ["username", "email"];

/// A file to start from. Its groups are those of the shipped config.toml.
pub const SAMPLE: &str = include_str!("sample.csv");

/// The most characters of a first or last name.
const MAX_NAME: usize = 128;

/// Reads a file and checks each row by itself.
///
/// # Errors
/// The file as a whole cannot be read: its size, encoding, header or quoting.
pub fn read(bytes: &[u8], limits: Limits, rules: &Rules) -> Result<Sheet, ImportError> {
    if bytes.len() > limits.bytes {
        return Err(ImportError::TooLarge(limits.bytes));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| ImportError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let columns = columns(reader.headers().map_err(|error| malformed(&error))?)?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&error))?;
        if rows.len() == limits.rows {
            return Err(ImportError::TooManyRows(limits.rows));
        }
        let line = record.position().map_or(0, csv::Position::line);
        let fields = Fields { columns: &columns, record: &record };
        rows.push(Row { line, username: shown(fields.get("username")), outcome: person(&fields, rules) });
    }
    if rows.is_empty() { Err(ImportError::Empty) } else { Ok(Sheet { rows }) }
}

/// Which known column each position of the header is.
fn columns(header: &StringRecord) -> Result<Vec<&'static str>, ImportError> {
    if header.iter().all(|field| field.trim().is_empty()) {
        return Err(ImportError::Empty);
    }
    if header.len() == 1 && header.iter().any(|field| field.contains(';')) {
        return Err(ImportError::Semicolons);
    }
    let mut columns = Vec::new();
    for field in header {
        let name = field.trim().to_lowercase();
        let Some(known) = COLUMNS.into_iter().find(|column| *column == name) else {
            let hint = COLUMNS.into_iter().find(|column| strsim::damerau_levenshtein(column, &name) <= 2);
            return Err(ImportError::UnknownColumn { column: field.chars().take(40).collect(), hint });
        };
        if columns.contains(&known) {
            return Err(ImportError::DuplicateColumn(known));
        }
        columns.push(known);
    }
    match REQUIRED.into_iter().find(|required| !columns.contains(required)) {
        Some(missing) => Err(ImportError::MissingColumn(missing)),
        None => Ok(columns),
    }
}

fn malformed(error: &csv::Error) -> ImportError {
    let line = error.position().map_or(1, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the header has {expected_len}; put a text with a comma between quotes")
        }
        _ => "the line is no CSV".to_owned(),
    };
    ImportError::Malformed { line, message }
}

struct Fields<'a> {
    columns: &'a [&'static str],
    record: &'a StringRecord,
}

impl Fields<'_> {
    /// The field of a column, trimmed; empty when the column is not there. White space around a password is part of it.
    fn get(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|name| *name == column);
        let field = at.and_then(|at| self.record.get(at)).unwrap_or("");
        if column == "password" { field } else { field.trim() }
    }

    /// Reads a field if it is there, else gives `None`; a problem is noted under the column's name.
    fn read<T, E: ToString>(
        &self,
        column: &str,
        problems: &mut Vec<String>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.get(column);
        if text.is_empty() {
            return None;
        }
        read(text).map_err(|error| problems.push(format!("{column}: {}", error.to_string()))).ok()
    }
}

fn person(fields: &Fields<'_>, rules: &Rules) -> Result<Person, Vec<String>> {
    let mut problems = Vec::new();
    let p = &mut problems;
    let username = fields.read("username", p, Username::parse);
    let email = fields.read("email", p, EmailAddress::parse);
    for required in REQUIRED {
        if fields.get(required).is_empty() {
            p.push(format!("{required}: is missing"));
        }
    }
    let first_name = fields.read("first_name", p, name).unwrap_or_default();
    let last_name = fields.read("last_name", p, name).unwrap_or_default();
    let phone = fields.read("phone", p, phone);
    let groups = groups(fields.get("groups"), &rules.groups, p);
    let home_country = fields.read("country", p, country).unwrap_or_else(Country::unknown);
    let time_zone = fields.read("time_zone", p, time_zone);
    let language = fields.read("language", p, |tag| Language::parse(tag).ok_or("use `en` or `de`"));
    let status =
        fields.read("status", p, |code| UserStatus::parse(code).ok_or("use `active`, `pending` or `suspended`"));
    let hash = fields.read("password_hash", p, PasswordHash::parse);
    let totp = fields.read("totp_secret", p, TotpSecret::from_base32);
    let typed = fields.get("password");
    let password = (!typed.is_empty()).then(|| Password::new(typed.to_owned()));
    if password.is_some() && !fields.get("password_hash").is_empty() {
        p.push("password: give either password or password_hash, not both".to_owned());
    }
    let (Some(username), Some(email)) = (username, email) else { return Err(problems) };
    if let Some(password) = &password {
        let context = PasswordContext { username: &username, email: &email, organisation: &rules.organisation };
        if let Err(problem) = rules.passwords.check(password, context) {
            p.push(format!("password: {problem}"));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // Without a password there is nothing to sign in with yet: registration is still to come.
    let registered = password.is_some() || hash.is_some();
    let status = status.unwrap_or(if registered { UserStatus::Active } else { UserStatus::Pending });
    let user = NewUser {
        username,
        email,
        first_name,
        last_name,
        phone,
        groups,
        home_country,
        time_zone,
        language,
        status,
        password: hash,
    };
    Ok(Person { user, password, totp })
}

fn name(text: &str) -> Result<String, &'static str> {
    let good = text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control);
    if good { Ok(text.to_owned()) } else { Err("use at most 128 characters and no control characters") }
}

/// An international number (E.164) without the marks people put between the digits.
fn phone(text: &str) -> Result<String, &'static str> {
    let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    let good = number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    });
    if good { Ok(number) } else { Err("write it with the country code, as in `+49 170 1234567`") }
}

fn country(text: &str) -> Result<Country, String> {
    match Country::parse(text) {
        Ok(country) if ![Country::UNKNOWN, Country::PRIVATE].contains(&country.as_str()) => Ok(country),
        Ok(_) => Err(format!("`{text}` is no country; leave the field empty when it is not known")),
        Err(error) => Err(error.to_string()),
    }
}

fn time_zone(text: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(text) {
        Ok(zone) => Ok(zone.iana_name().unwrap_or(text).to_owned()),
        Err(_) => Err(format!("there is no time zone `{text}`; use a name such as `Europe/Berlin`")),
    }
}

fn groups(text: &str, known: &BTreeSet<GroupName>, problems: &mut Vec<String>) -> BTreeSet<GroupName> {
    let mut groups = BTreeSet::new();
    for name in text.split(';').map(str::trim).filter(|name| !name.is_empty()) {
        match GroupName::parse(name) {
            Ok(group) if known.contains(&group) => drop(groups.insert(group)),
            Ok(_) => problems.push(undeclared(name, known)),
            Err(error) => problems.push(format!("groups: {error}")),
        }
    }
    groups
}

fn undeclared(name: &str, known: &BTreeSet<GroupName>) -> String {
    let near = known
        .iter()
        .map(|group| (strsim::damerau_levenshtein(group.as_str(), name), group))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    match near {
        Some((_, group)) => format!("groups: `{name}` is not declared; did you mean `{group}`?"),
        None => format!("groups: `{name}` is not declared under [groups] in the configuration"),
    }
}
