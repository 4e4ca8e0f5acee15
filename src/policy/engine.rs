//! One question, one answer.

use super::bundle::Bundle;
use super::question::Question;
use crate::domain::{App, EnforcedPolicy, PolicyId, RoleName, SignalSet, Step};

/// What the policies in force say about one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the step may be taken. Never true when a policy failed.
    pub allowed: bool,
    /// The forbids that apply; when none does, the permits that apply.
    pub determining: Vec<EnforcedPolicy>,
    /// The policies that could not be evaluated. Cedar skips them, so anything but a refusal could let somebody in.
    pub errors: Vec<PolicyId>,
}

impl Bundle {
    /// Whether anybody may see the sign-in page from here: asked before anything is known of a person.
    #[must_use]
    pub fn visit(&self, app: &App, signals: &SignalSet) -> Verdict {
        let _ = (app, signals);
        unimplemented!()
    }

    /// Asks for one step; `role` is read for [`Step::AssumeRole`] alone.
    #[must_use]
    pub fn evaluate(&self, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Verdict {
        let _ = (step, role, q);
        unimplemented!()
    }

    /// The policies under trial (`@mode("report")`) that would have applied. Nothing may act on them.
    #[must_use]
    pub fn shadow(&self, step: Step, role: Option<&RoleName>, q: &Question<'_>) -> Vec<EnforcedPolicy> {
        let _ = (step, role, q);
        unimplemented!()
    }
}
