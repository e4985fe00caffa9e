//! Who gets what of a dataset. Nobody can list all principals, so the candidates come from the policies themselves:
//! everybody they name, every purpose and every attribute they compare with, and every moment at which they change.
//! Each is asked through the decision that serves consumers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::attributes::{Case, cases, with_names};
use super::explain::address_of;
use super::report::{Access, AccessReport, AccessRow, Who};
use super::{Viewer, word};
use crate::audit::Asked;
use crate::authn::{Directory, Role, Verified};
use crate::gateway::Gateway;
use crate::gateway::error::AnswerError;
use crate::gateway::publish::Published;
use crate::policy::{Decision, Mentions};
use crate::principal::{AttributeType, Identity, Principal, Purpose};
use crate::product::{Address, Dataset, Mask, Name, Product};

/// Whose access is listed, and to what.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessQuestion {
    /// Which dataset.
    pub address: Address,
    /// Which of its columns; none for the dataset as a whole.
    pub column: Option<String>,
    /// What the users file says of its users; empty when it is not at hand.
    pub people: BTreeMap<String, Role>,
}

/// Most decisions of one report.
const MOST_DECISIONS: usize = 50_000;
/// Longest time a report may take.
const LONGEST: Duration = Duration::from_secs(20);
/// Most moments at which one answer is followed.
const MOST_MOMENTS: usize = 8;

impl Gateway {
    /// Which groups, users and domains get what of a dataset or column, for which purposes, until when.
    ///
    /// # Errors
    /// [`AnswerError::NotFound`] for what does not exist or the viewer may not look behind,
    /// [`AnswerError::TooManyQuestions`] when listing it would take too long.
    pub async fn access(&self, viewer: Viewer<'_>, question: AccessQuestion) -> Result<AccessReport, AnswerError> {
        let address = question.address.clone();
        self.look(viewer, || Asked::named("access", address), self.listed(viewer, question)).await
    }

    async fn listed(&self, viewer: Viewer<'_>, question: AccessQuestion) -> Result<AccessReport, AnswerError> {
        let published = self.published.load_full();
        let named = match &question.column {
            Some(column) => format!("{}.{column}", question.address),
            None => question.address.to_string(),
        };
        let found = published.mesh().resolve(&question.address);
        let (product, dataset) = published.inspected(viewer, found, &named)?;
        if question.column.as_ref().is_some_and(|column| dataset.column(column).is_none()) {
            return Err(AnswerError::NotFound(named));
        }
        // Thousands of decisions: not on the threads that move messages.
        let everybody = matches!(viewer, Viewer::Operator);
        let report = tokio::task::spawn_blocking(move || {
            Listing::new(&published, product, dataset, question, everybody).report()
        });
        match report.await {
            Ok(Some(report)) => Ok(report),
            Ok(None) => Err(AnswerError::TooManyQuestions(named)),
            Err(error) => {
                let id = uuid::Uuid::now_v7();
                tracing::error!(error_id = %id, %error, "listing access failed");
                Err(AnswerError::Unavailable { what: named, id })
            }
        }
    }
}

/// A report being made.
struct Listing<'a> {
    published: &'a Published,
    product: Arc<Product>,
    dataset: Arc<Dataset>,
    question: AccessQuestion,
    /// Whether users are asked about whom neither policies nor entitlements name.
    everybody: bool,
    mentions: Mentions,
    types: BTreeMap<String, AttributeType>,
    purposes: Vec<(String, Purpose)>,
    at: DateTime<Utc>,
    end: Instant,
    left: usize,
}

/// What one candidate gets, from one moment to another.
#[derive(Debug, Clone, PartialEq)]
struct Segment {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    access: Access,
}

/// Purposes that get the same.
type ByPurpose = Vec<(Vec<String>, Vec<Segment>)>;

impl<'a> Listing<'a> {
    fn new(
        published: &'a Published,
        product: Arc<Product>,
        dataset: Arc<Dataset>,
        question: AccessQuestion,
        everybody: bool,
    ) -> Self {
        let mesh = published.mesh();
        let mentions = mesh.policies().mentions(&product.id.domain, &dataset.name);
        let purposes = purposes(&mentions, &product.purposes);
        Self {
            published,
            product,
            dataset,
            question,
            everybody,
            mentions,
            types: mesh.directory().attribute_types(),
            purposes,
            at: Utc::now(),
            end: Instant::now() + LONGEST,
            left: MOST_DECISIONS,
        }
    }

