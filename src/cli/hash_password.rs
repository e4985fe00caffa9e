//! `airside hash-password`: a line for `users.toml`.

use std::io::{BufRead, IsTerminal};

use clap::Args;

use crate::authn::hash_password;

#[derive(Debug, Args)]
pub struct HashPassword {}

impl HashPassword {
    pub fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        if std::io::stdin().is_terminal() {
            eprint!("password: ");
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        let password = line.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err("the password is empty".into());
        }
        println!("{}", hash_password(password)?);
        Ok(())
    }
}
