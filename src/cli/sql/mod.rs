//! `airside sql`: a shell for people who would rather type than install a driver, and for scripts.

mod command;
mod connection;
mod editor;
mod shell;
mod show;
mod split;

use std::error::Error;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;

use self::connection::{Connection, Credentials, Target};
use self::shell::Shell;
use self::show::Format;
use super::explain::purpose;
use crate::principal::Purpose;
use crate::seal::{Secret, SecretRef};

#[derive(Debug, Args)]
pub struct Sql {
    /// The gateway: `grpc://host:port`, or `grpc+tls://host:port`.
    #[arg(long, env = "AIRSIDE_URL", default_value = "grpc://127.0.0.1:50051")]
    url: Target,
    /// A PEM file of the certificates that vouch for the gateway, instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Sign in as this user; the password is asked for unless `--password` says where it stands.
    #[arg(long, env = "AIRSIDE_USER", conflicts_with = "token")]
    user: Option<String>,
    /// Where the password stands: `env:NAME` or `file:PATH`.
    #[arg(long, requires = "user", value_name = "REFERENCE")]
    password: Option<SecretRef>,
    /// Where a token stands that is shown instead: `env:NAME` or `file:PATH`.
    #[arg(long, value_name = "REFERENCE")]
    token: Option<SecretRef>,
    /// What the data is for.
    #[arg(long, env = "AIRSIDE_PURPOSE", default_value = "", value_parser = purpose)]
    purpose: Purpose,
    /// How results are shown.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write the result to this file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show at most so many rows of a table; 0 shows all.
    #[arg(long, default_value_t = 1_000)]
    rows: usize,
    /// Say how long each statement took.
    #[arg(long)]
    timing: bool,
    /// Run these statements and end, instead of asking for some.
    #[arg(long, short, value_name = "SQL")]
    command: Vec<String>,
}

impl Sql {
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let credentials = self.credentials()?;
        let connection =
            runtime.block_on(Connection::open(&self.url, self.ca.as_deref(), credentials, self.purpose))?;
        let mut shell = Shell::new(runtime, connection, self.format, self.output, self.rows, self.timing);
        if !self.command.is_empty() {
            return shell.script(&self.command.join(";\n"));
        }
        if io::stdin().is_terminal() {
            return shell.converse();
        }
        let mut script = String::new();
        io::stdin().read_to_string(&mut script)?;
        shell.script(&script)
    }

    fn credentials(&self) -> Result<Credentials, Box<dyn Error>> {
        let here = std::env::current_dir()?;
        Ok(match (&self.user, &self.token) {
            (Some(user), _) => {
                let password = match &self.password {
                    Some(reference) => reference.resolve(&here)?,
                    None => ask_password(user)?,
                };
                Credentials::Password { user: user.clone(), password }
            }
            (None, Some(token)) => Credentials::Token(token.resolve(&here)?),
            (None, None) => return Err("say who you are: `--user NAME`, or `--token env:NAME`".into()),
        })
    }
}

/// A password typed at the terminal, unseen.
fn ask_password(user: &str) -> io::Result<Secret> {
    rpassword::prompt_password(format!("password of {user}: ")).map(Secret::new)
}
