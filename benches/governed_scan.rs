//! What governing costs: the governed scan against the same filter and mask written into the query by
//! somebody who may see everything. Compare the two of a pair, not the pairs.

#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark stops at whatever surprises it")]

mod orders;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use airside::policy::{Decision, DomainPolicies, Grant, Policies, PolicyInput, PolicySource};
use airside::principal::{Identity, Principal, Purpose};
use airside::product::{Dataset, Product};
use airside::query::{Engine, EngineConfig, FileRows, GovernedTable, Limits, MaskKey, Rows, Statement};
use airside::source::{DatasetSource, Stores, StoresConfig};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use criterion::{Criterion, criterion_group, criterion_main};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tokio::runtime::Runtime;

const ROWS: i64 = 1_000_000;
const ROW_GROUP: i64 = 50_000;
/// Pairs of runs behind a ratio.
const PAIRS: usize = 31;

/// Analysts see the EU, addresses masked; auditors see everything.
const POLICY: &str = r#"
permit (principal in Group::"analysts", action in [Action::"discover", Action::"readColumn"], resource in Product::"sales.orders");
permit (principal in Group::"analysts", action == Action::"query", resource is sales::orders)
when { resource.row.region == "EU" };
permit (principal in Group::"auditors", action in [Action::"read", Action::"readRaw"], resource in Product::"sales.orders");
"#;

/// The same by hand; sha256 stands for the keyed digest.
const BY_HAND: &str = "(SELECT id, region, note, salary, encode(sha256(email), 'base64') AS email \
                       FROM sales.orders WHERE region = 'EU')";

const QUERIES: &[(&str, &str)] = &[
    ("aggregate", "SELECT count(note), sum(salary), max(id) FROM T"),
    ("mask", "SELECT count(note), max(email) FROM T"),
    ("point", "SELECT note FROM T WHERE id = 400400"),
    ("rows", "SELECT id, note, salary FROM T"),
    ("top", "SELECT id, note FROM T ORDER BY id DESC LIMIT 10"),
    ("join", "SELECT sum(t.salary) FROM (VALUES (101000), (101004), (151002)) d(k) JOIN T t ON t.id = d.k"),
];

/// Files whose row groups are of one region each, or of both mixed.
const LAYOUTS: &[(&str, bool)] = &[("grouped", false), ("mixed", true)];

fn write(path: &Path, mixed: bool) {
    let mut writer = None;
    for group in 0..ROWS / ROW_GROUP {
        let ids: Vec<i64> = (group * ROW_GROUP..(group + 1) * ROW_GROUP).collect();
        let eu = |id: i64| if mixed { id % 2 == 0 } else { group % 2 == 0 };
        let text = |of: &dyn Fn(i64) -> String| {
            Arc::new(StringArray::from_iter_values(ids.iter().map(|id| of(*id)))) as ArrayRef
        };
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(ids.clone())) as ArrayRef),
            ("region", text(&|id| if eu(id) { "EU" } else { "US" }.into())),
            ("note", text(&|id| format!("note of order {id}"))),
            ("email", text(&|id| format!("user{id}@mail.example"))),
            ("salary", Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| 1_000 + id % 977))) as ArrayRef),
        ])
        .expect("columns of one length");
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(ROW_GROUP as usize)).build();
        let writer = writer.get_or_insert_with(|| {
            let file = std::fs::File::create(path).expect("a file in the temporary folder");
            ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a Parquet writer")
        });
        writer.write(&batch).expect("a written batch");
    }
    if let Some(writer) = writer {
        writer.close().expect("a closed file");
    }
}

fn grant(product: &Arc<Product>, dataset: &Arc<Dataset>, group: &str) -> Grant {
    let source = PolicySource { file: "orders.cedar".into(), text: POLICY.into() };
    let policies = DomainPolicies { policies: vec![source], products: vec![Arc::clone(product)] };
    let input = PolicyInput {
        governance: &[],
        ceilings: &[],
        domains: &BTreeMap::from([(product.id.domain.clone(), policies)]),
        attributes: &BTreeMap::new(),
    };
    let policies = Policies::load(input).unwrap_or_else(|faults| panic!("{faults:?}"));
    let principal = Principal {
        identity: Identity::User("bench".into()),
        groups: BTreeSet::from([group.to_owned()]),
        attributes: BTreeMap::new(),
    };
    match policies.decide(&principal, &Purpose::default(), product, dataset, chrono::Utc::now()) {
        Decision::Permit(grant) => grant,
        other => panic!("{group}: {other:?}"),
    }
}

