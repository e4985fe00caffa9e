//! Generated pairs of policies: what is proven of them is held against decisions about generated principals and rows, and
//! every example is decided by both sides.
//!
//! 4 pairs by default, since each asks the solver; `AIRSIDE_SOAK_CASES` asks for more.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::compared;
use crate::policy::proof::{ActionDifference, Verdict, Versions};
use crate::policy::tests::fixtures::{Loaded, Mesh, NOW, listed};
use crate::policy::tests::residuals::{clauses, holds, known_column, policies, principal, row, second_version};
use crate::policy::{Decision, Literal};
use crate::principal::Principal;

type Row = BTreeMap<&'static str, Literal>;

/// The policies of one side: of the domain, of governance, its forbids, and ceilings.
type Written = [Vec<String>; 4];

#[derive(Debug, Clone)]
struct Pair {
    old: Written,
    new: Written,
    askers: Vec<(Principal, &'static str)>,
    rows: Vec<Row>,
}

fn written() -> impl Strategy<Value = Written> {
    let ceilings = prop_oneof![2 => Just(Vec::new()), 1 => vec(clauses(), 1..3)];
    let global = prop_oneof![2 => Just(Vec::new()), 1 => vec(clauses(), 1..2)];
    (vec(clauses(), 0..3), global, vec(clauses(), 0..3), ceilings).prop_map(|(a, b, c, d)| [a, b, c, d])
}

/// Mostly a small change: one list is taken from elsewhere, or one policy is left out.
fn pair() -> impl Strategy<Value = Pair> {
    let askers = vec((principal(), select(vec!["", "audit", "reports"])), 4);
    (written(), written(), 0..4_usize, any::<bool>(), askers, vec(row(), 6)).prop_map(
        |(old, other, which, left_out, askers, rows)| {
            let mut new = old.clone();
            if left_out && !new[which].is_empty() {
                new[which].remove(0);
            } else {
                new[which].extend(other[which].iter().cloned());
            }
            Pair { old, new, askers, rows }
        },
    )
}

fn mesh([domain, global, forbids, ceilings]: &Written) -> Mesh {
    let everyone =
        r#"permit (principal, action in [Action::"discover", Action::"readColumn"], resource in Domain::"sales");"#;
    let mut mesh = Mesh::new(&format!("{everyone}\n{}", policies("permit", domain)))
        .governance(&policies("permit", global))
        .governance(&policies("forbid", forbids))
        .version(second_version());
    mesh.governance[1].file = "forbids.cedar".into();
    if !ceilings.is_empty() {
        let bounds = policies("permit", ceilings);
        mesh = mesh.ceilings(&format!(
            "permit (principal, action in [Action::\"discover\", Action::\"readColumn\"], resource);\n{bounds}"
        ));
    }
    mesh.domains.remove("marketing");
    mesh
}

/// Whether a side shows a row, by the decision that the gateway would make.
fn shows(side: &Loaded<'_>, principal: &Principal, purpose: &str, now: &str, row: &Row) -> bool {
    match side.ask(principal, purpose, now) {
        Decision::Permit(grant) => holds(grant.rows(), row) == Some(true),
        _ => false,
    }
}

fn check(pair: &Pair) -> Result<(), TestCaseError> {
    let (old, new) = (mesh(&pair.old), mesh(&pair.new));
    for mesh in [&old, &new] {
        if let Err(faults) = mesh.try_load() {
            prop_assert!(faults.iter().all(|fault| fault.reason.contains("never apply")), "{}", listed(&faults));
            return Err(TestCaseError::reject("a policy that can never apply"));
        }
    }
    let (old, new) = (old.load(), new.load());
    let comparison = compared(&old, &new);
    let first = Versions::Both("1.0.0".to_owned(), "1.0.0".to_owned());
    let of_first = comparison.datasets.iter().filter(|dataset| dataset.versions == first);
    let query: Vec<&ActionDifference> =
        of_first.flat_map(|dataset| &dataset.actions).filter(|action| action.action == "query").collect();
    let verdict = query.first().map_or(Verdict::Same, |query| query.verdict());
    for (principal, purpose) in &pair.askers {
        for row in &pair.rows {
            let [was, is] = [&old, &new].map(|side| shows(side, principal, purpose, NOW, row));
            let seen = format!("{verdict:?} {principal:?} {purpose} {row:?}");
            prop_assert!(was || !is || !verdict.permits_no_more(), "shown by the new side alone: {seen}");
            prop_assert!(is || !was || !matches!(verdict, Verdict::Same | Verdict::Wider), "no longer shown: {seen}");
        }
    }
    for (finding, widens) in
        query.iter().flat_map(|q| q.wider.iter().map(|f| (f, true)).chain(q.narrower.iter().map(|f| (f, false))))
    {
        let Some(example) = &finding.example else { continue };
        let row = example.row.iter().map(|(name, value)| (known_column(name), value.clone())).collect();
        let now = example.now.map_or_else(|| NOW.to_owned(), |now| now.to_rfc3339());
        let [was, is] = [&old, &new].map(|side| shows(side, &example.principal, example.purpose.as_str(), &now, &row));
        prop_assert_eq!((was, is), (!widens, widens), "{}", example);
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("AIRSIDE_SOAK_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_global_rejects: 1 << 20, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn no_decision_contradicts_a_proof(pair in pair()) {
        check(&pair)?;
    }
}
