//! Questions as callers ask them: what is not answered is on record, and so is what is.

use datafusion::common::ScalarValue;

use super::Gateway;
use super::answer::Answer;
use super::error::AnswerError;
use super::publish::Published;
use super::question::{Caller, Question};
use super::snapshots::Pinned;
use crate::audit::{Asked, AuditError, DatasetRead, Denial, Entry, Failure, Opening, Who};
use crate::query::{Description, Statement};

impl Gateway {
    /// Plans the answer to a question. With `pinned` it reads those snapshots, or says that they are gone.
    ///
    /// # Errors
    /// [`AnswerError`] when the statement does not parse or plan, or a table is not to be had.
    pub async fn ask(
        &self,
        caller: &Caller,
        question: &Question,
        parameters: Vec<ScalarValue>,
        pinned: Option<&Pinned>,
    ) -> Result<Answer, AnswerError> {
        let statement = self.asked(caller, question).await?;
        match self.answer(caller, &statement, parameters, pinned).await {
            Ok(answer) => Ok(Answer { kind: question.kind(), ..answer }),
            Err(error) => {
                let asked = || self.audit.statement(question.kind(), &statement, []);
                Err(self.denied(caller, asked, error).await)
            }
        }
    }

    /// What a question would give and which parameters it takes.
    ///
    /// # Errors
    /// As [`Gateway::ask`].
    pub async fn describe(&self, caller: &Caller, question: &Question) -> Result<Description, AnswerError> {
        let statement = self.asked(caller, question).await?;
        match self.description(caller, &statement).await {
            Ok(description) => Ok(description),
            Err(error) => {
                let asked = || self.audit.statement(question.kind(), &statement, []);
                Err(self.denied(caller, asked, error).await)
            }
        }
    }

    async fn asked(&self, caller: &Caller, question: &Question) -> Result<Statement, AnswerError> {
        match self.statement(caller, question) {
            Ok(statement) => Ok(statement),
            Err(error) => {
                let asked = || match question {
                    Question::Sql(sql) => self.audit.text(question.kind(), sql),
                    Question::Product(product) => Asked::named(question.kind(), &product.address),
                };
                Err(self.denied(caller, asked, error).await)
            }
        }
    }

    /// Puts on record what was not answered; the error is the caller's all the same, for it gets nothing.
    pub(super) async fn denied(
        &self,
        caller: &Caller,
        asked: impl FnOnce() -> Asked,
        error: AnswerError,
    ) -> AnswerError {
        if !self.audit.is_on() {
            return error;
        }
        let failure = Failure::new(error.kind(), error.id());
        let denial = Denial::new(Who::new(&caller.principal, &caller.purpose), asked(), failure);
        match self.audit.deny(denial).await {
            Ok(()) => error,
            Err(AuditError::Unrecorded { id }) => AnswerError::Unrecorded { id },
        }
    }

    /// Puts on record that an answer begins.
    pub(super) async fn record(&self, answer: &Answer) -> Result<Entry, AnswerError> {
        let Answer { caller, statement, kind, parameters, held, published, .. } = answer;
        let opening = || {
            let grants = held.iter().map(|held| held.grant());
            let asked = self.audit.statement(kind, statement, grants).with_parameters(parameters.iter().cloned());
            opening(caller, published, asked, answer.reading.audited()).decided(answer.decision)
        };
        self.open_entry(opening).await
    }

    /// Puts on record that a caller looks behind decisions, which reads nothing.
    pub(super) async fn record_look(
        &self,
        caller: &Caller,
        asked: impl FnOnce() -> Asked,
    ) -> Result<Entry, AnswerError> {
        self.open_entry(|| opening(caller, &self.published.load(), asked(), Vec::new())).await
    }

    async fn open_entry(&self, opening: impl FnOnce() -> Opening) -> Result<Entry, AnswerError> {
        let opening = if self.audit.is_on() { self.audit.open(opening()).await } else { Ok(Entry::unrecorded()) };
        opening.map_err(|AuditError::Unrecorded { id }| AnswerError::Unrecorded { id })
    }
}

fn opening(caller: &Caller, published: &Published, asked: Asked, reads: Vec<DatasetRead>) -> Opening {
    let mesh = published.mesh();
    let who = Who::new(&caller.principal, &caller.purpose);
    Opening::new(who, asked, reads, mesh.policies().version(), mesh.version())
}
