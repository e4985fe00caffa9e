//! What somebody would get, and which policies say so.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::report::{ColumnExplained, DatasetExplained, Explained, PolicyNamed, PrincipalShown, RowPolicy, Shown};
use super::{Supposed, Viewer, caller, word};
use crate::audit::Asked;
use crate::gateway::Gateway;
use crate::gateway::error::AnswerError;
use crate::gateway::publish::Published;
use crate::gateway::question::{ProductQuestion, Question};
use crate::policy::{ActionReasons, Author, ColumnReasons, Decision, Explanation, RowReasons};
use crate::principal::{Attribute, Principal, Purpose};
use crate::product::{Address, Dataset, Mask, Name, Product};
use crate::query::{PlanDetail, Statement};

/// What is to be explained.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainQuestion {
    /// Who is supposed to ask.
    pub supposed: Supposed,
    /// For which purpose.
    pub purpose: Purpose,
    /// As of when; none for now.
    pub at: Option<DateTime<Utc>>,
    /// What they ask for.
    pub subject: Subject,
}

/// What somebody is supposed to ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// A product or dataset, whole.
    Product(Address),
    /// A statement.
    Sql(String),
}

impl Subject {
    /// An address if the text is one, else SQL.
    pub fn parse(text: &str) -> Self {
        match Address::parse(text.trim()) {
            Ok(address) => Self::Product(address),
            Err(_) => Self::Sql(text.to_owned()),
        }
    }
}

/// What the audit calls it.
const EXPLAIN: &str = "explain";

type Named = (String, Arc<Product>, Arc<Dataset>);

impl Gateway {
    /// The decisions about everything a question names, the policies that made them, and the plan that would run.
    ///
    /// # Errors
    /// [`AnswerError::NotFound`] for what does not exist or the viewer may not look behind; what the statement and
    /// the principal say.
    pub async fn explain(&self, viewer: Viewer<'_>, question: &ExplainQuestion) -> Result<Explained, AnswerError> {
        let asked = || {
            let asked = match &question.subject {
                Subject::Product(address) => Asked::named(EXPLAIN, address),
                Subject::Sql(sql) => match Statement::parse(sql, &self.limits) {
                    Ok(statement) => self.audit.statement(EXPLAIN, &statement, []),
                    Err(_) => self.audit.text(EXPLAIN, sql),
                },
            };
            let Supposed { user, known, .. } = &question.supposed;
            asked.about(if *known { user.clone() } else { self.audit.digest(user) })
        };
        self.look(viewer, asked, self.explained(viewer, question)).await
    }

    async fn explained(&self, viewer: Viewer<'_>, question: &ExplainQuestion) -> Result<Explained, AnswerError> {
        let published = self.published.load_full();
        // First, so that whoever may not look behind anything learns nothing of anybody.
        let named = self.named(&published, viewer, &question.subject)?;
        let principal = published.supposed(&question.supposed).map_err(AnswerError::Supposed)?;
        let at = question.at.unwrap_or_else(Utc::now);
        let mut explained = Explained {
            principal: shown_principal(viewer, &question.supposed, &principal),
            purpose: question.purpose.as_str().to_owned(),
            at,
            policy_version: published.mesh().policies().version().to_owned(),
            datasets: Vec::new(),
            plan: None,
            no_plan: None,
        };
        for (asked, product, dataset) in named {
            let explanation =
                published.mesh().policies().explain(&principal, &question.purpose, &product, &dataset, at);
            let explanation = explanation.map_err(|detail| {
                let id = uuid::Uuid::now_v7();
                tracing::error!(error_id = %id, %detail, "a decision could not be explained");
                AnswerError::Unavailable { what: asked.clone(), id }
            })?;
            explained.datasets.push(published.described(viewer, asked, &product, &dataset, &explanation));
        }
        if question.at.is_some() {
            explained.no_plan = Some("a plan is made as of now: ask without a time".to_owned());
        } else if explained.datasets.iter().any(|dataset| dataset.decision != "permitted") {
            explained.no_plan = Some("nothing runs: not everything it names may be read".to_owned());
        } else {
            match self.plan_of(viewer, principal, question).await {
                Ok(plan) => explained.plan = Some(plan),
                Err(error) => explained.no_plan = Some(error.to_string()),
            }
        }
        Ok(explained)
    }

