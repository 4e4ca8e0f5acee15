//! Small texts with fields in them: `{username}@corp.example`.

use super::{User, UserField};

/// A template that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct TemplateError {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub help: String,
}

/// Text with fields of a person in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(UserField),
}

impl Template {
    /// The limit on what is written in config.
    pub const MAX_CHARS: usize = 512;

    /// Reads a template: fields stand in braces, and `{{` and `}}` are the braces themselves.
    ///
    /// # Errors
    /// It is empty, too long, has a lone brace or a control character, or names something that is no field of one value.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let refuse = |problem: String, help: &str| Err(TemplateError { problem, help: help.to_owned() });
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS || text.chars().any(char::is_control) {
            let problem = format!("a template has 1 to {} characters on one line", Self::MAX_CHARS);
            return refuse(problem, "write text and fields, as in `{username}@example.com`");
        }
        let (mut parts, mut literal, mut chars) = (Vec::new(), String::new(), text.chars().peekable());
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.next_if_eq(&c).is_some() => literal.push(c),
                '}' => return refuse("a `}` that closes nothing".to_owned(), "write `}}` for the brace itself"),
                '{' => {
                    let name: String = std::iter::from_fn(|| chars.next_if(|c| *c != '}' && *c != '{')).collect();
                    if chars.next() != Some('}') {
                        return refuse(
                            "a `{` that is not closed".to_owned(),
                            "write `{email}` for a field, `{{` for the brace itself",
                        );
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Field(field(&name)?));
                }
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The fields in it, in order.
    pub fn fields(&self) -> impl Iterator<Item = UserField> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(field) => Some(*field),
            Part::Text(_) => None,
        })
    }

    /// The text of one person; `None` when a field in it is empty.
    #[must_use]
    pub fn of(&self, user: &User) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(text.clone()),
                Part::Field(field) => field.of(user).pop(),
            })
            .collect()
    }
}

fn field(name: &str) -> Result<UserField, TemplateError> {
    match UserField::parse(name) {
        Some(field) if field.is_list() => Err(TemplateError {
            problem: format!("`{name}` has several values, and a template makes one"),
            help: format!("tell them as they are: `{{ field = \"{name}\" }}`"),
        }),
        Some(field) => Ok(field),
        None => Err(TemplateError { problem: format!("`{name}` is no field of a user"), help: UserField::help(name) }),
    }
}
