//! Conversation with the solver: a process that whoever asks has started. Nothing else is read or written here.

use std::io;
use std::time::Duration;

use cedar_policy::{Authorizer, Decision, Entities, PolicySet, Request, RequestEnv, Schema};
use cedar_policy_symcc::err::Error;
use cedar_policy_symcc::solver::{Decision as Answer, DecisionWithModel, Solver, SolverError};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet, Env};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The two ends of a solver that reads SMT-LIB.
pub struct Pipes {
    /// What it reads.
    pub input: Box<dyn AsyncWrite + Unpin + Send>,
    /// What it says.
    pub output: Box<dyn AsyncBufRead + Unpin + Send>,
}

/// Starts solvers, with whatever limit a single question has.
pub trait Solvers: Send + Sync {
    /// One more of them.
    ///
    /// # Errors
    /// It cannot be started.
    fn start(&self) -> io::Result<Pipes>;
}

impl Pipes {
    async fn line(&mut self, all: &mut String) -> Result<String, SolverError> {
        let from = all.len();
        if self.output.read_line(all).await? == 0 {
            return Err(SolverError::Solver("the solver ended before it answered".to_owned()));
        }
        Ok(all.get(from..).unwrap_or_default().trim().to_owned())
    }

    async fn say(&mut self, words: &[u8]) -> Result<(), SolverError> {
        self.input.write_all(words).await?;
        Ok(self.input.flush().await?)
    }
}

impl Solver for Pipes {
    fn smtlib_input(&mut self) -> &mut (dyn AsyncWrite + Unpin + Send) {
        &mut *self.input
    }

    async fn enable_models(&mut self) -> Result<(), SolverError> {
        self.say(b"(set-option :produce-models true)\n").await
    }

    async fn check_sat(&mut self) -> Result<Answer, SolverError> {
        self.say(b"(check-sat)\n").await?;
        match self.line(&mut String::new()).await?.as_str() {
            "sat" => Ok(Answer::Sat),
            "unsat" => Ok(Answer::Unsat),
            "unknown" => Ok(Answer::Unknown),
            other => Err(SolverError::UnrecognizedSolverOutput(other.to_owned())),
        }
    }

    async fn check_sat_with_model(&mut self) -> Result<DecisionWithModel, SolverError> {
        match self.check_sat().await? {
            Answer::Unsat => Ok(DecisionWithModel::Unsat),
            Answer::Unknown => Ok(DecisionWithModel::Unknown),
            Answer::Sat => {
                self.say(b"(get-model)\n").await?;
                let mut model = String::new();
                match self.line(&mut model).await?.as_str() {
                    "(" => {
                        while self.line(&mut model).await? != ")" {}
                        Ok(DecisionWithModel::Sat { model })
                    }
                    other => Err(SolverError::UnrecognizedSolverOutput(other.to_owned())),
                }
            }
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Something that both sets allow.
    AllowedByBoth,
    /// Something that the first allows and the second does not.
    AllowedByFirstAlone,
}

/// One question: is there anything like this?
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) schema: &'a Schema,
    pub(super) asked: &'a RequestEnv,
    pub(super) first: PolicySet,
    pub(super) second: PolicySet,
    pub(super) wanted: Wanted,
}

impl Query<'_> {
    /// Whether this is what is looked for, by Cedar's evaluator.
    pub(super) fn is_met_by(&self, request: &Request, entities: &Entities) -> bool {
        let allows =
            |set: &PolicySet| Authorizer::new().is_authorized(request, set, entities).decision() == Decision::Allow;
        allows(&self.first) && allows(&self.second) == (self.wanted == Wanted::AllowedByBoth)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stuck {
    /// Within the limit it could not be told.
    #[error("the solver found no answer in time")]
    Unknown,
    /// Something does not work.
    #[error("{0}")]
    Failed(String),
}

/// One solver, started when it is needed, and again when it broke.
pub struct Reasoner<'a> {
    solvers: &'a dyn Solvers,
    /// A solver that holds to its own limit answers long before.
    patience: Duration,
    running: Option<CedarSymCompiler<Pipes>>,
    questions: u32,
}

impl<'a> Reasoner<'a> {
    /// `limit` is the one that the solvers were told.
    pub fn new(solvers: &'a dyn Solvers, limit: Duration) -> Self {
        Self { solvers, patience: limit.saturating_mul(2) + Duration::from_secs(5), running: None, questions: 0 }
    }

    /// How often the solver was asked.
    #[must_use]
    pub fn questions(&self) -> u32 {
        self.questions
    }

    pub(super) async fn find(&mut self, query: &Query<'_>) -> Result<Option<Env>, Stuck> {
        self.questions += 1;
        let failed = |error: Error| Stuck::Failed(in_full(&error));
        let compile = |set: &PolicySet| CompiledPolicySet::compile(set, query.asked, query.schema).map_err(failed);
        let (first, second) = (compile(&query.first)?, compile(&query.second)?);
        let mut running = match self.running.take() {
            Some(running) => running,
            None => {
                let pipes = self.solvers.start().map_err(|error| Stuck::Failed(error.to_string()))?;
                CedarSymCompiler::new(pipes).map_err(failed)?
            }
        };
        let answer = tokio::time::timeout(self.patience, async {
            match query.wanted {
                Wanted::AllowedByBoth => running.check_disjoint_with_counterexample_opt(&first, &second).await,
                Wanted::AllowedByFirstAlone => running.check_implies_with_counterexample_opt(&first, &second).await,
            }
        })
        .await;
        match answer {
            Ok(Ok(found)) => {
                self.running = Some(running);
                Ok(found)
            }
            // A solver that ran into its limit may be in any state: the next question gets a new one.
            Ok(Err(Error::SolverUnknown)) | Err(_) => Err(Stuck::Unknown),
            Ok(Err(error)) => Err(failed(error)),
        }
    }
}

/// With what caused it, as far as that is not said yet.
fn in_full(error: &Error) -> String {
    let mut text = error.to_string();
    if let Error::PolicyNotWellTyped { errs } = error {
        let errs: Vec<String> = errs.iter().map(ToString::to_string).collect();
        return format!("{text}: {}", errs.join("; "));
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
