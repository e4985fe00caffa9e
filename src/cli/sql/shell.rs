//! The conversation: statements and commands in, results and times out.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::DateTime;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Config, Editor};
use tokio::runtime::Runtime;

use super::ask_password;
use super::command::{Command, HELP};
use super::connection::{Answer, Connection, Credentials};
use super::editor::Words;
use super::show::{Format, ShowError, Shown, show};
use super::split::split;
use crate::cli::explain::shown_moment;
use crate::serve::proto::Receipt;

/// Statements remembered.
const REMEMBERED: usize = 10_000;

pub(super) struct Shell {
    runtime: Runtime,
    connection: Connection,
    format: Format,
    /// Where the next result goes instead of the screen.
    output: Option<PathBuf>,
    rows: usize,
    timing: bool,
    receipt: Option<Receipt>,
}

/// What is to happen next.
enum Next {
    Go,
    End,
}

impl Shell {
    pub(super) fn new(
        runtime: Runtime,
        connection: Connection,
        format: Format,
        output: Option<PathBuf>,
        rows: usize,
        timing: bool,
    ) -> Self {
        Self { runtime, connection, format, output, rows, timing, receipt: None }
    }

    /// Runs a text of statements and commands, and ends at the first that fails.
    pub(super) fn script(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        let (statements, last) = split(text);
        for statement in statements.into_iter().chain((!last.is_empty()).then_some(last)) {
            match Command::parse(statement) {
                Some(command) => match self.obey(command?)? {
                    Next::Go => {}
                    Next::End => return Ok(()),
                },
                None => self.run(statement)?,
            }
        }
        Ok(())
    }

