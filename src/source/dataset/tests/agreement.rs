//! Which files keep their contract, older and newer ones among them, and which are refused.

use super::*;

#[tokio::test]
async fn every_encoding_is_served_in_the_contracts_type() {
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let record = |extra: bool| {
        let a = (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef);
        let b = (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x", "y"])) as _);
        StructArray::from(if extra { vec![b, a] } else { vec![a] })
    };
    let world = World::new(vec![
        Column::plain("large", DataType::Utf8),
        Column::plain("view", DataType::Utf8),
        Column::plain("dictionary", DataType::Utf8),
        Column::plain("bytes", DataType::Binary),
        Column::plain("price", DataType::Decimal128(12, 2)),
        Column::plain("day", DataType::Date32),
        Column::plain("at", zoned.clone()),
        Column::plain("tags", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))),
        Column::plain("record", record(false).data_type().clone()),
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
    let named =
        |name: &str, physical: &str| Column { physical_name: physical.into(), ..Column::plain(name, DataType::Int64) };
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

#[tokio::test]
async fn files_that_break_the_contract_are_refused() {
    let mut required = Column::plain("id", DataType::Int64);
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
        vec![Column::plain("id", DataType::Int64), Column::plain("late", DataType::Utf8), Column::plain("rec", nested)]
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
    let world = World::new(vec![Column::plain("id", DataType::Int64), Column::plain("Total", DataType::Int64)]);
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
    let world = World::new(vec![Column::plain("at", DataType::Timestamp(TimeUnit::Nanosecond, None))]);
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
async fn legacy_timestamps_are_read_in_the_contracts_unit() {
    use datafusion::parquet::data_type::{Int96, Int96Type};
    use datafusion::parquet::file::writer::SerializedFileWriter;
    use datafusion::parquet::schema::parser::parse_message_type;

    for zone in [None, Some("UTC".into())] {
        let world = World::new(vec![Column::plain("at", DataType::Timestamp(TimeUnit::Microsecond, zone))]);
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

#[tokio::test]
async fn an_optional_file_column_serves_a_required_one_while_it_has_no_null() {
    let mut required = Column::plain("id", DataType::Int64);
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

/// Parquet's page decoder panics on some of these (59.3); whoever runs the scan has to catch that. Here it
/// is enough that opening never does, and that damage is not taken for a changed file.
#[tokio::test]
async fn a_damaged_file_opens_or_is_refused() {
    let world = World::new(vec![Column::plain("id", DataType::Int64), Column::plain("note", DataType::Utf8)]);
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
