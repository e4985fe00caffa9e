//! Files older and newer than their contract: every question over them is answered as over the same rows written
//! uniformly, through the plain provider and through the governed scan.

use std::fs::File;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::policy::{Comparison, Literal, RowFilter};
use crate::product::{Column, Mask};
use crate::query::fixture::{Fixture, Shows, column, equal, texts};

/// Rows of a file; its row groups and pages are a fraction of that.
const ROWS: usize = 96;
const GROUP: usize = 24;
const PAGE: usize = 6;

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn record(fields: &[(&str, DataType)]) -> DataType {
    DataType::Struct(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect())
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

fn map() -> DataType {
    let entries: Fields =
        [Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Int64, true)].into_iter().collect();
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

/// The contract's columns, and how the oldest file has each: in another type, under another name, or not at all.
fn contract() -> Vec<(Column, Option<(&'static str, DataType)>)> {
    let old = |name: &'static str, data_type: DataType| Some((name, data_type));
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let mut columns = vec![
        (column("id", DataType::Int64), old("id", DataType::Int16)),
        (column("region", DataType::Utf8), old("region", dictionary)),
        (column("total", DataType::Int64), old("total", DataType::Int32)),
        (column("small", DataType::Int16), old("SMALL", DataType::UInt8)),
        (column("price", DataType::Decimal128(12, 4)), old("price", DataType::Decimal128(8, 2))),
        (column("ratio", DataType::Float64), old("ratio", DataType::Float32)),
        (column("at", MICROS), old("at", MILLIS)),
        (column("code", DataType::Utf8), old("Code", DataType::Utf8View)),
        (column("note", DataType::Utf8), None),
        (column("flag", DataType::Boolean), None),
        (column("late", DataType::Int32), None),
        (column("due", DataType::Date32), None),
        (column("seen", MICROS), None),
        (
            column("rec", record(&[("a", DataType::Int64), ("b", DataType::Utf8)])),
            old("rec", record(&[("a", DataType::Int32)])),
        ),
        (column("tags", list(DataType::Int64)), old("tags", list(DataType::Int32))),
        (column("more", record(&[("x", DataType::Int64)])), None),
        (column("names", list(DataType::Utf8)), None),
        (column("pairs", map()), None),
        (column("raw", DataType::Binary), None),
    ];
    columns[0].0.nullable = false;
    columns
}

fn columns() -> Vec<Column> {
    contract().into_iter().map(|(column, _)| column).collect()
}

/// Numbers in no order, always the same.
fn noise(seed: usize) -> i64 {
    let mixed = (seed as u64 ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 33) as i64
}

/// Rows `from..from + ROWS` in the contract's types. Those of an old file have only what that can hold.
fn rows(from: usize, old: bool) -> RecordBatch {
    let at = || from..from + ROWS;
    let some = |every: i64, at: usize| noise(at * 31 + every as usize) % every != 0;
    let ints = |make: &dyn Fn(usize) -> i64, every: i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter(at().map(|row| some(every, row).then(|| make(row)))))
    };
    let text = |make: &dyn Fn(usize) -> String, every: i64| -> ArrayRef {
        Arc::new(StringArray::from_iter(at().map(|row| some(every, row).then(|| make(row)))))
    };
    let typed = |array: ArrayRef, data_type: &DataType| cast(&array, data_type).unwrap();
    let arrays = columns().into_iter().map(|column| -> ArrayRef {
        let data_type = &column.data_type;
        match column.name.as_str() {
            "id" => Arc::new(Int64Array::from_iter_values(at().map(|row| row as i64))),
            "region" => text(&|row| if noise(row) % 3 == 0 { "EU" } else { "US" }.to_owned(), 20),
            // Beyond 32 bits in new files.
            "total" => ints(&|row| if old { noise(row) % 100 - 50 } else { noise(row) * 7 % 10_000_000_000 - 50 }, 9),
            "small" => typed(ints(&|row| noise(row) % 200, 7), data_type),
            "price" => {
                let unit = if old { 100 } else { 1 };
                let units = ints(&|row| (noise(row) % 1_000_000 - 500_000) / unit * unit, 8);
                let units: Decimal128Array =
                    units.as_primitive::<arrow::datatypes::Int64Type>().unary_opt(|v| Some(v.into()));
                Arc::new(units.with_precision_and_scale(12, 4).unwrap())
            }
            "ratio" => Arc::new(Float64Array::from_iter(at().map(|row| {
                some(6, row).then(|| if old { (noise(row) % 1000) as f64 / 8.0 } else { noise(row) as f64 / 1e9 })
            }))),
            "at" => {
                let micros = if old { 1_000 } else { 1 };
                typed(ints(&|row| (noise(row) % 5_000_000 - 1_000) / micros * micros, 10), data_type)
            }
            "code" => text(&|row| format!("c{:03}", noise(row) % 300), 11),
            _ if old && !matches!(column.name.as_str(), "rec" | "tags") => new_null_array(data_type, ROWS),
            "note" => text(&|row| format!("note {}", noise(row) % 40), 5),
            "flag" => Arc::new(BooleanArray::from_iter(at().map(|row| some(4, row).then_some(noise(row) % 2 == 0)))),
            "late" => typed(ints(&|row| noise(row) % 50, 6), data_type),
            "due" => typed(typed(ints(&|row| noise(row) % 20_000, 6), &DataType::Int32), data_type),
            "seen" => typed(ints(&|row| noise(row), 5), data_type),
            "rec" => {
                let a = ints(&|row| if old { noise(row) % 100 } else { noise(row) * 5 }, 7);
                let b = if old { new_null_array(&DataType::Utf8, ROWS) } else { text(&|row| format!("b{row}"), 9) };
                let DataType::Struct(fields) = data_type else { unreachable!() };
                let valid = arrow::buffer::NullBuffer::from_iter(at().map(|row| some(5, row)));
                Arc::new(StructArray::new(fields.clone(), vec![a, b], Some(valid)))
            }
            "tags" => {
                let mut lists = ListBuilder::new(Int64Builder::new());
                at().for_each(|row| {
                    if some(4, row) {
                        lists.append_value((0..noise(row) % 4).map(|n| Some(n + noise(row) % 5)));
                    } else {
                        lists.append_null();
                    }
                });
                Arc::new(lists.finish())
            }
            "more" => {
                let DataType::Struct(fields) = data_type else { unreachable!() };
                Arc::new(StructArray::new(fields.clone(), vec![ints(&|row| row as i64, 4)], None))
            }
            "names" => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                at().for_each(|row| lists.append_value([Some(format!("n{}", noise(row) % 9))]));
                Arc::new(lists.finish())
            }
            "raw" => typed(text(&|row| format!("r{}", row % 7), 3), data_type),
            _ => new_null_array(data_type, ROWS),
        }
    });
    let fields: Vec<Field> = columns().iter().map(Column::field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect()).unwrap()
}