    /// The datasets a subject names, each under its name there, if the viewer may look behind all of them.
    fn named(&self, published: &Published, viewer: Viewer<'_>, subject: &Subject) -> Result<Vec<Named>, AnswerError> {
        match subject {
            Subject::Product(address) => {
                let named = address.to_string();
                if let found @ Some(_) = published.query(address) {
                    let template = published.inspected_query(viewer, found, &named)?;
                    let tables = template.tables().iter().filter_map(|table| {
                        let (product, dataset) = published.resolve_table(table)?;
                        Some((table.to_string(), product, dataset))
                    });
                    return Ok(tables.collect());
                }
                let (product, dataset) = published.inspected(viewer, published.mesh().resolve(address), &named)?;
                Ok(vec![(named, product, dataset)])
            }
            Subject::Sql(sql) => {
                let statement = Statement::parse_with(sql, &self.limits, &mut |name| {
                    published.inspected_query(viewer, published.called(name), &name.to_string())
                })?;
                if statement.tables().is_empty() && matches!(viewer, Viewer::Administrator(_)) {
                    return Err(AnswerError::NotFound("a statement without tables".to_owned()));
                }
                let tables = statement.tables().iter().map(|table| {
                    let named = table.to_string();
                    let (product, dataset) = published.inspected(viewer, published.resolve_table(table), &named)?;
                    Ok((named, product, dataset))
                });
                tables.collect()
            }
        }
    }

    async fn plan_of(
        &self,
        viewer: Viewer<'_>,
        principal: Principal,
        question: &ExplainQuestion,
    ) -> Result<String, AnswerError> {
        let caller = caller(principal, question.purpose.clone());
        let asked = match &question.subject {
            Subject::Product(address) => Question::Product(ProductQuestion::all(address.clone())),
            Subject::Sql(sql) => Question::Sql(sql.clone()),
        };
        let statement = self.statement(&caller, &asked)?;
        let answer = self.answer(&caller, &statement, Vec::new(), None, None).await?;
        Ok(answer.plan_text(match viewer {
            Viewer::Operator => PlanDetail::Operator,
            Viewer::Administrator(_) => PlanDetail::Administrator,
        }))
    }
}

fn shown_principal(viewer: Viewer<'_>, supposed: &Supposed, principal: &Principal) -> PrincipalShown {
    let told = matches!(viewer, Viewer::Operator);
    let attributes = principal.attributes.iter().map(|(name, value)| (name.clone(), attribute_text(value))).collect();
    PrincipalShown {
        user: supposed.user.clone(),
        groups: told.then(|| principal.groups.iter().cloned().collect()),
        attributes: told.then_some(attributes),
    }
}

/// An attribute as a policy would write it.
fn attribute_text(value: &Attribute) -> String {
    use crate::policy::Literal;
    match value {
        Attribute::Text(text) => Literal::Text(text.clone()).to_string(),
        Attribute::Number(number) => number.to_string(),
        Attribute::Flag(flag) => flag.to_string(),
        Attribute::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| Literal::Text(text.clone()).to_string()).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}

impl Published {
    fn described(
        &self,
        viewer: Viewer<'_>,
        asked: String,
        product: &Product,
        dataset: &Dataset,
        explanation: &Explanation,
    ) -> DatasetExplained {
        let Explanation { decision, reasons, valid_until, others } = explanation;
        let domain = &product.id.domain;
        let grant = match decision {
            Decision::Permit(grant) => Some(grant),
            _ => None,
        };
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        let note = |action: &ActionReasons| -> Vec<String> {
            action.permits.iter().chain(&action.forbids).chain(&action.withheld).cloned().collect()
        };
        let mut decided: BTreeSet<String> = note(&reasons.discover).into_iter().collect();
        if let Some(rows) = &reasons.rows {
            decided.extend(rows.ids().chain(&rows.withheld).cloned());
        }
        for column in &reasons.columns {
            for action in [&column.read, &column.raw, &column.masked] {
                decided.extend(note(action));
            }
            decided.extend(column.bounds.iter().map(|(id, _)| id.clone()));
        }
        ids.extend(decided.iter().map(String::as_str));
        let others = others.iter().map(String::as_str).filter(|id| !ids.contains(id));
        let others = self.places(viewer, domain, others);
        DatasetExplained {
            asked,
            product: address_of(product, dataset),
            decision: word(decision),
            why: why(explanation),
            valid_until: *valid_until,
            rows: grant.map(|grant| grant.rows().to_string()),
            row_policies: reasons.rows.iter().flat_map(row_policies).collect(),
            columns: columns(dataset, decision, &reasons.columns),
            policies: self.places(viewer, domain, ids.into_iter()),
            others,
        }
    }

    fn places<'a>(&self, viewer: Viewer<'_>, domain: &Name, ids: impl Iterator<Item = &'a str>) -> Vec<PolicyNamed> {
        let place = |id: &str| {
            let place = self.mesh().policies().place(domain, id)?;
            let effect = match (&place.author, place.permits) {
                (Author::Ceiling, _) => "ceiling",
                (_, true) => "permit",
                (_, false) => "forbid",
            };
            Some(PolicyNamed { id: id.to_owned(), effect, file: viewer.file(place), line: place.line })
        };
        ids.filter_map(place).collect()
    }
}

/// `sales.orders@1.0.0`, with the dataset where the product is called otherwise.
pub(super) fn address_of(product: &Product, dataset: &Dataset) -> String {
    let address = format!("{}@{}", product.id, product.version);
    if product.id.name == dataset.name { address } else { format!("{address}/{}", dataset.name) }
}

