//! The command line: one file a command.

// Before the others: its macros hold for them.
#[macro_use]
mod output;

mod access;
mod against;
mod audit;
mod change;
mod check;
mod demo;
mod diff;
mod explain;
mod grant;
mod hash_password;
mod healthcheck;
mod mint_token;
mod opened;
mod optimize;
mod rehearsal;
mod revoke;
mod serve;
mod sql;
mod test;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A governed Arrow Flight and Flight SQL gateway for a data mesh.
#[derive(Debug, Parser)]
#[command(name = "airside", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a mesh.
    Serve(serve::Serve),
    /// Report every fault of a mesh's contracts, policies and configuration; exit 1 if there is one.
    Check(check::Check),
    /// Prove what a changed mesh permits that the old one did not; exit 1 if it permits more.
    Diff(diff::Diff),
    /// Show what somebody would get, and which policies say so.
    Explain(explain::Explain),
    /// List who gets what of a dataset or column, for which purposes, until when.
    Access(access::Access),
    /// Run the mesh's policy tests over every path a client can take; exit 1 if one fails.
    Test(test::Test),
    /// Ask a gateway in SQL: a shell, or statements of a script.
    Sql(sql::Sql),
    /// Check and read what the audit has on record.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Permit a group or a user to read a product: writes the policies and a test of them into its domain's folder.
    Grant(grant::Grant),
    /// Take back what `grant` gave.
    Revoke(revoke::Revoke),
    /// Write a product's files anew beside the old ones, laid out to be read fast; and point its contract at them.
    Optimize(optimize::Optimize),
    /// Make a demo mesh of TPC-H data and serve it.
    Demo(demo::Demo),
    /// Read a password from standard input and print its hash for `users.toml`.
    HashPassword(hash_password::HashPassword),
    /// Make a service token and print it with its hash for `tokens.toml`.
    MintToken(mint_token::MintToken),
    /// List and revoke people's personal tokens.
    #[command(subcommand)]
    Token(token::Token),
    /// Ask a running gateway whether it is ready; exit 1 if not.
    Healthcheck(healthcheck::Healthcheck),
}

/// Parses the command line and runs the command.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Diff(command) => return ended(command.run()),
        Command::Explain(command) => command.run(),
        Command::Access(command) => command.run(),
        Command::Test(command) => command.run(),
        Command::Sql(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Grant(command) => command.run(),
        Command::Revoke(command) => command.run(),
        Command::Optimize(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::HashPassword(command) => command.run(),
        Command::MintToken(command) => command.run(),
        Command::Token(command) => command.run(),
        Command::Healthcheck(command) => command.run(),
    };
    ended(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    })
}

/// The end of a command, as it is when its output could not be written.
fn ended(code: ExitCode) -> ExitCode {
    match output::lost() {
        None => code,
        Some(reason) => {
            eprintln!("error: the output could not be written: {reason}");
            ExitCode::FAILURE
        }
    }
}
