//! Policy files read into statements: one Cedar policy each, with its id, its place and its mask.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, PolicySet, pst};
use miette::Diagnostic;

use crate::fault::Fault;
use crate::product::{Mask, Name};

/// A policy file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    /// Where it was read; its stem names policies that have no `@id`.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
}

/// Who wrote a policy, which says what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The platform: holds in every domain.
    Governance,
    /// The platform: bounds what domains may permit.
    Ceiling,
    /// A domain: speaks of its own things.
    Domain(Name),
}

/// One policy, read but not yet checked.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) origin: Origin,
    /// The policy under its own id.
    pub(super) policy: Policy,
    /// The same as a tree.
    pub(super) body: pst::Template,
    /// The mask of `@mask`.
    pub(super) mask: Option<Mask>,
    source: Arc<PolicySource>,
    start: usize,
    length: usize,
}

/// Largest policy file, in bytes: parsing and checking stay fast and within the stack.
const MAX_FILE: usize = 1 << 20;
/// Largest single policy, in bytes.
const MAX_POLICY: usize = 16 << 10;
/// Deepest nesting of brackets.
const MAX_DEPTH: usize = 48;
/// Most operators in a policy.
const MAX_OPERATORS: usize = 200;
/// Most dots between operators.
const MAX_DOTS: usize = 32;

/// Annotations a policy may carry.
const ANNOTATIONS: [&str; 6] = ["description", "id", "mask", "owner", "reason", "ticket"];

impl Statement {
    /// A fault of this policy, placed on the first line that holds `words`, else where it begins.
    pub(super) fn fault(&self, words: &str, reason: impl Into<String>) -> Fault {
        let text = self.text();
        let within = if words.is_empty() { None } else { text.find(words) };
        Fault::new(&self.source.file, reason).at(line_of(&self.source.text, self.start + within.unwrap_or_default()))
    }

    /// A fault that Cedar found, placed where Cedar points.
    pub(super) fn cedar_fault(&self, diagnostic: &dyn Diagnostic) -> Fault {
        // Only the first line: what Cedar adds below names types of its own.
        let message = diagnostic.to_string();
        let reason = message.lines().next().unwrap_or_default();
        let reason = reason.strip_prefix(&format!("for policy `{}`, ", self.id)).unwrap_or(reason);
        let line = offset(diagnostic)
            .map_or_else(|| line_of(&self.source.text, self.start), |offset| line_of(&self.source.text, offset));
        let fault = Fault::new(&self.source.file, reason).at(line);
        match diagnostic.help() {
            Some(help) => fault.hint(help.to_string()),
            None => fault,
        }
    }

    /// The policy as written.
    pub(super) fn text(&self) -> &str {
        self.source.text.get(self.start..self.start + self.length).unwrap_or_default()
    }

    /// Where its text stands in its file.
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.length
    }

    /// The file it stands in.
    pub(super) fn file(&self) -> &Path {
        &self.source.file
    }

    /// The line it begins on.
    pub(super) fn line(&self) -> u32 {
        line_of(&self.source.text, self.start)
    }

    /// The trees of its conditions.
    pub(super) fn conditions(&self) -> impl Iterator<Item = &pst::Expr> {
        self.body.clauses().iter().map(|clause| match clause {
            pst::Clause::When(condition) | pst::Clause::Unless(condition) => condition.as_ref(),
        })
    }

    /// Whether it permits.
    pub(super) fn permits(&self) -> bool {
        self.body.effect == pst::Effect::Permit
    }
}

/// Reads a file's policies; what cannot be read becomes faults.
pub(super) fn read(source: &PolicySource, origin: &Origin, faults: &mut Vec<Fault>) -> Vec<Statement> {
    if source.text.len() > MAX_FILE {
        faults.push(
            Fault::new(&source.file, format!("a policy file has at most {MAX_FILE} bytes")).hint("split the file"),
        );
        return Vec::new();
    }
    if let Some((at, reason)) = too_complex(&source.text) {
        faults.push(
            Fault::new(&source.file, reason)
                .at(line_of(&source.text, at))
                .hint("write several policies, or compare with a set: `[…].contains(…)`"),
        );
        return Vec::new();
    }
    let set = match PolicySet::from_str(&source.text) {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                let fault = Fault::new(&source.file, error.to_string());
                let fault = match offset(error) {
                    Some(offset) => fault.at(line_of(&source.text, offset)),
                    None => fault,
                };
                faults.push(match error.help() {
                    Some(help) => fault.hint(help.to_string()),
                    None => fault,
                });
            }
            return Vec::new();
        }
    };
    for template in set.templates() {
        let text = template.to_string();
        let at = source.text.find(&text).unwrap_or_default();
        faults.push(
            Fault::new(&source.file, "a policy template stands for many policies and cannot be checked")
                .at(line_of(&source.text, at))
                .hint("name the principal and the resource in place of `?principal` and `?resource`"),
        );
    }

    let shared = Arc::new(source.clone());
    let mut policies: Vec<&Policy> = set.policies().collect();
    // Cedar numbers them in the order of the text.
    policies.sort_by_key(|policy| number_of(policy.id()));
    let mut cursor = 0;
    let mut statements = Vec::new();
    for (index, policy) in policies.into_iter().enumerate() {
        let text = policy.to_string();
        let start = source.text.get(cursor..).and_then(|rest| rest.find(&text)).map_or(cursor, |at| cursor + at);
        cursor = start + text.len();
        let place = |reason: String| Fault::new(&source.file, reason).at(line_of(&source.text, start));
        if text.len() > MAX_POLICY {
            faults.push(place(format!("a policy has at most {MAX_POLICY} bytes")).hint("write several policies"));
            continue;
        }
        let id = match policy.annotation("id") {
            Some(id) if well_formed_id(id) => id.to_owned(),
            Some(id) => {
                faults.push(
                    place(format!("`{id}` is no id of a policy"))
                        .hint("an id has 1 to 128 printable characters and no spaces"),
                );
                continue;
            }
            None => default_id(source, origin, index),
        };
        let policy = policy.new_id(PolicyId::new(&id));
        let body = match policy.to_pst() {
            Ok(tree) => tree.body().clone(),
            Err(error) => {
                faults.push(place(format!("the policy cannot be checked: {error}")));
                continue;
            }
        };
        let mut statement = Statement {
            id,
            origin: origin.clone(),
            policy,
            body,
            mask: None,
            source: Arc::clone(&shared),
            start,
            length: text.len(),
        };
        check_annotations(&mut statement, faults);
        statements.push(statement);
    }
    statements
}

