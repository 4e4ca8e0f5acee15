//! What an app's assertion says of a person: attributes and names, from `[[apps]] attributes`, `name_id_field` and
//! `role_session_name`. Whatever is the same for everybody is checked when config loads; what depends on the person, for each
//! person.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{AppConfig, AttributeConfig, AttributeTable, NameConfig, Problem};
use crate::domain::{Attribute, NameFormat, Template, User, UserField};

/// The most attributes of an app.
const MAX_ATTRIBUTES: usize = 200;
/// The most constants, patterns or new names of one attribute.
const MAX_ENTRIES: usize = 500;
/// The most characters of one value.
const MAX_VALUE_CHARS: usize = 2048;

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Field(UserField),
    Constant(Vec<String>),
    Template(Template),
}

/// One attribute of an app, and how its values come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) name: String,
    format: NameFormat,
    friendly_name: Option<String>,
    source: Source,
    /// Of the source's values, those that one of these fits; all when empty.
    only: Vec<String>,
    rename: BTreeMap<String, String>,
}

/// What a person is called by: never two people alike, and nothing they write themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naming(Source);

impl Source {
    fn of(&self, user: &User) -> Vec<String> {
        match self {
            Self::Field(field) => field.of(user),
            Self::Constant(values) => values.clone(),
            Self::Template(template) => template.of(user).into_iter().collect(),
        }
    }

    fn fields(&self) -> Vec<UserField> {
        match self {
            Self::Field(field) => vec![*field],
            Self::Constant(_) => Vec::new(),
            Self::Template(template) => template.fields().collect(),
        }
    }
}

impl Mapping {
    /// Whether people write something in it themselves: then it may decide nothing at the app.
    pub(super) fn is_self_edited(&self) -> bool {
        self.source.fields().into_iter().any(UserField::is_self_edited)
    }

    /// Whether it tells one person from every other.
    pub(super) fn names_a_person(&self) -> bool {
        self.rename.is_empty() && is_naming(&self.source)
    }

    /// The attribute of one person; `None` when there is nothing to say.
    ///
    /// # Errors
    /// A value is longer than apps take, or holds what no assertion can carry.
    pub(super) fn of(&self, user: &User) -> Result<Option<Attribute>, String> {
        let mut seen = BTreeSet::new();
        let fits = |value: &String| self.only.is_empty() || self.only.iter().any(|pattern| is_match(pattern, value));
        let values: Vec<String> = self
            .source
            .of(user)
            .into_iter()
            .filter(fits)
            .map(|value| self.rename.get(&value).cloned().unwrap_or(value))
            // Two values of the same new name are one.
            .filter(|value| seen.insert(value.clone()))
            .collect();
        for value in &values {
            check_value(&format!("attribute `{}`", self.name), value)?;
        }
        let (name, friendly_name) = (self.name.clone(), self.friendly_name.clone());
        Ok((!values.is_empty()).then_some(Attribute { name, format: self.format, friendly_name, values }))
    }
}

impl Naming {
    /// The field itself.
    pub(super) fn field(field: UserField) -> Self {
        Self(Source::Field(field))
    }

    /// The name of one person.
    ///
    /// # Errors
    /// What it is made of is empty, or no assertion can carry it.
    pub(super) fn of(&self, what: &str, user: &User) -> Result<String, String> {
        let Some(name) = self.0.of(user).pop() else { return Err(format!("{what} would be empty")) };
        check_value(what, &name)?;
        Ok(name)
    }

    /// Whether every name is a mail address: not known before a template is filled in.
    pub(super) fn may_be_an_address(&self) -> bool {
        match &self.0 {
            Source::Field(field) => *field == UserField::Email,
            Source::Template(_) => true,
            Source::Constant(_) => false,
        }
    }
}

/// What XML cannot carry is refused with its place, before anything is written (`wire::Text` has the last word).
fn check_value(what: &str, value: &str) -> Result<(), String> {
    if let Some(c) = value.chars().find(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(format!("{what} holds the character U+{:04X}, which a SAML message cannot carry", u32::from(c)));
    }
    if value.chars().count() > MAX_VALUE_CHARS {
        return Err(format!("{what} has more than {MAX_VALUE_CHARS} characters"));
    }
    Ok(())
}

/// Exactly one field that names a person, so that no two people come out alike however the text around it is put.
fn is_naming(source: &Source) -> bool {
    matches!(source.fields().as_slice(), [field] if field.names_a_person())
}

/// Whether `value` is like `pattern`, in which `*` stands for any characters.
fn is_match(pattern: &str, value: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| value.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(end)
}

