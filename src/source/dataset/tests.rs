use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::{DataType, Int32Type, TimeUnit};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::ScalarValue;
use datafusion::common::stats::Precision;
use datafusion::datasource::source::DataSourceExec;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload};

use super::*;
use crate::policy::{GrantedColumn, RowFilter};
use crate::product::{Column, Location, Origin};
use crate::product::{Name, Product, Status, Version};
use crate::source::{SourceFault, classify};
use crate::source::{SourceLimits, StoresConfig};

// ---- what files hold --------------------------------------------------------------------------------

#[tokio::test]
async fn a_file_a_glob_and_a_folder_are_read() {
    let world = World::new(vec![column("id", DataType::Int64)]);
    for name in ["a/1.parquet", "a/2.parquet", "b/3.parquet", "_tmp/4.parquet", "a/.5.parquet", "a/6.csv"] {
        world.write(name, [("id", ints(&[name.len() as i64]))]);
    }
    for (location, files) in
        [("a/1.parquet", 1), ("a/*.parquet", 2), ("*/[12].parquet", 2), ("**/*.parquet", 3), (".", 3), ("a/", 2)]
    {
        let source = world.open_at(location).await.unwrap();
        assert_eq!(source.snapshot().files().len(), files, "{location}");
        assert_eq!(source.statistics().num_rows, Precision::Exact(files), "{location}");
    }
    for location in ["c", "c/*.parquet", "a/1.parquet/"] {
        let error = world.open_at(location).await.unwrap_err();
        assert!(matches!(error, SourceError::NoFile { .. }), "{location}: {error}");
    }
    fs::create_dir(world.path("empty")).unwrap();
    assert!(matches!(world.open_at("empty").await, Err(SourceError::NoFile { .. })));
}

