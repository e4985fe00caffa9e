//! The SMT solver cvc5, run beside this process and asked one question at a time.
//!
//! Whatever it does not say within the limit is unknown, and unknown is not proven: no answer is ever made up. A process
//! that hangs or dies is replaced for the next question.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use cedar_policy::{Policy, RequestEnv, Schema};
use cedar_policy_symcc::err::Error as SymccError;
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env};
use thiserror::Error;
use tokio::process::Command;
use tokio::runtime::Runtime;

use super::example::{Example, Trial};
use super::known::Asker;
use super::logic::decided;
use super::question::{Question, policy_set};

/// The variable that names the solver's program.
const VARIABLE: &str = "CVC5";

/// Why nothing can be proven.
#[derive(Debug, Error)]
pub enum ProofError {
    /// The solver is not installed.
    #[error(
        "proofs need the solver cvc5, and `{program}` cannot be run: {source}\n    hint: install it (`apt install cvc5`), or \
         name its program in the variable CVC5"
    )]
    NoSolver {
        /// What was tried.
        program: String,
        /// What became of it.
        source: std::io::Error,
    },
    /// The machine refuses what every process needs.
    #[error("the prover cannot start: {0}")]
    Start(std::io::Error),
    /// A mistake of the prover itself; it proves nothing then.
    #[error("the prover stopped: this is a bug")]
    Stopped,
}

/// What became of a question.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// It is so, for every principal, purpose, moment and row.
    Holds,
    /// It is not so; the example, if one could be read and was checked against Cedar.
    Fails(Option<Box<Example>>),
    /// Nobody knows: why.
    Unknown(String),
}

pub(super) struct Solver {
    runtime: Runtime,
    program: OsString,
    limit: Duration,
    running: Option<CedarSymCompiler<LocalSolver>>,
    answers: HashMap<(String, Asker, String, String), Answer>,
}

/// How much longer than its own limit the solver may take before it is stopped.
const GRACE: Duration = Duration::from_secs(2);

impl Solver {
    pub(super) fn start(limit: Duration) -> Result<Self, ProofError> {
        let program = std::env::var_os(VARIABLE).unwrap_or_else(|| "cvc5".into());
        let tried = std::process::Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if let Err(source) = tried {
            return Err(ProofError::NoSolver { program: program.to_string_lossy().into_owned(), source });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProofError::Start)?;
        Ok(Self { runtime, program, limit, running: None, answers: HashMap::new() })
    }

    /// Whether nothing has been put to the process.
    #[cfg(test)]
    pub(super) fn is_unasked(&self) -> bool {
        self.running.is_none() && self.answers.is_empty()
    }

    /// Whether the right condition holds wherever the left one does.
    pub(super) fn ask(&mut self, question: &Question<'_>) -> Answer {
        if decided(&question.left) == Some(false) || decided(&question.right) == Some(true) {
            return Answer::Holds;
        }
        let key = question.key();
        if let Some(answer) = self.answers.get(&key) {
            return answer.clone();
        }
        let answer = self.solve(question);
        self.answers.insert(key, answer.clone());
        answer
    }

    fn solve(&mut self, question: &Question<'_>) -> Answer {
        let compiled = (|| {
            let environment = question.environment().ok_or("a name is no name of Cedar")?;
            let (left, right) = (policy_set(&question.left), policy_set(&question.right));
            let (left, right) = (left.map_err(|e| e.to_string())?, right.map_err(|e| e.to_string())?);
            let schema = &question.ground.schema;
            let compile = |set| CompiledPolicySet::compile(set, &environment, schema).map_err(|e| words(&e));
            let compiled = (compile(&left)?, compile(&right)?);
            Ok::<_, String>((left, right, compiled))
        })();
        let (left, right, compiled) = match compiled {
            Ok(compiled) => compiled,
            Err(reason) => return Answer::Unknown(reason),
        };
        let outcome =
            self.run(async |solver| solver.check_implies_with_counterexample_opt(&compiled.0, &compiled.1).await);
        match outcome {
            Found::None => Answer::Holds,
            Found::Some(env) => {
                let trial = Trial::new(question, left, right);
                Answer::Fails(trial.example(&env).map(Box::new))
            }
            Found::Unreadable => Answer::Fails(None),
            Found::Unknown(reason) => Answer::Unknown(reason),
        }
    }