/// Ids must tell policies apart in the audit, so each is given once among policies that decide together.
pub(super) fn check_ids<'a>(statements: impl Iterator<Item = &'a Statement>, faults: &mut Vec<Fault>) {
    let mut seen: std::collections::BTreeMap<&str, &Statement> = std::collections::BTreeMap::new();
    for statement in statements {
        if let Some(first) = seen.insert(&statement.id, statement) {
            let place = first.fault("", "");
            faults.push(statement.fault("@id", format!("the id `{}` is taken", statement.id)).hint(format!(
                "it stands at line {} of `{}`",
                place.line.unwrap_or_default(),
                file_name(first.file())
            )));
        }
    }
}

fn check_annotations(statement: &mut Statement, faults: &mut Vec<Fault>) {
    let annotations: Vec<(String, String)> =
        statement.policy.annotations().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value) in annotations {
        if !ANNOTATIONS.contains(&name.as_str()) {
            let known = ANNOTATIONS.map(|known| format!("@{known}")).join(", ");
            faults.push(
                statement
                    .fault(&format!("@{name}"), format!("`@{name}` is no annotation of Airside"))
                    .hint(format!("the annotations are {known}; anything else goes into a comment")),
            );
        }
        if name == "mask" {
            match Mask::from_str(&value) {
                Ok(mask) => statement.mask = Some(mask),
                Err(error) => faults.push(statement.fault("@mask", error.to_string())),
            }
        }
    }
}

fn default_id(source: &PolicySource, origin: &Origin, index: usize) -> String {
    let stem = source.file.file_stem().map(|stem| stem.to_string_lossy().replace(char::is_whitespace, "_"));
    let stem = stem.as_deref().unwrap_or("policy");
    let folder = match origin {
        Origin::Governance => "governance/",
        Origin::Ceiling => "ceilings/",
        Origin::Domain(_) => "",
    };
    format!("{folder}{stem}#{}", index + 1)
}

fn well_formed_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

fn number_of(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    id.strip_prefix("policy").and_then(|digits| digits.parse().ok()).unwrap_or(usize::MAX)
}

fn file_name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where a diagnostic points, in bytes from the start of its file.
fn offset(diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels()?.next().map(|label| label.offset())
}

fn line_of(text: &str, offset: usize) -> u32 {
    let lines = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    u32::try_from(lines).unwrap_or(u32::MAX - 1) + 1
}

/// What would strain the parser's stack, and where: brackets in brackets, or a chain of operators, which is
/// a tree just as deep. Strings and comments do not count.
pub(super) fn too_complex(text: &str) -> Option<(usize, String)> {
    let (mut depth, mut operators, mut dots) = (0_usize, 0_usize, 0_usize);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at + 1),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'&' | b'|' => (operators, dots) = (operators + 1, 0),
            b'+' | b'-' | b'*' | b'!' => operators += 2,
            // `else if` nests without brackets.
            b'i' if bytes[at..].starts_with(b"if ") => (operators, dots) = (operators + 2, 0),
            b'.' => dots += 1,
            b',' | b'=' | b'<' | b'>' => dots = 0,
            b';' => (operators, dots) = (0, 0),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some((at, format!("brackets nest deeper than {MAX_DEPTH}")));
        }
        if operators > 2 * MAX_OPERATORS || dots > MAX_DOTS {
            return Some((at, "the policy has too many operators".to_owned()));
        }
        at += 1;
    }
    None
}

/// Where the string that began before `at` ends.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// The distinct words close to `word`, closest first: for hints.
pub(super) fn near<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let mut found: BTreeSet<(usize, &str)> = BTreeSet::new();
    for candidate in candidates {
        let distance = edits(&word.to_lowercase(), &candidate.to_lowercase());
        if distance <= limit {
            found.insert((distance, candidate));
        }
    }
    found.into_iter().map(|(_, candidate)| candidate).take(3).collect()
}

/// How many letters to insert, remove, replace or swap with a neighbour to make one word of the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i];
        for j in 1..=b.len() {
            let replaced = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[b.len()]
}