#[tokio::test]
async fn partition_keys_stand_where_the_contract_puts_them() {
    let world = World::new(vec![
        column("year", DataType::Int32),
        column("id", DataType::Int64),
        column("region", DataType::Utf8),
    ]);
    world.write("year=2024/region=a%2Fb/1.parquet", [("id", ints(&[1, 2]))]);
    world.write("year=2025/region=__HIVE_DEFAULT_PARTITION__/2.parquet", [("id", ints(&[3]))]);
    let source = world.open().await.unwrap();
    assert_eq!((0..3).map(|c| source.raw_index(c)).collect::<Vec<_>>(), [Some(1), Some(0), Some(2)]);
    insta::assert_snapshot!(world.sql(&source, "SELECT * FROM t ORDER BY id").await.unwrap(), @r"
    +------+----+--------+
    | year | id | region |
    +------+----+--------+
    | 2024 | 1  | a/b    |
    | 2024 | 2  | a/b    |
    | 2025 | 3  |        |
    +------+----+--------+
    ");
    let counts = "SELECT count(region) r, count(*) n, min(year) y FROM t";
    insta::assert_snapshot!(world.sql(&source, counts).await.unwrap(), @r"
    +---+---+------+
    | r | n | y    |
    +---+---+------+
    | 2 | 3 | 2024 |
    +---+---+------+
    ");
    for (filter, ids) in [("region IS NULL", "3"), ("region = 'a/b' AND year < 2025", "12"), ("year > 2030", "")] {
        let rows = world.rows(&source, &format!("SELECT id FROM t WHERE {filter} ORDER BY id")).await;
        assert_eq!(rows.concat(), ids, "{filter}");
    }
}

#[tokio::test]
async fn partition_keys_are_checked() {
    let mut year = column("year", DataType::Int32);
    year.nullable = false;
    let world = World::new(vec![year, column("id", DataType::Int64)]);
    world.write("good/year=1/1.parquet", [("id", ints(&[1]))]);
    world.write("null/year=__HIVE_DEFAULT_PARTITION__/1.parquet", [("id", ints(&[1]))]);
    world.write("text/year=soon/1.parquet", [("id", ints(&[1]))]);
    world.write("mixed/year=1/1.parquet", [("id", ints(&[1]))]);
    world.write("mixed/1.parquet", [("id", ints(&[1])), ("year", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]);
    assert!(world.open_at("good").await.is_ok());
    assert!(world.open_at("good/year=1").await.is_ok(), "the location's own folders count too");
    for (location, reason) in [("null", "requires a value"), ("text", "`soon`"), ("mixed", "others do not")] {
        let error = world.open_at(location).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{location}: {error}");
    }
}

#[tokio::test]
async fn every_encoding_is_served_in_the_contracts_type() {
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let record = |extra: bool| {
        let a = (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef);
        let b = (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x", "y"])) as _);
        StructArray::from(if extra { vec![b, a] } else { vec![a] })
    };
    let world = World::new(vec![
        column("large", DataType::Utf8),
        column("view", DataType::Utf8),
        column("dictionary", DataType::Utf8),
        column("bytes", DataType::Binary),
        column("price", DataType::Decimal128(12, 2)),
        column("day", DataType::Date32),
        column("at", zoned.clone()),
        column("tags", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))),
        column("record", record(false).data_type().clone()),
    ]);
    let mut tags = ListBuilder::new(LargeStringBuilder::new()).with_field(Field::new("e", DataType::LargeUtf8, true));
    tags.append_value([Some("t"), None]);
    tags.append_null();
    world.write(
        "x.parquet",
        [
            ("large", Arc::new(LargeStringArray::from(vec!["l", "m"])) as ArrayRef),
            ("view", Arc::new(StringViewArray::from(vec![Some("a string too long to be inlined"), None]))),
            ("dictionary", Arc::new(["d", "d"].into_iter().collect::<DictionaryArray<Int32Type>>())),
            ("bytes", Arc::new(BinaryViewArray::from(vec![b"b".as_slice(), b"c"]))),
            ("price", Arc::new(Decimal64Array::from(vec![150, 250]).with_precision_and_scale(12, 2).unwrap())),
            ("day", Arc::new(Date32Array::from(vec![0, 1]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![0, 1]).with_timezone("+02:00"))),
            ("tags", Arc::new(tags.finish())),
            ("record", Arc::new(record(true))),
            ("secret", Arc::new(StringArray::from(vec!["canary", "canary"]))),
        ],
    );
    let source = world.open().await.unwrap();
    let batches = world.batches(&source, "SELECT * FROM t").await.unwrap();
    assert_eq!(batches[0].schema().fields(), world.dataset.schema().fields());
    insta::assert_snapshot!(pretty_format_batches(&batches).unwrap(), @r"
    +-------+---------------------------------+------------+-------+-------+------------+-----------------------------+-------+--------+
    | large | view                            | dictionary | bytes | price | day        | at                          | tags  | record |
    +-------+---------------------------------+------------+-------+-------+------------+-----------------------------+-------+--------+
    | l     | a string too long to be inlined | d          | 62    | 1.50  | 1970-01-01 | 1970-01-01T00:00:00Z        | [t, ] | {a: 1} |
    | m     |                                 | d          | 63    | 2.50  | 1970-01-02 | 1970-01-01T00:00:00.000001Z |       | {a: 2} |
    +-------+---------------------------------+------------+-------+-------+------------+-----------------------------+-------+--------+
    ");
    for filter in ["large = 'l'", "dictionary LIKE 'd%'", "price > 1.4", "at < '1970-01-02'", "view IS NOT NULL"] {
        assert!(!world.rows(&source, &format!("SELECT day FROM t WHERE {filter}")).await.is_empty(), "{filter}");
    }
}

#[tokio::test]
async fn physical_names_are_read_and_contract_names_shown() {
    // The names are swapped on purpose: a mix-up would still find columns, of the right type.
    let named = |name: &str, physical: &str| Column { physical_name: physical.into(), ..column(name, DataType::Int64) };
    let world = World::new(vec![named("a", "b"), named("b", "a"), named("total", "TOTAL")]);
    world.write("x.parquet", [("a", ints(&[1, 2])), ("b", ints(&[10, 20])), ("TOTAL", ints(&[5, 5]))]);
    world.write("y.parquet", [("TOTAL", ints(&[6])), ("b", ints(&[30])), ("a", ints(&[3]))]);
    let source = world.open().await.unwrap();
    insta::assert_snapshot!(world.sql(&source, "SELECT * FROM t ORDER BY a").await.unwrap(), @r"
    +----+---+-------+
    | a  | b | total |
    +----+---+-------+
    | 10 | 1 | 5     |
    | 20 | 2 | 5     |
    | 30 | 3 | 6     |
    +----+---+-------+
    ");
    for query in [
        "SELECT a FROM t WHERE b = 3",
        "SELECT a FROM t WHERE a > 20 AND total = 6",
        "SELECT max(a) FROM t",
        "SELECT a FROM t ORDER BY b DESC LIMIT 1",
        "SELECT t.a FROM t JOIN t u ON t.a = u.a WHERE u.b > 2",
    ] {
        assert_eq!(world.rows(&source, query).await, ["30"], "{query}");
    }
    let raw: Vec<_> = source.raw_schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(raw, ["b", "a", "TOTAL"]);
}

// ---- what files must not do -------------------------------------------------------------------------

#[tokio::test]
async fn files_that_break_the_contract_are_refused() {
    let mut required = column("id", DataType::Int64);
    required.nullable = false;
    let world = World::new(vec![required]);
    let nulls = Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef;
    for (folder, name, values, reason) in [
        ("missing", "other", ints(&[1]), "is missing, and the contract requires it"),
        ("type", "id", Arc::new(UInt64Array::from(vec![1])) as ArrayRef, "has type UInt64 in the file and Int64"),
        ("null", "id", nulls, "lacks a value in 1 rows"),
    ] {
        world.write(&format!("{folder}/good.parquet"), [("id", ints(&[1]))]);
        world.write(&format!("{folder}/bad.parquet"), [(name, values)]);
        let error = world.open_at(folder).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{folder}: {error}");
        assert!(error.to_string().contains("bad.parquet"), "{folder}: {error}");
        assert!(!error.for_caller().contains("parquet`") && !error.is_transient());
    }
    for bytes in [&b""[..], b"PAR1", b"PAR1 no parquet at all PAR1", b"PAR1\0\0\0\0\0\0\0\0PARE", b"PAR1\0\0\0\0PAR1"] {
        fs::write(world.path("broken.parquet"), bytes).unwrap();
        let error = world.open_at("broken.parquet").await.unwrap_err();
        assert!(matches!(error, SourceError::Damaged { .. }), "{bytes:?}: {error}");
    }
}

#[tokio::test]
async fn a_column_that_no_file_has_is_refused() {
    let record = |names: &[&str]| {
        let field = |name: &&str| (Arc::new(Field::new(*name, DataType::Int64, true)), ints(&[1]));
        Arc::new(StructArray::from(names.iter().map(field).collect::<Vec<_>>())) as ArrayRef
    };
    let columns = || {
        let nested = record(&["a", "b"]).data_type().clone();
        vec![column("id", DataType::Int64), column("late", DataType::Utf8), column("rec", nested)]
    };
    let text = || Arc::new(StringArray::from(vec!["x"])) as ArrayRef;
    for (files, nowhere) in [
        (
            vec![vec![("id", ints(&[1])), ("late", text()), ("rec", record(&["a", "b"]))], vec![("id", ints(&[2]))]],
            None,
        ),
        (vec![vec![("id", ints(&[1])), ("rec", record(&["a", "b"]))], vec![("id", ints(&[2]))]], Some("`late`")),
        (
            vec![vec![("id", ints(&[1])), ("late", text())], vec![("id", ints(&[2])), ("rec", record(&["a"]))]],
            Some("`rec.b`"),
        ),
    ] {
        let world = World::new(columns());
        for (at, file) in files.into_iter().enumerate() {
            world.write(&format!("{at}.parquet"), file);
        }
        match (world.open().await, nowhere) {
            (Ok(_), None) => {}
            (Err(error), Some(name)) => {
                assert!(error.to_string().contains(&format!("no file has the column {name}")), "{error}");
                assert!(!error.for_caller().contains("late") && !error.is_transient());
            }
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn names_may_differ_in_case_where_one_thing_is_meant() {
    let world = World::new(vec![column("id", DataType::Int64), column("Total", DataType::Int64)]);
    world.write("a/1.parquet", [("ID", ints(&[1])), ("total", ints(&[10]))]);
    world.write("a/2.parquet", [("Total", ints(&[20])), ("TOTAL", ints(&[99])), ("id", ints(&[2]))]);
    let source = world.open_at("a").await.unwrap();
    assert_eq!(world.rows(&source, "SELECT id, \"Total\" FROM t ORDER BY id").await, ["1,10", "2,20"]);
    assert_eq!(world.rows(&source, "SELECT id FROM t WHERE \"Total\" < 15").await, ["1"]);
    world.write("a/3.parquet", [("id", ints(&[3])), ("TOTAL", ints(&[1])), ("total", ints(&[2]))]);
    let error = world.open_at("a").await.unwrap_err().to_string();
    assert!(error.contains("3.parquet") && error.contains("`TOTAL` or `total` could be meant"), "{error}");
}

#[tokio::test]
async fn coarse_timestamps_are_read_where_the_footer_shows_that_all_fit() {
    let millis = |values: &[i64]| Arc::new(TimestampMillisecondArray::from(values.to_vec())) as ArrayRef;
    let world = World::new(vec![column("at", DataType::Timestamp(TimeUnit::Nanosecond, None))]);
    world.write("good.parquet", [("at", millis(&[-5, 7, 9_223_372_036_854]))]);
    let source = world.open_at("good.parquet").await.unwrap();
    let rows = world.rows(&source, "SELECT CAST(at AS BIGINT) FROM t WHERE at > TIMESTAMP '1970-01-01'").await;
    assert_eq!(rows, ["7000000", "9223372036854000000"]);
    // Literals between two milliseconds.
    for (filter, rows) in [
        ("at < TIMESTAMP '1970-01-01T00:00:00.0075'", &["-5000000", "7000000"][..]),
        ("at < TIMESTAMP '1969-12-31T23:59:59.9950001'", &["-5000000"]),
        ("at = TIMESTAMP '1970-01-01T00:00:00.0070001'", &[]),
    ] {
        assert_eq!(world.rows(&source, &format!("SELECT CAST(at AS BIGINT) FROM t WHERE {filter}")).await, rows);
    }
    world.write("far.parquet", [("at", millis(&[9_223_372_036_855]))]);
    let silent = datafusion::parquet::file::properties::EnabledStatistics::None;
    let silent = WriterProperties::builder().set_statistics_enabled(silent).build();
    world.write_with("silent.parquet", [("at", millis(&[1]))], silent);
    for file in ["far.parquet", "silent.parquet"] {
        let error = world.open_at(file).await.unwrap_err().to_string();
        assert!(error.contains("does not show that every value fits"), "{error}");
    }
}

#[tokio::test]
async fn statistics_of_old_files_are_those_of_the_contracts_types() {
    let world = World::new(vec![
        column("id", DataType::Int64),
        column("price", DataType::Decimal128(12, 4)),
        column("ratio", DataType::Float64),
        column("late", DataType::Int64),
    ]);
    let price = Arc::new(Decimal128Array::from(vec![150, -275]).with_precision_and_scale(8, 2).unwrap()) as ArrayRef;
    world.write(
        "1.parquet",
        [
            ("id", Arc::new(Int32Array::from(vec![1, 7])) as ArrayRef),
            ("price", price),
            ("ratio", Arc::new(Float32Array::from(vec![0.5, 1.5]))),
        ],
    );
    let price = Arc::new(Decimal128Array::from(vec![12_345]).with_precision_and_scale(12, 4).unwrap()) as ArrayRef;
    let ratio = Arc::new(Float64Array::from(vec![9.0])) as ArrayRef;
    world.write("2.parquet", [("id", ints(&[1 << 40])), ("price", price), ("ratio", ratio), ("late", ints(&[3]))]);
    let source = world.open().await.unwrap();
    let of = |index: usize| source.statistics().column_statistics[index].clone();
    assert_eq!(of(0).min_value, Precision::Exact(ScalarValue::Int64(Some(1))));
    assert_eq!(of(0).max_value, Precision::Exact(ScalarValue::Int64(Some(1 << 40))));
    assert_eq!(of(1).min_value, Precision::Exact(ScalarValue::Decimal128(Some(-27_500), 12, 4)));
    assert_eq!(of(2).max_value, Precision::Inexact(ScalarValue::Float64(Some(9.0))));
    assert_eq!((of(3).null_count, of(3).min_value), (Precision::Exact(2), Precision::Absent));
    for (filter, files) in
        [("id > 8", 1), ("price > 1.6", 0), ("price < -2.7", 1), ("late > 0", 1), ("late IS NULL", 1)]
    {
        let (_, plan) = world.plan(&source, &format!("SELECT * FROM t WHERE {filter}")).await;
        assert_eq!(files_of(&plan), files, "{filter}");
    }
}

#[tokio::test]
async fn an_optional_file_column_serves_a_required_one_while_it_has_no_null() {
    let mut required = column("id", DataType::Int64);
    required.nullable = false;
    let world = World::new(vec![required]);
    world.write("good.parquet", [("id", ints(&[1, 2, 3]))]);
    let source = world.open().await.unwrap();
    let batches = world.batches(&source, "SELECT id FROM t WHERE id >= 2").await.unwrap();
    assert!(!batches[0].schema().field(0).is_nullable());
    // Without statistics the footer cannot tell: the scan refuses the null when it meets it.
    let unknown = WriterProperties::builder()
        .set_statistics_enabled(datafusion::parquet::file::properties::EnabledStatistics::None)
        .build();
    world.write_with("good.parquet", [("id", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef)], unknown);
    let source = world.open().await.unwrap();
    let error = world.batches(&source, "SELECT id FROM t").await.unwrap_err();
    assert!(error.to_string().contains("non-nullable"), "{error}");
}

#[tokio::test]
async fn a_file_changed_while_read_is_never_mixed_in() {
    for change in [Change::Replaced, Change::Overwritten, Change::Deleted, Change::Truncated] {
        let world = World::new(vec![column("id", DataType::Int64)]);
        world.write("a.parquet", [("id", ints(&[1, 2]))]);
        world.write("b.parquet", [("id", ints(&[3, 4]))]);
        let source = world.open().await.unwrap();
        assert!(source.is_current().await.unwrap() && source.refresh().await.unwrap().is_none());
        change.make(&world);
        for query in ["SELECT id FROM t", "SELECT sum(id) FROM t WHERE id > 0"] {
            let error = world.batches(&source, query).await.unwrap_err();
            assert_eq!(classify(&error), Some(SourceFault::Changed), "{change:?}: {error}");
        }
        assert!(source.has_changed() && !source.is_current().await.unwrap(), "{change:?}");
        world.write("b.parquet", [("id", ints(&[7]))]);
        let newer = source.refresh().await.unwrap().unwrap();
        assert_eq!(world.rows(&newer, "SELECT id FROM t ORDER BY id").await.concat(), "127", "{change:?}");
    }
}

#[tokio::test]
async fn files_that_arrive_later_need_a_refresh() {
    let world = World::new(vec![column("id", DataType::Int64)]);
    world.write("a.parquet", [("id", ints(&[1]))]);
    let source = world.open().await.unwrap();
    world.write("b.parquet", [("id", ints(&[2]))]);
    assert!(!source.is_current().await.unwrap());
    assert_eq!(world.rows(&source, "SELECT id FROM t").await.concat(), "1");
    let newer = source.refresh().await.unwrap().unwrap();
    assert_ne!(source.snapshot().id(), newer.snapshot().id());
    assert_eq!(world.rows(&newer, "SELECT id FROM t ORDER BY id").await.concat(), "12");
    assert_eq!(world.rows(&source, "SELECT id FROM t").await.concat(), "1");
}

#[cfg(unix)]
#[tokio::test]
async fn symlinks_lead_nowhere_outside() {
    use std::os::unix::fs::symlink;
    let outside = World::new(vec![column("id", DataType::Int64)]);
    outside.write("deep/secret.parquet", [("id", ints(&[1]))]);
    let world = World::new(vec![column("id", DataType::Int64)]);
    world.write("inside/a.parquet", [("id", ints(&[1]))]);
    for (name, target) in [
        ("file/x.parquet", outside.path("deep/secret.parquet")),
        ("folder/x", outside.path("deep")),
        ("base", outside.path("deep")),
        ("loop/again", world.path("loop")),
        ("key/id=1", outside.path("deep")),
    ] {
        let link = world.path(name);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
    for location in [
        "file",
        "file/*.parquet",
        "file/x.parquet",
        "folder",
        "folder/x/",
        "base",
        "base/*.parquet",
        "loop",
        "key",
        "key/id=1/secret.parquet",
    ] {
        let error = world.open_at(location).await.unwrap_err();
        assert!(matches!(error, SourceError::Location { .. }), "{location}: {error}");
        assert!(!error.for_caller().contains("deep"));
    }
    // Within the root, a link to a file and a linked location are no way out.
    symlink(world.path("inside/a.parquet"), world.path("link.parquet")).unwrap();
    symlink(world.path("inside"), world.path("current")).unwrap();
    assert!(world.open_at("link.parquet").await.is_ok());
    assert!(world.open_at("current").await.is_ok());
    // A link nobody asks for is ignored, a broken one too.
    symlink(outside.path("nowhere"), world.path("inside/notes.txt")).unwrap();
    assert!(world.open_at("inside").await.is_ok());
}

#[tokio::test]
async fn too_many_files_are_refused() {
    let mut world = World::new(vec![column("id", DataType::Int64)]);
    let limits = SourceLimits { max_files: 2, ..SourceLimits::default() };
    world.stores = Stores::with_limits(&StoresConfig::default(), Path::new("."), limits).unwrap();
    for name in ["1.parquet", "2.parquet", "3.parquet"] {
        world.write(name, [("id", ints(&[1]))]);
    }
    assert!(matches!(world.open().await, Err(SourceError::TooManyFiles { limit: 2, .. })));
    assert!(world.open_at("[12].parquet").await.is_ok());
}

#[tokio::test]
async fn only_the_datasets_own_grant_opens_it() {
    let world = World::new(vec![column("id", DataType::Int64)]);
    world.write("a.parquet", [("id", ints(&[1]))]);
    let source = world.open().await.unwrap();
    let other = World::new(vec![column("id", DataType::Utf8)]);
    assert!(matches!(source.file_scan(&other.grant(), 1), Err(SourceError::WrongGrant { .. })));
    let foreign =
        World { product: Arc::new(Product { id: id("hr", "t"), ..(*world.product).clone() }), ..world.again() };
    assert!(matches!(source.provider(&foreign.grant()), Err(SourceError::WrongGrant { .. })));
    let restricted = Grant::for_tests(
        Arc::clone(&world.product),
        Arc::clone(&world.dataset),
        vec![GrantedColumn { index: 0, mask: None }],
        RowFilter::Nothing,
    );
    assert!(matches!(source.provider(&restricted), Err(SourceError::WrongGrant { .. })));
    assert!(source.file_scan(&restricted, 1).is_ok());
}

#[tokio::test]
async fn legacy_timestamps_are_read_in_the_contracts_unit() {
    use datafusion::parquet::data_type::{Int96, Int96Type};
    use datafusion::parquet::file::writer::SerializedFileWriter;
    use datafusion::parquet::schema::parser::parse_message_type;

    for zone in [None, Some("UTC".into())] {
        let world = World::new(vec![column("at", DataType::Timestamp(TimeUnit::Microsecond, zone))]);
        let schema = Arc::new(parse_message_type("message m { required int96 at; }").unwrap());
        let file = fs::File::create(world.path("a.parquet")).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut values = group.next_column().unwrap().unwrap();
        let mut epoch = Int96::new();
        epoch.set_data(1_500, 0, 2_440_588);
        // The year 9999, which nanoseconds cannot hold.
        let mut far = Int96::new();
        far.set_data(0, 0, 5_373_484);
        values.typed::<Int96Type>().write_batch(&[epoch, far], None, None).unwrap();
        values.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let source = world.open().await.unwrap();
        let rows = world.rows(&source, "SELECT CAST(at AS BIGINT) AS n FROM t ORDER BY n").await;
        assert_eq!(rows, ["1", "253402214400000000"]);
    }
}

/// Parquet's page decoder panics on some of these (59.3); whoever runs the scan has to catch that. Here it
/// is enough that opening never does, and that damage is not taken for a changed file.
#[tokio::test]
async fn a_damaged_file_opens_or_is_refused() {
    let world = World::new(vec![column("id", DataType::Int64), column("note", DataType::Utf8)]);
    let notes = Arc::new(StringArray::from((0..50).map(|n| format!("note {n}")).collect::<Vec<_>>())) as ArrayRef;
    world.write("a.parquet", [("id", ints(&(0..50).collect::<Vec<_>>())), ("note", notes)]);
    let good = fs::read(world.path("a.parquet")).unwrap();
    let mut outcomes = BTreeSet::new();
    for at in (0..good.len()).step_by(11).chain(good.len() - 8..good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        fs::write(world.path("a.parquet"), bytes).unwrap();
        let source = match world.open().await {
            Ok(source) => source,
            Err(error) => {
                assert!(!error.is_transient(), "{at}: {error}");
                outcomes.insert("refused");
                continue;
            }
        };
        let reading = std::panic::AssertUnwindSafe(world.batches(&source, "SELECT * FROM t WHERE id > 3"));
        outcomes.insert(match futures::FutureExt::catch_unwind(reading).await {
            Ok(Ok(_)) => "read",
            Ok(Err(error)) => {
                assert_eq!(classify(&error), Some(SourceFault::Damaged), "{at}: {error:?}");
                "damaged"
            }
            Err(_) => "panicked",
        });
    }
    assert!(outcomes.is_superset(&BTreeSet::from(["refused", "read", "damaged"])), "{outcomes:?}");
}

// ---- how it is planned ------------------------------------------------------------------------------

#[tokio::test]
async fn the_bare_scan_gives_every_column_and_no_predicate() {
    let world = World::new(vec![column("year", DataType::Int32), column("id", DataType::Int64)]);
    for year in 1..=5 {
        world.write(&format!("year={year}/a.parquet"), [("id", ints(&[year, year * 10]))]);
    }
    let source = world.open().await.unwrap();
    let scan = source.file_scan(&world.grant(), 2).unwrap();
    assert_eq!(scan.file_groups.len(), 2);
    assert!(scan.file_source().filter().is_none());
    assert_eq!(scan.file_source().table_schema().table_schema(), source.raw_schema());
    let context = SessionContext::new();
    let (url, store) = source.store();
    context.runtime_env().register_object_store(url.as_ref(), store);
    let batches = collect(DataSourceExec::from_data_source(scan), context.task_ctx()).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 10);
    assert_eq!(batches[0].schema().fields().len(), 2);
}

#[tokio::test]
async fn statistics_answer_only_what_is_certain() {
    let world = World::new(vec![
        column("id", DataType::Int64),
        column("ratio", DataType::Float64),
        column("note", DataType::Utf8),
    ]);
    let float = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let text = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
    let long = "x".repeat(300);
    world.write(
        "a.parquet",
        [("id", ints(&[1, 1])), ("ratio", float(vec![1.0, f64::NAN])), ("note", text(vec![Some(&long), None]))],
    );
    world.write("b.parquet", [("id", ints(&[7])), ("ratio", float(vec![1.0])), ("note", text(vec![None]))]);
    let source = world.open().await.unwrap();
    let statistics = source.statistics();
    let of = |index: usize| &statistics.column_statistics[index];
    assert_eq!(statistics.num_rows, Precision::Exact(3));
    assert_eq!(of(0).min_value, Precision::Exact(ScalarValue::Int64(Some(1))));
    assert_eq!(of(0).max_value, Precision::Exact(ScalarValue::Int64(Some(7))));
    assert_eq!(of(2).null_count, Precision::Exact(2));
    assert!(!matches!(of(1).max_value, Precision::Exact(_)) && !matches!(of(2).max_value, Precision::Exact(_)));
    // `ratio` looks constant in the footer, and is not.
    assert_eq!(world.rows(&source, "SELECT count(*) FROM t WHERE ratio = 1").await, ["2"]);
    assert_eq!(world.rows(&source, "SELECT count(note) FROM t").await, ["1"]);
    assert_eq!(world.rows(&source, "SELECT length(max(note)) FROM t").await, ["300"]);
}

#[tokio::test]
async fn files_are_left_out_by_their_statistics() {
    let world = World::new(vec![column("id", DataType::Int64), column("day", DataType::Utf8)]);
    for day in 1..=4 {
        world.write(&format!("day=0{day}/a.parquet"), [("id", ints(&[day * 10, day * 10 + 5]))]);
    }
    let source = world.open().await.unwrap();
    for (filter, files) in [("id > 32", 2), ("day = '02'", 1), ("id < 0", 0), ("id % 2 = 0", 4), ("day <> '01'", 3)] {
        let (_, plan) = world.plan(&source, &format!("SELECT * FROM t WHERE {filter}")).await;
        assert_eq!(files_of(&plan), files, "{filter}");
    }
}

#[tokio::test]
async fn an_optional_column_is_still_pruned_when_required() {
    let mut required = column("id", DataType::Int64);
    required.nullable = false;
    let world = World::new(vec![required]);
    let small = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
    world.write_with("a.parquet", [("id", ints(&(0..100).collect::<Vec<_>>()))], small);
    let source = world.open().await.unwrap();
    let (context, plan) = world.plan(&source, "SELECT id FROM t WHERE id IN (5, 6)").await;
    let batches = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    let metrics = DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(true).to_string();
    assert!(metrics.contains("row_groups_pruned_statistics=10 total → 1 matched"), "{metrics}");
}

// ---- object stores ----------------------------------------------------------------------------------

#[tokio::test]
async fn an_object_store_is_read_pinned() {
    let memory = Arc::new(InMemory::new());
    let mut world = World::new(vec![column("id", DataType::Int64), column("k", DataType::Utf8)]);
    let staging = world.again();
    let put = async |path: &str, values: &[i64]| {
        let file = staging.path("staging/x.parquet");
        staging.write("staging/x.parquet", [("id", ints(values))]);
        let bytes = fs::read(file).unwrap();
        memory.put(&path.into(), PutPayload::from(bytes)).await.unwrap();
    };
    put("sales/orders/k=1/a.parquet", &[1, 2]).await;
    put("sales/orders/k=2/b.parquet", &[3, 4]).await;
    put("sales/orders/_delta_log/c.parquet", &[9]).await;
    put("hr/people/k=1/d.parquet", &[9]).await;
    let stores = Stores::for_tests("s3://lake", Arc::clone(&memory) as Arc<dyn ObjectStore>);
    world.stores = stores;
    world.data_root = "s3://lake/sales".into();
    for (location, ids) in [
        ("orders/", "1234"),
        ("orders", "1234"),
        ("s3://lake/sales/orders/k=2/b.parquet", "34"),
        ("orders/k=[1]/*.parquet", "12"),
        ("**/*.parquet", "1234"),
    ] {
        let source = world.open_at(location).await.unwrap_or_else(|error| panic!("{location}: {error}"));
        assert_eq!(world.rows(&source, "SELECT id FROM t ORDER BY id").await.concat(), ids, "{location}");
    }
    for location in ["s3://lake/hr/people", "../hr/people", "s3://other/sales/orders", "people"] {
        assert!(world.open_at(location).await.is_err(), "{location}");
    }
    let source = world.open_at("orders/").await.unwrap();
    let again = world.open_at("s3://lake/sales/orders").await.unwrap();
    assert_eq!(source.snapshot().id(), again.snapshot().id());
    put("sales/orders/k=2/b.parquet", &[5, 6]).await;
    let error = world.batches(&source, "SELECT id FROM t").await.unwrap_err();
    assert_eq!(classify(&error), Some(SourceFault::Changed), "{error}");
    let newer = source.refresh().await.unwrap().unwrap();
    assert_eq!(world.rows(&newer, "SELECT id FROM t ORDER BY id").await.concat(), "1256");
}

#[tokio::test]
async fn the_pinned_store_knows_only_its_files() {
    let world = World::new(vec![column("id", DataType::Int64)]);
    world.write("a/x.parquet", [("id", ints(&[1]))]);
    world.write("b/y.parquet", [("id", ints(&[1]))]);
    let source = world.open_at("a").await.unwrap();
    let (url, store) = source.store();
    assert_eq!(url.as_str().trim_end_matches('/'), format!("airside://{}", source.snapshot().id()));
    let known = source.snapshot().files()[0].meta.clone();
    assert_eq!(store.get(&known.location).await.unwrap().bytes().await.unwrap().len() as u64, known.size);
    assert_eq!(store.head(&known.location).await.unwrap(), known);
    for path in ["b/y.parquet", "a/../b/y.parquet", "y.parquet", ""] {
        let path = object_store::path::Path::from(path);
        assert!(matches!(store.get(&path).await, Err(object_store::Error::NotFound { .. })), "{path}");
    }
    assert!(store.put(&known.location, PutPayload::new()).await.is_err());
    assert!(store.delete(&known.location).await.is_err());
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert!(!format!("{store:?} {store} {source:?}").contains("x.parquet"));
}

// ---- helpers ----------------------------------------------------------------------------------------

struct World {
    folder: Arc<tempfile::TempDir>,
    stores: Stores,
    data_root: String,
    product: Arc<Product>,
    dataset: Arc<Dataset>,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Replaced,
    Overwritten,
    Deleted,
    Truncated,
}

impl Change {
    fn make(self, world: &World) {
        let path = world.path("b.parquet");
        match self {
            // As careful writers do: a new file takes the place of the old.
            Self::Replaced => {
                world.write("c.tmp", [("id", ints(&[5, 6]))]);
                fs::rename(world.path("c.tmp"), path).unwrap();
            }
            // The same name, size and modification time.
            Self::Overwritten => {
                let modified = fs::metadata(&path).unwrap().modified().unwrap();
                let mut bytes = fs::read(&path).unwrap();
                bytes[8] ^= 1;
                fs::write(&path, bytes).unwrap();
                fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            }
            Self::Deleted => fs::remove_file(path).unwrap(),
            Self::Truncated => fs::File::options().write(true).open(path).unwrap().set_len(20).unwrap(),
        }
    }
}

impl World {
    fn new(columns: Vec<Column>) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let dataset = Arc::new(dataset(columns, "."));
        Self {
            stores: Stores::new(&StoresConfig::default(), Path::new(".")).unwrap(),
            data_root: folder.path().to_str().unwrap().to_owned(),
            product: Arc::new(product(&dataset)),
            dataset,
            folder,
        }
    }

    fn again(&self) -> Self {
        Self {
            folder: Arc::clone(&self.folder),
            stores: self.stores.clone(),
            data_root: self.data_root.clone(),
            product: Arc::clone(&self.product),
            dataset: Arc::clone(&self.dataset),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write<'a>(&self, name: &str, columns: impl IntoIterator<Item = (&'a str, ArrayRef)>) {
        self.write_with(name, columns, WriterProperties::default());
    }

    fn write_with<'a>(
        &self,
        name: &str,
        columns: impl IntoIterator<Item = (&'a str, ArrayRef)>,
        properties: WriterProperties,
    ) {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
                .unwrap();
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        let file = fs::File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    async fn open(&self) -> Result<DatasetSource, SourceError> {
        self.open_at(".").await
    }

    async fn open_at(&self, location: &str) -> Result<DatasetSource, SourceError> {
        let dataset = Arc::new(dataset(self.dataset.columns.clone(), location));
        DatasetSource::open(&self.stores, &self.data_root, &self.product.id, &dataset).await
    }

    fn grant(&self) -> Grant {
        self.grant_for(&self.dataset)
    }

    fn grant_for(&self, dataset: &Arc<Dataset>) -> Grant {
        let columns = (0..dataset.columns.len()).map(|index| GrantedColumn { index, mask: None }).collect();
        Grant::for_tests(Arc::clone(&self.product), Arc::clone(dataset), columns, RowFilter::All)
    }

    fn context(&self, source: &DatasetSource) -> SessionContext {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let provider = source.provider(&self.grant_for(source.dataset())).unwrap();
        context.register_table("t", provider).unwrap();
        context
    }

    async fn batches(&self, source: &DatasetSource, sql: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
        let batches = self.context(source).sql(sql).await?.collect().await?;
        Ok(batches)
    }

    async fn sql(&self, source: &DatasetSource, sql: &str) -> datafusion::error::Result<String> {
        Ok(pretty_format_batches(&self.batches(source, sql).await?)?.to_string())
    }

    /// Each row's values as text.
    async fn rows(&self, source: &DatasetSource, sql: &str) -> Vec<String> {
        let batches = self.batches(source, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let row = |batch: &RecordBatch, row: usize| {
            let value = |array: &ArrayRef| ScalarValue::try_from_array(array, row).unwrap().to_string();
            batch.columns().iter().map(value).collect::<Vec<_>>().join(",")
        };
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>()).collect()
    }

    async fn plan(&self, source: &DatasetSource, sql: &str) -> (SessionContext, Arc<dyn ExecutionPlan>) {
        let context = self.context(source);
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        (context, plan)
    }
}

/// How many files a plan reads.
fn files_of(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|exec| exec.data_source().downcast_ref::<FileScanConfig>())
        .map_or(0, |scan| {
            let paths = scan.file_groups.iter().flat_map(|group| group.iter()).map(|file| file.path().clone());
            paths.collect::<BTreeSet<_>>().len()
        });
    own + plan.children().into_iter().map(files_of).sum::<usize>()
}

fn ints(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn column(name: &str, data_type: DataType) -> Column {
    Column {
        name: name.into(),
        physical_name: name.into(),
        data_type,
        nullable: true,
        unique: false,
        description: None,
        classification: "internal".into(),
        tags: BTreeSet::new(),
        mask_default: None,
    }
}

fn dataset(columns: Vec<Column>, location: &str) -> Dataset {
    Dataset {
        name: Name::parse("t").unwrap(),
        description: None,
        columns,
        primary_key: Vec::new(),
        foreign_keys: Vec::new(),
        quality: Vec::new(),
        origin: Origin::Files(Location { url: location.into(), server: "storage".into() }),
    }
}

fn id(domain: &str, product: &str) -> ProductId {
    ProductId { domain: Name::parse(domain).unwrap(), name: Name::parse(product).unwrap() }
}

fn product(dataset: &Arc<Dataset>) -> Product {
    Product {
        id: id("sales", "t"),
        version: Version { major: 1, minor: 0, patch: 0 },
        status: Status::Active,
        default_version: true,
        title: None,
        description: None,
        classification: "internal".into(),
        tags: BTreeSet::new(),
        owner: "owner".into(),
        purposes: BTreeSet::new(),
        roles: Vec::new(),
        datasets: vec![Arc::clone(dataset)],
        queries: Vec::new(),
        promises: Vec::new(),
        support: Vec::new(),
        lines: crate::product::Lines::default(),
        file: PathBuf::new(),
    }
}