    /// Whether a policy can error in an environment.
    pub(super) fn never_errors(&mut self, policy: &Policy, environment: &RequestEnv, schema: &Schema) -> NeverErrors {
        let compiled = match CompiledPolicy::compile(policy, environment, schema) {
            Ok(compiled) => compiled,
            Err(error) => return NeverErrors::Unknown(words(&error)),
        };
        match self.run(async |solver| solver.check_never_errors_with_counterexample_opt(&compiled).await) {
            Found::None => NeverErrors::Proven,
            Found::Some(env) => NeverErrors::Errs(Some(env)),
            Found::Unreadable => NeverErrors::Errs(None),
            Found::Unknown(reason) => NeverErrors::Unknown(reason),
        }
    }

    fn run<F>(&mut self, check: F) -> Found
    where
        F: AsyncFnOnce(&mut CedarSymCompiler<LocalSolver>) -> Result<Option<Env>, SymccError>,
    {
        let Self { runtime, program, limit, running, .. } = self;
        let outcome = runtime.block_on(async {
            let solver = match running {
                Some(solver) => solver,
                None => running.insert(start(program, *limit)?),
            };
            match tokio::time::timeout(*limit + GRACE, check(solver)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(SymccError::SolverUnknown),
            }
        });
        let found = match outcome {
            Ok(found) => return found.map_or(Found::None, |env| Found::Some(Box::new(env))),
            Err(SymccError::DecodeModel(_) | SymccError::ConcretizeError(_) | SymccError::ModelInvalid { .. }) => {
                Found::Unreadable
            }
            Err(SymccError::SolverUnknown) => {
                Found::Unknown(format!("the solver found no answer within {} s", limit.as_secs_f32()))
            }
            Err(error) => Found::Unknown(words(&error)),
        };
        // What it was doing, it may still be doing.
        self.running = None;
        found
    }
}

/// What became of one run.
enum Found {
    None,
    Some(Box<Env>),
    Unreadable,
    Unknown(String),
}

/// Whether a policy can error.
pub(super) enum NeverErrors {
    Proven,
    Errs(Option<Box<Env>>),
    Unknown(String),
}

#[expect(clippy::result_large_err, reason = "the error of the crate's own calls, once a process")]
fn start(program: &OsString, limit: Duration) -> Result<CedarSymCompiler<LocalSolver>, SymccError> {
    let mut command = Command::new(program);
    command.args(["--lang", "smt", "--strings-exp"]).arg(format!("--tlimit-per={}", limit.as_millis()));
    CedarSymCompiler::new(LocalSolver::from_command(command.kill_on_drop(true))?)
}

/// An error in a line.
fn words(error: &SymccError) -> String {
    match error {
        SymccError::PolicyNotWellTyped { errs } => match errs.first() {
            Some(first) => {
                let message = first.to_string();
                let message = message.strip_prefix("for policy `condition`, ").unwrap_or(&message);
                format!("it does not fit both contracts: {}", message.lines().next().unwrap_or_default())
            }
            None => "it does not fit both contracts".to_owned(),
        },
        other => other.to_string().lines().next().unwrap_or_default().to_owned(),
    }
}

/// Runs a proof on a thread of its own: conditions are walked recursively, by Cedar too.
pub(super) fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, ProofError> {
    const STACK: usize = 256 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("prover".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        thread.map_err(ProofError::Start)?.join().map_err(|_| ProofError::Stopped)
    })
}
