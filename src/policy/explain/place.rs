//! Where a policy is written.

use std::fmt;

use serde::Serialize;

use super::{Explanation, Outcome};
use crate::policy::bundle::{Bundle, PolicySources};

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// How messages name the file.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Explanation {
    /// Finds each policy that this is about in the files that `bundle` was read from.
    pub fn locate(&mut self, bundle: &Bundle, sources: &PolicySources) {
        for policy in self.policies.iter_mut().filter(|policy| policy.outcome != Outcome::OtherScope) {
            // No two policies have one text: their ids stand in it.
            policy.place = bundle.policy_text(&policy.id).and_then(|text| {
                sources.policies.iter().find_map(|file| {
                    let before = file.text.get(..file.text.find(text)?)?;
                    let line = before.matches('\n').count() + 1 + policy.lines_down;
                    Some(Place { file: file.path.clone(), line })
                })
            });
        }
    }
}
