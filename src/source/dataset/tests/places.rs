//! Where files are found, and what their folders' names say.

use super::*;

#[tokio::test]
async fn a_file_a_glob_and_a_folder_are_read() {
    let world = World::new(vec![Column::plain("id", DataType::Int64)]);
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
        Column::plain("year", DataType::Int32),
        Column::plain("id", DataType::Int64),
        Column::plain("region", DataType::Utf8),
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
    let mut year = Column::plain("year", DataType::Int32);
    year.nullable = false;
    let world = World::new(vec![year, Column::plain("id", DataType::Int64)]);
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

#[cfg(unix)]
#[tokio::test]
async fn symlinks_lead_nowhere_outside() {
    use std::os::unix::fs::symlink;
    let outside = World::new(vec![Column::plain("id", DataType::Int64)]);
    outside.write("deep/secret.parquet", [("id", ints(&[1]))]);
    let world = World::new(vec![Column::plain("id", DataType::Int64)]);
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
    let mut world = World::new(vec![Column::plain("id", DataType::Int64)]);
    let limits = SourceLimits { max_files: 2, ..SourceLimits::default() };
    world.stores = Stores::with_limits(&StoresConfig::default(), Path::new("."), limits).unwrap();
    for name in ["1.parquet", "2.parquet", "3.parquet"] {
        world.write(name, [("id", ints(&[1]))]);
    }
    assert!(matches!(world.open().await, Err(SourceError::TooManyFiles { limit: 2, .. })));
    assert!(world.open_at("[12].parquet").await.is_ok());
}