/// The query over another table.
fn over(query: &str, table: &str) -> String {
    query.replace("FROM T", &format!("FROM {table}")).replace("JOIN T", &format!("JOIN {table}"))
}

struct World {
    engine: Engine,
    governed: GovernedTable,
    plain: GovernedTable,
}

impl World {
    async fn open(root: &Path, engine: Engine) -> Self {
        let (product, dataset) = orders::product();
        let stores = Stores::new(&StoresConfig::default(), root).expect("local files");
        let root = root.to_str().expect("a path in Unicode");
        let source = DatasetSource::open(&stores, root, &product.id, &dataset).await.expect("a readable dataset");
        let table = |group: &str| {
            let grant = grant(&product, &dataset, group);
            let rows = Rows::Files(Arc::new(FileRows::open(&source, &grant).expect("a fitting grant")));
            GovernedTable { schema: "sales".into(), table: "orders".into(), grant, rows }
        };
        Self { engine, governed: table("analysts"), plain: table("auditors") }
    }

    /// The median of governed ÷ by hand, each pair run one right after the other, so that a noisy machine disturbs both.
    async fn ratio(&self, governed: &str, by_hand: &str) -> f64 {
        let mut ratios = Vec::new();
        for pair in 0..PAIRS {
            let mut seconds = [0.0; 2];
            // Which goes first alternates.
            for which in if pair % 2 == 0 { [0, 1] } else { [1, 0] } {
                let (sql, table) = [(governed, &self.governed), (by_hand, &self.plain)][which];
                let started = Instant::now();
                self.run(sql, table).await;
                seconds[which] = started.elapsed().as_secs_f64();
            }
            ratios.push(seconds[0] / seconds[1]);
        }
        ratios.sort_by(f64::total_cmp);
        ratios[PAIRS / 2]
    }

    async fn run(&self, sql: &str, table: &GovernedTable) -> usize {
        let statement = Statement::parse(sql, &Limits::default()).expect("a statement");
        let who = Identity::User("bench".into());
        let plan = self.engine.plan(&who, "mesh", &statement, vec![table.clone()], Vec::new()).await.expect("a plan");
        let mut stream = self.engine.execute(plan, self.engine.admit(&who).expect("a slot"), None);
        let mut rows = 0;
        while let Some(batch) = stream.next().await {
            rows += batch.expect("a batch").num_rows();
        }
        rows
    }
}

fn governed_scan(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for (layout, mixed) in LAYOUTS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(&folder.path().join("orders.parquet"), *mixed);
        let engine = Engine::new(&EngineConfig::default(), MaskKey::random()).expect("an engine");
        let world = runtime.block_on(World::open(folder.path(), engine));
        for (name, query) in QUERIES {
            let governed = over(query, "sales.orders");
            let by_hand = over(query, BY_HAND);
            let (one, other) = runtime.block_on(async {
                (world.run(&governed, &world.governed).await, world.run(&by_hand, &world.plain).await)
            });
            assert_eq!(one, other, "{query}");
            let mut group = criterion.benchmark_group(format!("{layout}/{name}"));
            group.sample_size(20);
            group.bench_function("governed", |bencher| {
                bencher.to_async(&runtime).iter(|| world.run(&governed, &world.governed));
            });
            group.bench_function("by hand", |bencher| {
                bencher.to_async(&runtime).iter(|| world.run(&by_hand, &world.plain));
            });
            group.finish();
            let ratio = runtime.block_on(world.ratio(&governed, &by_hand));
            println!("{layout}/{name}: governed takes {ratio:.2} times what it takes by hand");
        }
    }
}

criterion_group!(benches, governed_scan);
criterion_main!(benches);