/// The one sentence about a decision.
fn why(explanation: &Explanation) -> String {
    let Explanation { decision, reasons, .. } = explanation;
    match (decision, &reasons.rows) {
        (Decision::Permit(grant), _) if grant.is_unrestricted() => "every row and column, raw".to_owned(),
        (Decision::Permit(_), _) => "permitted as far as the rows and columns below".to_owned(),
        (Decision::PurposeNeeded(purposes), _) => {
            let listed: Vec<String> = purposes.iter().map(|purpose| format!("`{}`", purpose.as_str())).collect();
            format!("the product asks for a purpose: {} would open it", listed.join(" or "))
        }
        (_, None) => denied("discover", &reasons.discover.forbids, &reasons.discover.withheld, reasons.discover.failed),
        (Decision::Hidden, Some(_)) => "the decision failed, which denies".to_owned(),
        (_, Some(rows)) if rows.failed || reasons.columns.is_empty() => {
            let forbids: Vec<String> = rows.forbids.iter().map(|(id, _)| id.clone()).collect();
            denied("query", &forbids, &rows.withheld, rows.failed)
        }
        (_, Some(_)) => "rows may be read, but no column of them".to_owned(),
    }
}

/// Why an action is denied.
fn denied(action: &str, forbids: &[String], withheld: &[String], failed: bool) -> String {
    let listed = |ids: &[String]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    if failed {
        format!("a policy of `{action}` failed, which denies: the log says which")
    } else if !forbids.is_empty() {
        format!("`{action}` is forbidden by {}", listed(forbids))
    } else if !withheld.is_empty() {
        format!("no ceiling allows what {} would permit: `{action}`", listed(withheld))
    } else {
        format!("no permit of `{action}` holds")
    }
}

fn row_policies(rows: &RowReasons) -> Vec<RowPolicy> {
    let of = |effect| move |(policy, rows): &(String, _)| row_policy(effect, policy, rows);
    let permits = rows.permits.iter().map(of("permit"));
    permits.chain(rows.ceilings.iter().map(of("ceiling"))).chain(rows.forbids.iter().map(of("forbid"))).collect()
}

fn row_policy(effect: &'static str, policy: &str, rows: &crate::policy::RowFilter) -> RowPolicy {
    RowPolicy { policy: policy.to_owned(), effect, rows: rows.to_string() }
}

fn columns(dataset: &Dataset, decision: &Decision, reasons: &[ColumnReasons]) -> Vec<ColumnExplained> {
    let granted = |index: usize| match decision {
        Decision::Permit(grant) => {
            grant.columns().iter().find(|column| column.index == index).map(|column| column.mask)
        }
        _ => None,
    };
    let columns = reasons.iter().filter_map(|reasons| Some((dataset.columns.get(reasons.index)?, reasons)));
    columns
        .map(|(column, reasons)| {
            let (shown, mask) = match granted(reasons.index) {
                Some(None) => (Shown::Raw, None),
                Some(Some(mask)) => (Shown::Masked, Some(mask)),
                None => (Shown::Absent, None),
            };
            let why = column_why(shown, mask, column.mask_default, reasons);
            ColumnExplained { name: column.name.clone(), shown, mask: mask.map(Mask::as_str), why }
        })
        .collect()
}

fn column_why(shown: Shown, mask: Option<Mask>, default: Option<Mask>, reasons: &ColumnReasons) -> String {
    let listed = |ids: &[String]| ids.join(", ");
    match shown {
        Shown::Raw if !reasons.raw.permits.is_empty() => format!("readRaw: {}", listed(&reasons.raw.permits)),
        Shown::Raw => format!("readColumn: {}", listed(&reasons.read.permits)),
        Shown::Masked => {
            let chosen: Vec<String> =
                reasons.bounds.iter().filter(|(_, bound)| Some(*bound) == mask).map(|(id, _)| id.clone()).collect();
            match (chosen.is_empty(), mask == default) {
                (false, _) => format!("readMasked: {}", listed(&chosen)),
                (true, true) => format!("the contract's default; readColumn: {}", listed(&reasons.read.permits)),
                (true, false) => "the strictest of several masks".to_owned(),
            }
        }
        Shown::Absent => {
            let mut forbids: Vec<String> = [&reasons.read, &reasons.raw, &reasons.masked]
                .into_iter()
                .flat_map(|action| action.forbids.iter().cloned())
                .collect();
            forbids.sort();
            forbids.dedup();
            let failed = reasons.read.failed || reasons.raw.failed || reasons.masked.failed;
            match (failed, forbids.is_empty(), reasons.read.withheld.is_empty()) {
                (true, ..) => "a policy failed, which denies".to_owned(),
                (_, false, _) => format!("forbidden by {}", listed(&forbids)),
                (_, _, false) => format!("no ceiling allows {}", listed(&reasons.read.withheld)),
                _ => "no permit of readColumn, readRaw or readMasked holds".to_owned(),
            }
        }
    }
}
