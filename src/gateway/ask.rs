//! Questions as callers ask them: what is not answered is on record, and so is what is.

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};

use super::Gateway;
use super::answer::{Answer, Described};
use super::error::AnswerError;
use super::publish::Published;
use super::question::{Caller, Question};
use super::snapshots::Pinned;
use crate::audit::{Asked, AuditError, DatasetRead, Denial, Entry, Failure, Opening, TokenNamed, Who};
use crate::authn::PersonalToken;
use crate::principal::{Principal, Purpose};
use crate::query::{Parameters, Statement};

/// What somebody does with a personal token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAct {
    /// Makes it.
    Make,
    /// Revokes it.
    Revoke,
}

impl TokenAct {
    /// What the audit calls it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Make => "token_made",
            Self::Revoke => "token_revoked",
        }
    }
}

impl Gateway {
    /// Plans the answer to a question, for each row of parameters. With `pinned` it reads those snapshots, or says that
    /// they are gone.
    ///
    /// # Errors
    /// [`AnswerError`] when the statement does not parse or plan, or a table is not to be had.
    pub async fn ask(
        &self,
        caller: &Caller,
        question: &Question,
        parameters: impl Into<Parameters>,
        pinned: Option<&Pinned>,
    ) -> Result<Answer, AnswerError> {
        let statement = self.asked(caller, question).await?;
        let answer = match self.chosen(question, pinned).await {
            Ok(chosen) => self.answer(caller, &statement, parameters, pinned, chosen.as_ref()).await,
            Err(error) => Err(error),
        };
        let asked = || self.audit.statement(question.kind(), &statement, []);
        self.given(caller, asked, answer.map(|answer| Answer { kind: question.kind(), ..answer })).await
    }

    /// What a question would give and which parameters it takes.
    ///
    /// # Errors
    /// As [`Gateway::ask`].
    pub async fn describe(&self, caller: &Caller, question: &Question) -> Result<Described, AnswerError> {
        let statement = self.asked(caller, question).await?;
        let description = self.description(caller, &statement).await;
        self.given(caller, || self.audit.statement(question.kind(), &statement, []), description).await
    }

    async fn asked(&self, caller: &Caller, question: &Question) -> Result<Statement, AnswerError> {
        let asked = || match question {
            Question::Sql(sql) => self.audit.text(question.kind(), sql),
            Question::Product(product) => Asked::named(question.kind(), &product.address),
        };
        self.given(caller, asked, self.statement(caller, question)).await
    }

    /// What a caller is given; what it is not given is on record.
    async fn given<T>(
        &self,
        caller: &Caller,
        asked: impl FnOnce() -> Asked,
        outcome: Result<T, AnswerError>,
    ) -> Result<T, AnswerError> {
        match outcome {
            Ok(given) => Ok(given),
            Err(error) => Err(self.denied(caller, asked, error).await),
        }
    }

    /// Puts on record what was not answered; the error is the caller's all the same, for it gets nothing.
    pub(super) async fn denied(
        &self,
        caller: &Caller,
        asked: impl FnOnce() -> Asked,
        error: AnswerError,
    ) -> AnswerError {
        let denial = || {
            let failure = Failure::new(error.kind(), error.id());
            Denial::new(Who::new(&caller.principal, &caller.purpose), asked(), failure)
        };
        match self.audit.deny(denial).await {
            Ok(()) => error,
            Err(AuditError::Unrecorded { id }) => AnswerError::Unrecorded { id },
        }
    }

    /// Puts on record that an answer begins, as the future runs.
    pub(super) fn record(&self, answer: &Answer) -> BoxFuture<'static, Result<Entry, AnswerError>> {
        let Answer { caller, statement, kind, parameters, held, published, .. } = answer;
        let opening = || {
            let grants = held.iter().map(|held| held.grant());
            let asked = self.audit.statement(kind, statement, grants).with_parameters(parameters.iter().cloned());
            opening(caller, published, asked, answer.reading.audited()).decided(answer.decision)
        };
        self.open_entry(opening)
    }

    /// Puts on record what a caller does that reads nothing, such as looking behind decisions.
    pub(super) async fn record_look(
        &self,
        caller: &Caller,
        asked: impl FnOnce() -> Asked,
    ) -> Result<Entry, AnswerError> {
        self.open_entry(|| opening(caller, &self.published.load(), asked(), Vec::new())).await
    }

    /// Puts on record that somebody makes or revokes a personal token of theirs, before it is done.
    ///
    /// # Errors
    /// [`AnswerError::Unrecorded`]: then it must not be done.
    pub async fn record_token(
        &self,
        principal: &Principal,
        act: TokenAct,
        token: &PersonalToken,
    ) -> Result<Entry, AnswerError> {
        let caller = Caller { principal: principal.clone(), purpose: Purpose::default() };
        let asked = || {
            let PersonalToken { id, label, expires, .. } = token;
            let named = TokenNamed { id: id.to_string(), label: label.clone(), expires: *expires };
            Asked::token(act.as_str(), named)
        };
        self.record_look(&caller, asked).await
    }

    fn open_entry(&self, opening: impl FnOnce() -> Opening) -> BoxFuture<'static, Result<Entry, AnswerError>> {
        let unrecorded = |AuditError::Unrecorded { id }| AnswerError::Unrecorded { id };
        self.audit.open(opening).map_err(unrecorded).boxed()
    }
}

fn opening(caller: &Caller, published: &Published, asked: Asked, reads: Vec<DatasetRead>) -> Opening {
    let mesh = published.mesh();
    let who = Who::new(&caller.principal, &caller.purpose);
    Opening::new(who, asked, reads, mesh.policies().version(), mesh.version())
}
