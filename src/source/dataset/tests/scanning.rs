//! What a scan gives, to whom, and what it leaves out.

use super::*;

#[tokio::test]
async fn only_the_datasets_own_grant_opens_it() {
    let world = World::new(vec![Column::plain("id", DataType::Int64)]);
    world.write("a.parquet", [("id", ints(&[1]))]);
    let source = world.open().await.unwrap();
    let other = World::new(vec![Column::plain("id", DataType::Utf8)]);
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
async fn the_bare_scan_gives_every_column_and_no_predicate() {
    let world = World::new(vec![Column::plain("year", DataType::Int32), Column::plain("id", DataType::Int64)]);
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
async fn of_a_part_it_is_certain_that_it_holds_no_null_where_the_whole_holds_none() {
    let world = World::new(vec![Column::plain("id", DataType::Int64), Column::plain("note", DataType::Utf8)]);
    for (file, note) in [("a.parquet", Some("x")), ("b.parquet", None)] {
        let notes: ArrayRef = Arc::new(StringArray::from(vec![Some("y"), note]));
        world.write(file, [("id", ints(&[1, 2])), ("note", notes)]);
    }
    let source = world.open().await.unwrap();
    let nulls = |source: &DatasetSource| {
        let known = source.statistics().column_statistics.iter().map(|column| column.null_count);
        known.collect::<Vec<_>>()
    };
    assert_eq!(nulls(&source), [Precision::Exact(0), Precision::Exact(1)]);
    let part = source.part(Part::new(1, 2).unwrap());
    assert_eq!(nulls(&part), [Precision::Exact(0), Precision::Inexact(1)]);
    assert!(matches!(part.statistics().num_rows, Precision::Inexact(4)));
    assert!(matches!(part.statistics().column_statistics[0].min_value, Precision::Inexact(_)));
}

#[tokio::test]
async fn statistics_answer_only_what_is_certain() {
    let world = World::new(vec![
        Column::plain("id", DataType::Int64),
        Column::plain("ratio", DataType::Float64),
        Column::plain("note", DataType::Utf8),
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
async fn statistics_of_old_files_are_those_of_the_contracts_types() {
    let world = World::new(vec![
        Column::plain("id", DataType::Int64),
        Column::plain("price", DataType::Decimal128(12, 4)),
        Column::plain("ratio", DataType::Float64),
        Column::plain("late", DataType::Int64),
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
async fn files_are_left_out_by_their_statistics() {
    let world = World::new(vec![Column::plain("id", DataType::Int64), Column::plain("day", DataType::Utf8)]);
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
    let mut required = Column::plain("id", DataType::Int64);
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

fn ids_of(batches: &[RecordBatch]) -> Vec<i64> {
    batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[tokio::test]
async fn the_first_rows_apart_are_the_same_rows() {
    let world = World::new(vec![Column::plain("id", DataType::Int64), Column::plain("note", DataType::Utf8)]);
    let paged = || {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(300));
        let properties = properties.set_write_batch_size(10).set_data_page_row_count_limit(50);
        // A dictionary of all ids would be most of the row group.
        properties.set_column_dictionary_enabled("id".into(), false)
    };
    let columns = |from: i64| {
        let ids: Vec<i64> = (from..from + 1000).collect();
        let notes: ArrayRef =
            Arc::new(ids.iter().map(|id| (id % 7 > 0).then(|| format!("n{}", id % 5))).collect::<StringArray>());
        [("id", ints(&ids)), ("note", notes)]
    };
    world.write_with("a.parquet", columns(0), paged().build());
    world.write_with("b.parquet", columns(1000), paged().build());
    let whole = world.open().await.unwrap();
    let context = SessionContext::new_with_config(SessionConfig::new().with_batch_size(200));
    let (url, store) = whole.store();
    context.runtime_env().register_object_store(url.as_ref(), store);
    let read =
        async |scan: FileScanConfig| collect(DataSourceExec::from_data_source(scan), context.task_ctx()).await.unwrap();
    let parts = (0..5).map(|at| whole.part(Part::new(at, 5).unwrap())).chain([whole.clone()]);
    let mut cut = 0;
    for source in parts {
        let plain = source.file_scan(&world.grant(), 1).unwrap();
        let expected = read(plain.clone()).await;
        let Some(apart) = source.first_rows_apart(&plain, 40).await else { continue };
        cut += 1;
        let found = read(apart.clone()).await;
        assert_eq!(found[0].num_rows(), 40);
        assert_eq!(ids_of(&found), ids_of(&expected));
        let notes = |batches: &[RecordBatch]| {
            batches
                .iter()
                .flat_map(|batch| {
                    batch.column(1).as_string::<i32>().iter().map(|note| note.map(str::to_owned)).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(notes(&found), notes(&expected));
    }
    assert!(cut > 3, "of six, {cut} were cut");
    let plain = whole.file_scan(&world.grant(), 2).unwrap();
    let mut ids = ids_of(&read(whole.first_rows_apart(&plain, 40).await.unwrap()).await);
    ids.sort_unstable();
    assert_eq!(ids, (0..2000).collect::<Vec<_>>());

    assert!(whole.first_rows_apart(&plain, 80).await.is_none(), "a row group of 300 rows is not worth it");
    assert!(whole.first_rows_apart(&plain, 60).await.is_none(), "two pages of six are too much to fetch twice");
    world.write_with("a.parquet", columns(0), paged().set_offset_index_disabled(true).build());
    let blind = world.open().await.unwrap();
    let plain = blind.file_scan(&world.grant(), 1).unwrap();
    assert!(blind.first_rows_apart(&plain, 40).await.is_none(), "without an index all would be fetched twice");
}
