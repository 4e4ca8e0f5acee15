//! The pages of `docs/apps`, in Markdown.

use std::fmt::Write as _;

use super::{Catalogue, CatalogueError, Entry, KnownError, Site};
use crate::domain::AppId;

/// The addresses of the pages.
fn example_site() -> Site {
    Site { base: "https://login.example.com".to_owned(), certificate: "var/keys/current.crt.pem".to_owned() }
}

/// `docs/apps/README.md`: a line for each app.
#[must_use]
pub fn index(catalogue: &Catalogue) -> String {
    let mut page = String::from(
        "# Apps of the catalogue\n\n\
         `cedargate app add NAME` prints the block for config.toml and what to click on the other side, with the addresses of\n\
         your own server filled in; with `--write` it adds the block. Any other app that speaks SAML 2.0 is connected by entity\n\
         id and address: [SAML](../saml.md#connecting-an-app).\n\n\
         These pages are made from the catalogue's data (`cedargate app show --into docs/apps`). Each fact names where it was\n\
         read; what was found nowhere is marked “from memory”: compare it with what the app shows you.\n\n\
         | app | name | |\n|---|---|---|\n",
    );
    for entry in catalogue.entries() {
        let (name, title, summary) = (&entry.name, &entry.title, &entry.summary);
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| [{title}]({name}.md) | `{name}` | {summary} |");
    }
    page.push_str(
        "\nAn app shows an error that you do not understand? `cedargate app explain-error \"TEXT\"` knows those on these pages.\n",
    );
    page
}

impl Entry {
    /// `docs/apps/NAME.md`.
    ///
    /// # Errors
    /// The data file asks for a value nobody gives; the tests rule that out.
    pub fn page(&self, catalogue: &Catalogue) -> Result<String, CatalogueError> {
        let not_one = || CatalogueError::NotOneApp(self.name.clone());
        let id = AppId::parse(&self.name).map_err(|_| not_one())?;
        let answers = self.answer(id, &self.examples(), &example_site()).map_err(|_| not_one())?;
        let mut page = format!("# {}\n\n{}\n", self.title, self.summary);
        if !self.placeholders.is_empty() {
            page.push_str("\n## What cedargate must be told\n\n| `--set` | | example |\n|---|---|---|\n");
            for placeholder in &self.placeholders {
                let _ = writeln!(page, "| `{}` | {} | `{}` |", placeholder.name, placeholder.what, placeholder.example);
            }
        }
        page.push_str("\n## In config.toml\n\n```sh\n");
        let _ = write!(page, "cedargate app add {}", self.name);
        for (name, example) in self.examples() {
            let _ = write!(page, " --set {name}={}", for_a_shell(&example));
        }
        let _ = writeln!(page, " --write\n```\n\nadds this block:\n\n```toml\n{}```\n", self.block(&answers)?);
        page.push_str(
            "Who may open it is decided by a policy: [Policies](../policies.md).\n\n## On the other side\n\n",
        );
        for (number, step) in self.steps(&answers)?.iter().enumerate() {
            let _ = writeln!(page, "{}. {step}", number + 1);
        }
        page.push_str("\n## What it asks for\n\n| | | read in |\n|---|---|---|\n");
        for fact in &self.facts {
            let _ = writeln!(page, "| {} | {} | {} |", fact.what, fact.says, source(fact.source.as_deref()));
        }
        if !self.notes.is_empty() {
            page.push_str("\n## Good to know\n\n");
            for note in &self.notes {
                let _ = writeln!(page, "- {note}");
            }
        }
        self.errors_section(catalogue, &mut page);
        Ok(page)
    }

    fn errors_section(&self, catalogue: &Catalogue, page: &mut String) {
        let other = self.same_errors_as.as_deref().and_then(|name| catalogue.entry(name));
        if self.errors.is_empty() && other.is_none() {
            return;
        }
        page.push_str("\n## Error texts\n\n");
        if let Some(other) = other {
            let _ = writeln!(page, "Those of [{}]({}.md#error-texts).", other.title, other.name);
        }
        if !self.errors.is_empty() {
            page.push_str("| it says | because | what to do | read in |\n|---|---|---|---|\n");
        }
        for KnownError { text, cause, cure, source: from } in &self.errors {
            let _ = writeln!(page, "| {text} | {cause} | {cure} | {} |", source(from.as_deref()));
        }
    }
}

/// A value as one word of a shell.
fn for_a_shell(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | ':' | '-');
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// A link to where something was read, named by its host.
fn source(address: Option<&str>) -> String {
    let Some(address) = address else { return "from memory".to_owned() };
    let url = url::Url::parse(address).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or(address);
    format!("[{}]({address})", host.trim_start_matches("www."))
}
