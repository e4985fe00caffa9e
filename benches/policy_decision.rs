//! What one policy decision costs: everything a principal may see of one dataset (known of, rows, columns and masks), by the
//! call that every question to the gateway makes. Anew, and remembered.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark stops at whatever surprises it")]

mod orders;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use airside::policy::{Decision, DomainPolicies, Policies, PolicyInput, PolicySource};
use airside::principal::{Identity, Principal, Purpose};
use criterion::{Criterion, criterion_group, criterion_main};

/// How many teams the policies are about. Each has one policy in the slice of every action.
const TEAMS: &[usize] = &[1, 10, 100];

/// A team sees the rows of its region.
fn policies(teams: usize) -> String {
    let policy = |team: usize| {
        format!(
            r#"
permit (principal in Group::"team-{team}", action in [Action::"discover", Action::"readColumn"], resource in Product::"sales.orders");
permit (principal in Group::"team-{team}", action == Action::"query", resource is sales::orders)
when {{ resource.row.region == "region {team}" }};
"#
        )
    };
    (0..teams).map(policy).collect()
}

fn policy_decision(criterion: &mut Criterion) {
    let (product, dataset) = orders::product();
    let principal = Principal {
        identity: Identity::User("bench".into()),
        groups: BTreeSet::from(["team-0".to_owned(), "everybody".to_owned()]),
        attributes: BTreeMap::new(),
    };
    let (purpose, now) = (Purpose::default(), chrono::Utc::now());
    for teams in TEAMS {
        let source = PolicySource { file: "orders.cedar".into(), text: policies(*teams) };
        let domain = DomainPolicies { policies: vec![source], products: vec![product.clone()] };
        let input = PolicyInput {
            governance: &[],
            ceilings: &[],
            domains: &BTreeMap::from([(product.id.domain.clone(), domain)]),
            attributes: &BTreeMap::new(),
        };
        let policies = Policies::load(input).unwrap_or_else(|faults| panic!("{faults:?}"));
        let remembered = || policies.decide(&principal, &purpose, &product, &dataset, now);
        let anew = || policies.decide_anew(&principal, &purpose, &product, &dataset, now).0;
        for decision in [anew(), remembered()] {
            let Decision::Permit(grant) = decision else { panic!("{teams} teams: {decision:?}") };
            assert_eq!(grant.contract_columns().count(), dataset.columns.len());
        }
        let mut group = criterion.benchmark_group(format!("decision/{teams} policies an action"));
        group.bench_function("anew", |bencher| bencher.iter(|| black_box(anew())));
        group.bench_function("remembered", |bencher| bencher.iter(|| black_box(remembered())));
        group.finish();
    }
}

criterion_group!(benches, policy_decision);
criterion_main!(benches);
