//! Results as people and programs read them.

use std::io::{self, Write};
use std::pin::Pin;

use arrow::array::{RecordBatch, RecordBatchWriter};
use arrow::csv;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use clap::ValueEnum;
use futures::{Stream, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use thiserror::Error;
use tonic::Status;

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns under each other, for people.
    Table,
    /// Comma-separated values, a line of names first.
    Csv,
    /// One JSON object a line.
    Json,
    /// A Parquet file.
    Parquet,
}

/// What was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) rows: usize,
    /// Whether there are rows beyond those.
    pub(super) more: bool,
}

/// Why a result is not shown, or not to its end.
#[derive(Debug, Error)]
pub(super) enum ShowError {
    #[error("{}: {}", .0.code(), .0.message())]
    Gateway(#[from] Status),
    #[error("the result cannot be shown so: {0}")]
    Arrow(#[from] ArrowError),
    #[error("the result cannot be written so: {0}")]
    Parquet(#[from] ParquetError),
    #[error("the result cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes a result as it comes; of a table at most `limit` rows, if it is not 0.
pub(super) async fn show(
    format: Format,
    schema: SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch, Status>>,
    limit: usize,
    mut out: impl Write + Send,
) -> Result<Shown, ShowError> {
    let mut rows = std::pin::pin!(rows);
    let (mut count, mut more) = (0, false);
    match format {
        Format::Table => {
            let limit = if limit == 0 { usize::MAX } else { limit };
            let mut batches = vec![RecordBatch::new_empty(schema)];
            while !more && let Some(batch) = rows.next().await {
                let batch = batch?;
                let taken = batch.num_rows().min(limit - count);
                more = taken < batch.num_rows();
                count += taken;
                batches.push(batch.slice(0, taken));
            }
            let options = FormatOptions::default().with_display_error(true).with_null("NULL");
            let table = pretty_format_batches_with_options(&batches, &options)?.to_string();
            writeln!(out, "{}", table.replace(is_unprintable, "\u{fffd}"))?;
        }
        Format::Csv => {
            let mut writer = csv::WriterBuilder::new().with_header(true).build(&mut out);
            // The names, be there rows or not.
            writer.write(&RecordBatch::new_empty(schema))?;
            count = written(writer, rows).await?;
        }
        Format::Json => count = written(LineDelimitedWriter::new(&mut out), rows).await?,
        Format::Parquet => count = written(ArrowWriter::try_new(&mut out, schema, None)?, rows).await?,
    }
    out.flush()?;
    Ok(Shown { rows: count, more })
}

/// Writes every row; answers how many there were.
async fn written(
    mut writer: impl RecordBatchWriter,
    mut rows: Pin<&mut impl Stream<Item = Result<RecordBatch, Status>>>,
) -> Result<usize, ShowError> {
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.num_rows();
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(count)
}

/// Characters by which a value could move the cursor or colour the screen.
fn is_unprintable(c: char) -> bool {
    c.is_control() && c != '\n'
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use bytes::Bytes;
    use futures::stream;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn batch() -> RecordBatch {
        let ids = Int64Array::from(vec![Some(1), None, Some(3)]);
        let texts = StringArray::from(vec!["a,b", "c\"d", "\u{1b}[2J"]);
        RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(ids) as _, true),
            ("text", Arc::new(texts) as _, false),
        ])
        .unwrap()
    }

    async fn shown(format: Format, limit: usize) -> (Vec<u8>, Shown) {
        let mut out = Vec::new();
        let rows = stream::iter([Ok(batch()), Ok(batch())]);
        let shown = show(format, batch().schema(), rows, limit, &mut out).await.unwrap();
        (out, shown)
    }

    #[tokio::test]
    async fn people_see_some_rows_and_nothing_that_moves_their_cursor() {
        let (out, told) = shown(Format::Table, 4).await;
        let text = String::from_utf8(out).unwrap();
        assert_eq!(told, Shown { rows: 4, more: true });
        assert!(text.contains("| NULL | c\"d") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(shown(Format::Table, 0).await.1, Shown { rows: 6, more: false });
        assert_eq!(shown(Format::Table, 6).await.1, Shown { rows: 6, more: false });
    }

    #[tokio::test]
    async fn programs_read_every_row() {
        let (out, told) = shown(Format::Csv, 1).await;
        let text = String::from_utf8(out).unwrap();
        assert_eq!(told, Shown { rows: 6, more: false });
        assert!(text.starts_with("id,text\n1,\"a,b\"\n,\"c\"\"d\"\n"), "{text}");
        let (out, _) = shown(Format::Json, 1).await;
        let lines: Vec<serde_json::Value> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], serde_json::json!({"id": 1, "text": "a,b"}));
        let (out, _) = shown(Format::Parquet, 1).await;
        let read = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(out)).unwrap().build().unwrap();
        assert_eq!(read.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 6);
    }
}