    /// Asks for statements until there are no more.
    pub(super) fn converse(&mut self) -> Result<(), Box<dyn Error>> {
        let config = Config::builder().max_history_size(REMEMBERED)?.history_ignore_space(true).build();
        let mut editor: Editor<Words, DefaultHistory> = Editor::with_config(config)?;
        editor.set_helper(Some(Words::default()));
        let history = history_file();
        if let Some(file) = &history {
            // There is none the first time.
            let _ = editor.load_history(file);
        }
        println!("airside {}: `\\?` for help, `\\q` to leave", env!("CARGO_PKG_VERSION"));
        self.learn(&mut editor);
        loop {
            let typed = match editor.readline("mesh> ") {
                Ok(typed) => typed,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if typed.trim().is_empty() {
                continue;
            }
            if editor.add_history_entry(&typed)?
                && let Some(file) = &history
                && let Err(error) = editor.append_history(file)
            {
                eprintln!("the history is not kept: {error}");
            }
            let command = Command::parse(&typed);
            let shows_others = matches!(command, Some(Ok(Command::User(_) | Command::Purpose(_))));
            let outcome = match command {
                Some(command) => command.map_err(Into::into).and_then(|command| self.obey(command)),
                None => self.script(&typed).map(|()| Next::Go),
            };
            match outcome {
                Ok(Next::Go) if shows_others => self.learn(&mut editor),
                Ok(Next::Go) => {}
                Ok(Next::End) => return Ok(()),
                Err(error) => eprintln!("{error}"),
            }
        }
    }

    /// Learns the tables that can be completed; without them there is less to complete.
    fn learn(&self, editor: &mut Editor<Words, DefaultHistory>) {
        if let (Some(words), Ok(tables)) = (editor.helper_mut(), self.runtime.block_on(self.connection.tables())) {
            words.know(tables);
        }
    }

    fn obey(&mut self, command: Command) -> Result<Next, Box<dyn Error>> {
        match command {
            Command::Quit => return Ok(Next::End),
            Command::Help => println!("{HELP}"),
            Command::Describe(named) => self.describe(named.as_deref())?,
            Command::Purpose(purpose) => self.connection.set_purpose(purpose),
            Command::User(user) => {
                let password = ask_password(&user)?;
                let signed_in = self.connection.sign_in(Credentials::Password { user, password });
                self.runtime.block_on(signed_in).map_err(ShowError::Gateway)?;
            }
            Command::Format(format) => self.format = format,
            Command::Output(file) => self.output = Some(file),
            Command::Rows(rows) => self.rows = rows,
            Command::Timing(timing) => self.timing = timing,
            Command::Receipt => match &self.receipt {
                Some(receipt) => print!("{}", told(receipt)),
                None => println!("nothing has been answered yet"),
            },
        }
        Ok(Next::Go)
    }

    /// Lists the tables, or the columns of those with this name, with or without its domain.
    fn describe(&self, named: Option<&str>) -> Result<(), Box<dyn Error>> {
        let tables = self.runtime.block_on(self.connection.tables()).map_err(ShowError::Gateway)?;
        let Some(named) = named else {
            for table in &tables {
                let readable = if table.schema.fields().is_empty() { "  (known of, not readable)" } else { "" };
                println!("{}.{}{readable}", table.domain, table.name);
            }
            return Ok(());
        };
        let is_meant = |domain: &str, name: &str| named == name || named == format!("{domain}.{name}");
        let mut found = false;
        for table in tables.iter().filter(|table| is_meant(&table.domain, &table.name)) {
            found = true;
            println!("{}.{}", table.domain, table.name);
            for field in table.schema.fields() {
                let required = if field.is_nullable() { "" } else { " NOT NULL" };
                println!("  {:<32} {}{required}", field.name(), field.data_type());
            }
        }
        if found { Ok(()) } else { Err(format!("there is no table `{named}`: `\\d` lists them").into()) }
    }

    fn run(&mut self, sql: &str) -> Result<(), Box<dyn Error>> {
        let begun = Instant::now();
        let connection = &self.connection;
        let (format, limit, output) = (self.format, self.rows, self.output.take());
        let answering = async {
            let answer = connection.ask(sql).await?;
            let planned = begun.elapsed();
            let shown = print(connection, &answer, format, limit, output.as_ref()).await?;
            Ok::<_, ShowError>((answer, planned, shown))
        };
        let outcome = self.runtime.block_on(async {
            tokio::select! {
                outcome = answering => Some(outcome),
                // What is dropped is cancelled.
                Ok(()) = tokio::signal::ctrl_c() => None,
            }
        });
        let (answer, planned, shown) = outcome.ok_or("cancelled")??;
        self.receipt = answer.receipt;
        if self.format == Format::Table || output.is_some() {
            let rows = if shown.rows == 1 { "row" } else { "rows" };
            let more = if shown.more { "; there are more: `\\rows 0` shows all" } else { "" };
            eprintln!("{} {rows}{more}", shown.rows);
        }
        if self.timing {
            eprintln!("planned in {}, all in {}", seconds(planned), seconds(begun.elapsed()));
        }
        Ok(())
    }
}

async fn print(
    connection: &Connection,
    answer: &Answer,
    format: Format,
    limit: usize,
    output: Option<&PathBuf>,
) -> Result<Shown, ShowError> {
    let (rows, schema) = (connection.rows(answer), answer.schema.clone());
    match output {
        Some(file) => {
            let limit = if format == Format::Table { 0 } else { limit };
            show(format, schema, rows, limit, BufWriter::new(File::create(file)?)).await
        }
        None if format == Format::Parquet && io::stdout().is_terminal() => {
            Err(io::Error::other("a terminal shows no Parquet: name a file with `\\o FILE` or `--output`").into())
        }
        None => show(format, schema, rows, limit, BufWriter::new(io::stdout())).await,
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// A receipt in words.
fn told(receipt: &Receipt) -> String {
    let mut text = format!("decision {}\npolicy   {}\n", receipt.decision, receipt.policy_version);
    if !receipt.purpose.is_empty() {
        text += &format!("purpose  {}\n", receipt.purpose);
    }
    for dataset in &receipt.datasets {
        text += &format!("{}@{}, snapshot {}", dataset.address, dataset.version, dataset.snapshot);
        let fresh = dataset.fresh_as_of.and_then(|at| DateTime::from_timestamp(at.seconds, 0));
        text += &fresh.map(|at| format!(", as of {}", shown_moment(at))).unwrap_or_default();
        text += if dataset.rows_restricted { ", rows restricted\n" } else { "\n" };
        for masked in &dataset.masked {
            text += &format!("  {} is masked: {}\n", masked.column, masked.mask);
        }
    }
    text
}

/// Where statements are remembered, for this user alone; none where there is no home.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    let folder = state.join("airside");
    fs::create_dir_all(&folder).ok()?;
    let file = folder.join("sql_history");
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&file).ok()?;
    Some(file)
}