/// The same rows as the old file has them.
fn narrowed(rows: &RecordBatch) -> RecordBatch {
    let strict = arrow::compute::CastOptions { safe: false, ..Default::default() };
    let (mut fields, mut arrays) = (vec![Field::new("unknown", DataType::Utf8, true)], Vec::new());
    arrays.push(Arc::new(StringArray::from(vec!["canary"; rows.num_rows()])) as ArrayRef);
    for ((_, old), array) in contract().into_iter().zip(rows.columns()).rev() {
        let Some((name, data_type)) = old else { continue };
        arrays.push(match (&data_type, array.as_struct_opt()) {
            (DataType::Struct(own), Some(whole)) => {
                let children = own
                    .iter()
                    .map(|field| cast(whole.column_by_name(field.name()).unwrap(), field.data_type()).unwrap());
                Arc::new(StructArray::new(own.clone(), children.collect(), whole.nulls().cloned()))
            }
            _ => cast_with_options(array, &data_type, &strict).unwrap(),
        });
        fields.push(Field::new(name, data_type, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Some of the contract's columns, in another order.
fn middle(rows: &RecordBatch) -> RecordBatch {
    let kept: Vec<usize> = (0..rows.num_columns())
        .rev()
        .filter(|at| !["flag", "more", "tags"].contains(&columns()[*at].name.as_str()))
        .collect();
    rows.project(&kept).unwrap()
}

/// The rows of the middle file as the contract's.
fn without(rows: &RecordBatch, names: &[&str]) -> RecordBatch {
    let schema = rows.schema();
    let arrays = schema.fields().iter().zip(rows.columns()).map(|(field, array)| {
        if names.contains(&field.name().as_str()) {
            new_null_array(field.data_type(), array.len())
        } else {
            Arc::clone(array)
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), arrays.collect()).unwrap()
}

fn write(world: &Fixture, path: &str, batch: &RecordBatch) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE)
        .set_bloom_filter_enabled(true)
        .build();
    let path = world.folder.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Old, middle and new files in `mixed`, the same rows in the contract's types in `uniform`.
fn files(world: &Fixture) {
    let (old, middle_rows, new) = (rows(0, true), rows(ROWS, false), rows(2 * ROWS, false));
    write(world, "mixed/1.parquet", &narrowed(&old));
    write(world, "mixed/2.parquet", &middle(&middle_rows));
    write(world, "mixed/3.parquet", &new);
    write(world, "uniform/1.parquet", &old);
    write(world, "uniform/2.parquet", &without(&middle_rows, &["flag", "more", "tags"]));
    write(world, "uniform/3.parquet", &new);
}

/// `sales.mixed` and `sales.uniform` whole, `sales.mixed_g` and `sales.uniform_g` behind a row filter and masks.
async fn world(threads: usize, filter: &RowFilter) -> Fixture {
    let mut world = Fixture::with_threads(threads);
    files(&world);
    for place in ["mixed", "uniform"] {
        world.add(place, &columns(), place, Shows::everything()).await;
        let masks = [("code", Mask::Partial), ("seen", Mask::Year), ("raw", Mask::Null)];
        let shows = Shows { rows: filter.clone(), masks: &masks, hidden: &[] };
        world.add(&format!("{place}_g"), &columns(), place, shows).await;
    }
    world
}

/// Each of a few predicates on each column, with literals that a narrower type has, lacks, and has not exactly.
fn atoms() -> Vec<String> {
    let literals: [(&str, &[&str]); 13] = [
        ("id", &["0", "5", "100", "191", "40000", "-1"]),
        ("region", &["'EU'", "'XX'"]),
        ("total", &["0", "-50", "49", "5000000000", "-3000000000", "2147483647"]),
        ("small", &["0", "-1", "199", "255", "256", "30000"]),
        ("price", &["0", "1.25", "1.2345", "-3.3333", "49.9900", "0.0001"]),
        ("ratio", &["0", "0.5", "12.125", "0.1", "-1", "1e300"]),
        (
            "at",
            &[
                "TIMESTAMP '1970-01-01T00:00:00'",
                "TIMESTAMP '1970-01-01T00:00:01.0005'",
                "TIMESTAMP '1970-01-01T00:00:02.500'",
                "TIMESTAMP '2262-01-01T00:00:00'",
            ],
        ),
        ("code", &["'c007'", "'c150'", "'c299'", "'zzz'"]),
        ("note", &["'note 7'", "''"]),
        ("late", &["0", "25", "3000000000"]),
        ("due", &["DATE '1990-01-01'", "DATE '2030-01-01'"]),
        ("seen", &["TIMESTAMP '1970-01-01T00:20:00'"]),
        ("rec['a']", &["50", "5000000000"]),
    ];
    let mut atoms = Vec::new();
    for (column, literals) in literals {
        for literal in literals {
            atoms.extend(["=", "<>", "<"].map(|op| format!("{column} {op} {literal}")));
            atoms.push(format!("{literal} <= {column}"));
        }
        let all = literals.join(", ");
        atoms.push(format!("{column} IN ({all})"));
        atoms.push(format!("{column} NOT IN ({all})"));
        atoms.push(format!("{column} IS DISTINCT FROM {}", literals[0]));
        atoms.push(format!("{column} IS NOT DISTINCT FROM NULL"));
    }
    for column in columns().iter().map(|column| &column.name) {
        atoms.push(format!("{column} IS NULL"));
        atoms.push(format!("{column} IS NOT NULL"));
    }
    let others = [
        "flag",
        "NOT flag",
        "flag IS NOT TRUE",
        "code LIKE 'c1%'",
        "note LIKE 'note 1%'",
        "note NOT LIKE 'x%'",
        "total > small",
        "small = late",
        "price < total",
        "at < seen",
        "rec['b'] = 'b200'",
        "rec['b'] IS NULL",
        "rec['a'] IS NOT NULL",
        "more['x'] > 250",
        "array_has(tags, 3)",
        "NOT array_has(tags, 3)",
        "cardinality(tags) > 1",
        "id BETWEEN 90 AND 200",
        "total % 2 = 0",
        "price * 2 > 1",
        "coalesce(note, 'none') = 'none'",
        "at + INTERVAL '1' SECOND > TIMESTAMP '1970-01-01T00:00:02.0005'",
    ];
    atoms.extend(others.map(str::to_owned));
    atoms
}

/// Conditions made of the atoms.
fn compounds(count: usize) -> Vec<String> {
    let atoms = atoms();
    let atom = |seed: usize| &atoms[noise(seed) as usize % atoms.len()];
    let compound = |at: usize| {
        let (a, b, c) = (atom(at * 3), atom(at * 3 + 1), atom(at * 3 + 2));
        match noise(at) % 5 {
            0 => format!("({a}) AND ({b})"),
            1 => format!("({a}) OR ({b})"),
            2 => format!("NOT (({a}) AND ({b}))"),
            3 => format!("(({a}) OR ({b})) AND ({c})"),
            _ => format!("({a}) OR NOT ({b}) AND ({c})"),
        }
    };
    (0..count).map(compound).collect()
}

/// Asked of each of the tables, as `@`.
fn statements() -> Vec<String> {
    let mut all: Vec<String> =
        atoms().iter().chain(&compounds(60)).map(|atom| format!("SELECT id FROM @ WHERE {atom}")).collect();
    for column in columns().iter().map(|column| &column.name) {
        all.push(format!("SELECT count({column}), count(*) FROM @"));
        all.push(format!("SELECT {column} FROM @"));
        if !["rec", "tags", "more", "names", "pairs"].contains(&column.as_str()) {
            all.push(format!("SELECT min({column}), max({column}) FROM @"));
            all.push(format!("SELECT {column}, count(*) FROM @ GROUP BY {column}"));
            for order in ["ASC", "DESC NULLS LAST"] {
                all.push(format!("SELECT {column}, id FROM @ ORDER BY {column} {order}, id LIMIT 7"));
            }
            all.push(format!("SELECT t.id, u.id FROM @ t JOIN @ u ON t.{column} = u.{column} WHERE u.id % 16 = 3"));
        }
    }
    let others = [
        "SELECT id, region, total, small, price, ratio, at, code, note, flag, late, due, seen, rec, tags, more, pairs FROM @",
        "SELECT 1 FROM @",
        "SELECT sum(total), sum(price), avg(ratio), sum(late) FROM @ WHERE id > 50",
        "SELECT rec['a'], rec['b'] FROM @",
        "SELECT count(*) FROM (SELECT id FROM @ WHERE total >= -50 LIMIT 40)",
        "SELECT count(*) FROM (SELECT id FROM @ WHERE late IS NULL LIMIT 40)",
        "SELECT count(*) FROM (SELECT id FROM @ WHERE small >= 0 AND id >= 0 LIMIT 200)",
        "SELECT t.id FROM (VALUES (3), (5000000000), (100)) d(k) JOIN @ t ON t.total = d.k",
        "SELECT t.id FROM (VALUES (1), (7)) d(k) JOIN @ t ON t.late = d.k",
    ];
    all.extend(others.map(str::to_owned));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn old_and_new_files_answer_as_one_that_has_the_contracts_form() {
    let world = world(2, &equal("region", "EU")).await;
    let (mut rows, mut differing) = (0, Vec::new());
    for statement in statements() {
        for kind in ["", "_g"] {
            let ask = async |table: &str| {
                let sql = statement.replace('@', &format!("sales.{table}{kind}"));
                world.run(&sql).await.map(|batches| texts(&batches)).map_err(|error| format!("{sql}: {error:?}"))
            };
            match (ask("mixed").await, ask("uniform").await) {
                (Ok(mixed), Ok(uniform)) if mixed == uniform => rows += mixed.len(),
                (Ok(mixed), Ok(uniform)) => {
                    differing.push(format!("{statement} on `{kind}`: {} rows, not {}", mixed.len(), uniform.len()));
                }
                (Err(error), _) | (_, Err(error)) => differing.push(error),
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(rows > 10_000, "{rows} rows were compared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_filters_on_columns_that_evolved_show_the_same_rows() {
    let compare = |column: &str, op, value| RowFilter::Compare { column: column.into(), op, value };
    let filters = [
        (compare("total", Comparison::Greater, Literal::Number(5_000_000_000)), "total > 5000000000"),
        (compare("total", Comparison::Less, Literal::Number(3)), "total < 3"),
        (compare("small", Comparison::NotEqual, Literal::Number(-1)), "small IS NOT NULL"),
        (compare("small", Comparison::LessOrEqual, Literal::Number(100)), "small <= 100"),
        (compare("price", Comparison::Greater, Literal::Decimal(12_345)), "price > 1.2345"),
        (
            compare("at", Comparison::GreaterOrEqual, Literal::Instant(1_001)),
            "at >= TIMESTAMP '1970-01-01T00:00:01.001'",
        ),
        (equal("code", "c150"), "code = 'c150'"),
        (equal("note", "note 7"), "note = 'note 7'"),
        (RowFilter::Present { column: "note".into(), present: false }, "note IS NULL"),
        (RowFilter::Present { column: "late".into(), present: true }, "late IS NOT NULL"),
        (RowFilter::Flag { column: "flag".into(), value: false }, "NOT flag"),
        (
            RowFilter::In {
                column: "late".into(),
                values: vec![Literal::Number(3), Literal::Number(1 << 40)],
                negated: true,
            },
            "late <> 3",
        ),
        (
            RowFilter::Or(vec![
                RowFilter::Present { column: "flag".into(), present: false },
                compare("total", Comparison::Equal, Literal::Number(7)),
            ]),
            "flag IS NULL OR total = 7",
        ),
    ];
    for (filter, by_hand) in filters {
        let world = world(1, &filter).await;
        for statement in [
            "SELECT id, total, small, price, at, note, flag, late FROM @",
            "SELECT count(*), min(total), max(at), count(note) FROM @",
            "SELECT id FROM @ WHERE total < 40 AND id > 20",
            "SELECT id FROM @ WHERE late IS NULL OR small > 100",
            "SELECT id FROM @ ORDER BY total DESC, id LIMIT 5",
        ] {
            let governed = statement.replace('@', "sales.mixed_g");
            let expected = statement.replace('@', &format!("(SELECT * FROM sales.uniform WHERE {by_hand})"));
            assert_eq!(world.rows(&governed).await, world.rows(&expected).await, "{statement} where {by_hand}");
        }
    }
}