/// The attributes of an app, and every problem with them.
pub(super) fn attributes(config: &AppConfig, problems: &mut Vec<Problem>) -> Vec<Mapping> {
    if config.attributes.len() > MAX_ATTRIBUTES {
        problems.push(Problem::new(".attributes", format!("an app has at most {MAX_ATTRIBUTES} attributes")));
    }
    let mut mappings = Vec::with_capacity(config.attributes.len());
    for (name, attribute) in &config.attributes {
        let key = AppConfig::attribute_key(name);
        if name.is_empty() || name.len() > 512 || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            problems.push(Problem::new(&key, "an attribute's name has 1 to 512 characters and no spaces"));
        }
        let mut mapping = Mapping {
            name: name.clone(),
            format: NameFormat::of_name(name),
            friendly_name: None,
            source: Source::Constant(Vec::new()),
            only: Vec::new(),
            rename: BTreeMap::new(),
        };
        let source = match attribute {
            AttributeConfig::Field(field) => parse_field(&key, field, problems).map(Source::Field),
            AttributeConfig::Table(table) => {
                mapping.format = table.name_format.unwrap_or(mapping.format);
                mapping.friendly_name.clone_from(&table.friendly_name);
                mapping.only.clone_from(&table.only);
                mapping.rename.clone_from(&table.rename);
                check_choice(&key, table, problems);
                source_of(&key, table, problems)
            }
        };
        mappings.extend(source.map(|source| Mapping { source, ..mapping }));
    }
    mappings
}

fn source_of(key: &str, table: &AttributeTable, problems: &mut Vec<Problem>) -> Option<Source> {
    match (&table.field, table.value.as_slice(), &table.template) {
        (Some(field), [], None) => parse_field(&format!("{key}.field"), field, problems).map(Source::Field),
        (None, [], Some(template)) => {
            parse_template(&format!("{key}.template"), template, problems).map(Source::Template)
        }
        (None, [_, ..], None) => Some(Source::Constant(table.value.clone())),
        (None, [], None) => {
            let problem = Problem::new(key, "this attribute says nothing");
            problems.push(problem.with_help("give it `field`, `value` or `template`"));
            None
        }
        _ => {
            let problem = Problem::new(key, "this attribute says more than one thing");
            problems.push(problem.with_help("give it `field`, `value` or `template`, and no two of them"));
            None
        }
    }
}

/// `only` and `rename`: of fields alone, and nothing in them that could never apply.
fn check_choice(key: &str, table: &AttributeTable, problems: &mut Vec<Problem>) {
    for (part, length) in [("value", table.value.len()), ("only", table.only.len()), ("rename", table.rename.len())] {
        let key = format!("{key}.{part}");
        if length > MAX_ENTRIES {
            problems.push(Problem::new(&key, format!("`{part}` has at most {MAX_ENTRIES} entries")));
        }
        if length > 0 && part != "value" && table.field.is_none() {
            let problem = Problem::new(&key, format!("`{part}` has no effect without `field`"));
            problems.push(problem.with_help("leave it out, or take the values from a field"));
        }
    }
    let passes = |value: &str| table.only.is_empty() || table.only.iter().any(|pattern| is_match(pattern, value));
    for value in table.rename.keys().filter(|value| !passes(value)) {
        let problem = Problem::new(format!("{key}.rename"), format!("`{value}` is left out by `only`"));
        problems.push(problem.with_help("add it to `only`, or leave it out here"));
    }
}

fn parse_field(key: &str, name: &str, problems: &mut Vec<Problem>) -> Option<UserField> {
    let field = UserField::parse(name);
    if field.is_none() {
        problems.push(Problem::new(key, format!("there is no user field `{name}`")).with_help(UserField::help(name)));
    }
    field
}

fn parse_template(key: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Template> {
    Template::parse(text).map_err(|e| problems.push(Problem::new(key, e.problem).with_help(e.help))).ok()
}

/// A name of people, as the key `key` has it: nothing people edit themselves, nothing two people share.
pub(super) fn naming(key: &str, config: &NameConfig, problems: &mut Vec<Problem>) -> Option<Naming> {
    const HELP: &str = "use `username`, `email` or `id`";
    match config {
        NameConfig::Field(name) => {
            let field = parse_field(key, name, problems)?;
            if field.names_a_person() {
                return Some(Naming(Source::Field(field)));
            }
            let why = "people may edit it, it has several values, or several people share one";
            let message = format!("`{name}` cannot name a person: {why}");
            problems.push(Problem::new(key, message).with_help(HELP));
        }
        NameConfig::Template(template) => {
            let key = format!("{key}.template");
            let source = parse_template(&key, &template.template, problems).map(Source::Template)?;
            if is_naming(&source) {
                return Some(Naming(source));
            }
            let message = "a template that names a person has exactly one field, which nobody shares and nobody edits";
            problems.push(Problem::new(&key, message).with_help(HELP));
        }
    }
    None
}

#[cfg(test)]
mod tests;
