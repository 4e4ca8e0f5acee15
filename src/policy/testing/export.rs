//! The cases as questions to Cedar alone, for its own command line (`cedar run-tests`): so that somebody else's program can say
//! whether ours reads the policies right.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::EntityUid;
use serde_json::{Value, json};

use super::{Row, Setting, Tables, outcome};
use crate::policy::bundle::{Bundle, PolicySources, Standing, Stored};
use crate::policy::coverage::{Asking, Question};
use crate::policy::request::Asked;

/// Files for `cedar run-tests`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Each file's name and content.
    pub files: Vec<(String, String)>,
    /// How many questions there are.
    pub questions: usize,
    /// The cases that cannot be asked, and are left out.
    pub left_out: usize,
}

/// A question cannot be written down.
#[derive(Debug, thiserror::Error)]
#[error("`{case}` can't be written as Cedar's JSON: {message}")]
pub struct ExportError {
    case: String,
    message: String,
}

/// The questions that one set of policies answers. It is not the same at all times: permits expire.
#[derive(Default)]
struct Group {
    policies: String,
    tests: Vec<Value>,
}

impl Export {
    /// Writes every question of every case down, with the answer of the engine.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn of(setting: &Setting<'_>, tables: &Tables, sources: &PolicySources) -> Result<Self, ExportError> {
        let mut groups: BTreeMap<BTreeSet<usize>, Group> = BTreeMap::new();
        let mut left_out = tables.problems.len();
        for row in &tables.rows {
            let Ok(outcome) = outcome::look(setting, row) else {
                left_out += 1;
                continue;
            };
            let bundle = setting.bundle_of(&row.case);
            for question in &outcome.questions {
                let Some(asked) = question.asked(bundle, &outcome.situation) else { continue };
                let group = groups.entry(counting(bundle, &asked)).or_default();
                group.tests.push(test(bundle, row, question, &asked)?);
            }
        }
        // Most questions first: that set gets the plain names.
        let bundle = setting.earlier.as_ref().unwrap_or(setting.bundle);
        let mut groups: Vec<Group> =
            groups.into_iter().map(|(places, group)| Group { policies: text(bundle, &places), ..group }).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.tests.len()));
        let questions = groups.iter().map(|group| group.tests.len()).sum();
        let mut files = vec![("schema.cedarschema".to_owned(), sources.schema.text.clone())];
        for (number, group) in groups.into_iter().enumerate() {
            let more = if number == 0 { String::new() } else { format!("-{}", number + 1) };
            files.push((format!("policies{more}.cedar"), group.policies));
            files.push((format!("tests{more}.json"), format!("{:#}\n", Value::Array(group.tests))));
        }
        Ok(Self { files, questions, left_out })
    }
}

/// The places of the policies that count at the time of a question.
fn counting(bundle: &Bundle, asked: &Asked) -> BTreeSet<usize> {
    let all = bundle.policies().iter().enumerate();
    let counting = all.filter(|(_, stored)| stored.standing != Standing::Shadow && !stored.is_expired(asked.now));
    counting.map(|(place, _)| place).collect()
}

fn text(bundle: &Bundle, places: &BTreeSet<usize>) -> String {
    let stored = places.iter().filter_map(|place| bundle.stored(*place));
    let texts: Vec<&str> = stored.map(Stored::text).collect();
    texts.join("\n\n") + "\n"
}

fn test(bundle: &Bundle, row: &Row, question: &Question, asked: &Asked) -> Result<Value, ExportError> {
    let name = row.case.name.get_ref();
    let failed = |message: String| ExportError { case: name.clone(), message };
    let (request, applied) = (&asked.request, &question.applied);
    let whole = |uid: Option<&EntityUid>| uid.map(ToString::to_string);
    let context = request.context().map(cedar_policy::Context::to_json_value).transpose();
    // Cedar alone skips a policy that fails; the engine refuses.
    let allows = applied.forbids.is_empty() && !applied.permits.is_empty();
    let deciding = if applied.forbids.is_empty() { &applied.permits } else { &applied.forbids };
    let reason: Vec<String> = bundle.enforced(deciding).iter().map(|policy| policy.id.to_string()).collect();
    let asking = match &question.asking {
        Asking::Role(role) => format!("{} {role}", question.asking.action()),
        Asking::Step(_) | Asking::Notify(_) => question.asking.action().to_owned(),
    };
    Ok(json!({
        "name": format!("{}:{}: {name} ({asking})", row.file, row.line),
        "request": {
            "principal": whole(request.principal()),
            "action": whole(request.action()),
            "resource": whole(request.resource()),
            "context": context.map_err(|error| failed(error.to_string()))?,
        },
        "entities": asked.entities.to_json_value().map_err(|error| failed(error.to_string()))?,
        "decision": if allows { "allow" } else { "deny" },
        "reason": reason,
        "num_errors": applied.errors.len(),
    }))
}
