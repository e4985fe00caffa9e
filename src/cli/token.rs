//! `airside token`: what operators see of people's personal tokens, and how they end them.

use std::error::Error;
use std::path::PathBuf;

use chrono::Utc;
use clap::{Args, Subcommand};

use super::explain::shown_moment;
use crate::authn::{PersonalTokens, TokenId};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub enum Token {
    /// List the tokens in the folder, with their owners.
    List(List),
    /// Revoke tokens: streams under way that were opened with them end within a second.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only this person's.
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// Their ids, as `list` shows them.
    #[arg(required_unless_present_any = ["user", "expired"])]
    ids: Vec<String>,
    /// All of this person.
    #[arg(long)]
    user: Option<String>,
    /// All that have expired.
    #[arg(long)]
    expired: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// The configuration file.
    #[arg(long, env = "AIRSIDE_CONFIG", default_value = "airside.toml")]
    config: PathBuf,
}

impl Place {
    fn tokens(&self) -> Result<PersonalTokens, Box<dyn Error>> {
        let config = Config::load(&self.config)?;
        let section = config.authn.personal_tokens.as_ref();
        let section = section.ok_or("no personal tokens are configured: there is no `[authn.personal_tokens]`")?;
        Ok(PersonalTokens::open(section, &config.base)?)
    }
}

impl Token {
    pub fn run(&self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::List(list) => list.run(),
            Self::Revoke(revoke) => revoke.run(),
        }
    }
}

impl List {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let now = Utc::now();
        for token in self.place.tokens()?.all()? {
            if self.user.as_ref().is_some_and(|user| *user != token.subject) {
                continue;
            }
            let end = shown_moment(token.expires);
            let over = if token.expires <= now { " (over)" } else { "" };
            println!("{}  …{}  until {end}{over}  {}  {}", token.id, token.last_four, token.subject, token.label);
        }
        Ok(())
    }
}

impl Revoke {
    fn run(&self) -> Result<(), Box<dyn Error>> {
        let tokens = self.place.tokens()?;
        let mut revoked = 0;
        for id in &self.ids {
            let known = TokenId::parse(id).map(|id| tokens.remove(&id)).transpose()?.unwrap_or(false);
            if !known {
                return Err(format!("there is no token `{}`; {revoked} revoked", id.escape_debug()).into());
            }
            revoked += 1;
        }
        if let Some(user) = &self.user {
            for token in tokens.all()?.into_iter().filter(|token| token.subject == *user) {
                revoked += usize::from(tokens.remove(&token.id)?);
            }
        }
        if self.expired {
            revoked += tokens.remove_expired(Utc::now())?;
        }
        println!("{revoked} revoked");
        Ok(())
    }
}