    /// The report; none when it takes too long.
    fn report(mut self) -> Option<AccessReport> {
        let directory = Arc::clone(self.published.mesh().directory());
        let (mut rows, mut notes) = (Vec::new(), self.notes());
        for (who, principal) in self.candidates(&directory, &mut notes) {
            let required = directory.required_attributes();
            let relevant = match who {
                // Domains have no attributes.
                Who::Domain(_) => BTreeMap::new(),
                _ => self.mentions.attributes.clone(),
            };
            let cases = cases(&principal.attributes, &relevant, &self.types, &required);
            let mut answers: Vec<(Vec<String>, ByPurpose)> = Vec::new();
            for case in cases {
                let principal = Principal { attributes: case.attributes.clone(), ..principal.clone() };
                let answer = self.by_purpose(&principal, &case)?;
                match answers.iter_mut().find(|(_, known)| *known == answer) {
                    Some((labels, _)) => labels.push(case.label),
                    None => answers.push((vec![case.label], answer)),
                }
            }
            let matters = answers.len() > 1;
            for (labels, answer) in answers {
                let condition = if matters { labels.join(", or ") } else { String::new() };
                for (purposes, segments) in answer {
                    rows.extend(segments.into_iter().map(|segment| AccessRow {
                        who: who.clone(),
                        condition: condition.clone(),
                        purposes: purposes.clone(),
                        from: segment.from,
                        until: segment.until,
                        access: segment.access,
                    }));
                }
            }
        }
        Some(AccessReport {
            product: address_of(&self.product, &self.dataset),
            column: self.question.column.clone(),
            at: self.at,
            policy_version: self.published.mesh().policies().version().to_owned(),
            rows,
            notes,
        })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "each group is asked about by itself; who is in several gets what their permits show together, less what \
             any forbid hides: `airside explain` answers for one principal"
                .to_owned(),
        ];
        if !self.mentions.attributes.is_empty() {
            notes.push(
                "attributes of groups' members are not known here: `principal.x` stands for a member's own value, and \
                 one attribute is varied at a time"
                    .to_owned(),
            );
        }
        if self.mentions.purpose_patterns {
            notes.push(
                "a policy compares the purpose with a pattern: purposes beyond those listed may differ".to_owned(),
            );
        }
        notes
    }

    /// Everybody worth asking about.
    fn candidates(&self, directory: &Directory, notes: &mut Vec<String>) -> Vec<(Who, Principal)> {
        let user = |name: &str, groups: BTreeSet<String>| Principal {
            identity: Identity::User(name.into()),
            groups,
            attributes: BTreeMap::new(),
        };
        // No user can be called so: a policy that names one does not mean them.
        let mut found = vec![(Who::Anybody, user("\n", BTreeSet::new()))];
        let groups: BTreeSet<String> = self.mentions.groups.iter().cloned().chain(directory.known_groups()).collect();
        found.extend(groups.into_iter().map(|group| {
            let principal = user("\n", directory.groups_within(&group));
            (Who::Group(group), principal)
        }));
        let mut users: BTreeSet<&String> = self.mentions.users.iter().chain(directory.entitled()).collect();
        if self.everybody {
            users.extend(self.question.people.keys());
        }
        for name in users {
            let role = self.question.people.get(name).cloned().unwrap_or_default();
            match directory.principal(&Verified::supposed(name, role.groups, role.claims)) {
                Ok(principal) => found.push((Who::User(name.clone()), principal)),
                Err(error) => notes.push(format!("`{name}` was not asked about: {}", error.detail())),
            }
        }
        let domains = self.mentions.domains.iter().filter_map(|name| Name::parse(name).ok());
        found.extend(domains.map(|name| (Who::Domain(name.to_string()), Principal::domain(name))));
        found
    }

    fn by_purpose(&mut self, principal: &Principal, case: &Case) -> Option<ByPurpose> {
        let mut answers: ByPurpose = Vec::new();
        for (label, purpose) in self.purposes.clone() {
            let segments = self.segments(principal, &purpose, case)?;
            match answers.iter_mut().find(|(_, known)| *known == segments) {
                Some((labels, _)) => labels.push(label),
                None => answers.push((vec![label], segments)),
            }
        }
        if let [(labels, _)] = &mut answers[..] {
            *labels = vec!["any".to_owned()];
        }
        Some(answers)
    }

    /// What one gets from now on, followed to the moments at which it changes.
    fn segments(&mut self, principal: &Principal, purpose: &Purpose, case: &Case) -> Option<Vec<Segment>> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut now = self.at;
        for _ in 0..MOST_MOMENTS {
            self.left = self.left.checked_sub(1)?;
            if Instant::now() > self.end {
                return None;
            }
            let policies = self.published.mesh().policies();
            let (decision, next) = policies.decide_anew(principal, purpose, &self.product, &self.dataset, now);
            let access = self.access(&decision, case);
            match segments.last_mut() {
                Some(last) if last.access == access => last.until = next,
                _ => {
                    let from = (now > self.at).then_some(now);
                    segments.push(Segment { from, until: next, access });
                }
            }
            match next {
                Some(next) => now = next,
                None => break,
            }
        }
        Some(segments)
    }

    fn access(&self, decision: &Decision, case: &Case) -> Access {
        let mut access = Access {
            decision: word(decision),
            rows: None,
            raw: Vec::new(),
            masked: BTreeMap::new(),
            absent: Vec::new(),
        };
        let grant = match decision {
            Decision::Permit(grant) => Some(grant),
            _ => None,
        };
        access.rows = grant.map(|grant| with_names(&grant.rows().to_string(), &self.types, case));
        for (index, column) in self.dataset.columns.iter().enumerate() {
            if self.question.column.as_ref().is_some_and(|asked| *asked != column.name) {
                continue;
            }
            let shown = grant.and_then(|grant| grant.columns().iter().find(|granted| granted.index == index));
            match shown.map(|granted| granted.mask) {
                Some(None) => access.raw.push(column.name.clone()),
                Some(Some(mask)) => drop(access.masked.insert(column.name.clone(), Mask::as_str(mask))),
                None => access.absent.push(column.name.clone()),
            }
        }
        access
    }
}

/// None, those that policies name or the product asks for, and one that is neither.
fn purposes(mentions: &Mentions, asked_for: &BTreeSet<String>) -> Vec<(String, Purpose)> {
    let mut purposes = vec![("none".to_owned(), Purpose::default())];
    let named: BTreeSet<&String> = mentions.purposes.iter().chain(asked_for).filter(|text| !text.is_empty()).collect();
    purposes.extend(named.iter().filter_map(|text| Some(((*text).clone(), Purpose::parse(text).ok()?))));
    let mut another = "another".to_owned();
    while named.contains(&another) {
        another.push('-');
    }
    purposes.extend(Purpose::parse(&another).ok().map(|purpose| ("another".to_owned(), purpose)));
    purposes
}
