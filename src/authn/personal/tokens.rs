//! Making, verifying, listing and revoking personal tokens.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use thiserror::Error;

use super::folder::Folder;
use super::record::{MAX_LABEL, Record, is_label};
use super::token::{self, TokenId};
use crate::authn::config::PersonalTokensConfig;
use crate::authn::error::AuthnError;
use crate::authn::person::Person;
use crate::authn::throttle::Throttle;
use crate::seal::Secret;

/// How long a record is believed without looking at its file: running streams ask ten times a second.
const REMEMBERED: Duration = Duration::from_millis(400);
/// Tokens of everybody together.
const MOST: usize = 20_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The personal tokens of a gateway and its replicas.
#[derive(Debug)]
pub struct PersonalTokens {
    folder: Folder,
    max_days: u32,
    max_per_person: usize,
    remembered: Cache<TokenId, Arc<Record>>,
    /// Names are ids of tokens: a stranger's guesses at one delay that one alone.
    throttle: Throttle,
    /// Counting and writing go together.
    writing: Mutex<()>,
}

/// What may be shown of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    /// Its id.
    pub id: TokenId,
    /// Its owner's name.
    pub subject: String,
    /// What its owner calls it.
    pub label: String,
    /// The end of its text, for recognising it.
    pub last_four: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it ends.
    pub expires: DateTime<Utc>,
}

/// A token about to be made.
pub struct DraftToken {
    record: Record,
    shown: PersonalToken,
    token: Secret,
}

impl DraftToken {
    /// What may be shown of it.
    pub fn shown(&self) -> &PersonalToken {
        &self.shown
    }
}

/// Why a token cannot be made or revoked.
#[derive(Debug, Error)]
pub enum PersonalTokenError {
    /// The label has no valid form.
    #[error("a label has 1 to {MAX_LABEL} bytes of plain text")]
    Label,
    /// It would last too short or too long.
    #[error("a token lasts 1 to {0} days")]
    Days(u32),
    /// The person has as many as they may.
    #[error("nobody may have more than {0} tokens: revoke one first")]
    TooMany(usize),
    /// The folder is full.
    #[error("no more tokens can be kept: tell whoever runs this gateway")]
    Full,
    /// The folder cannot be read or written.
    #[error("tokens cannot be kept at the moment: tell whoever runs this gateway")]
    Folder(#[source] std::io::Error),
}

impl PersonalTokenError {
    /// Its kind, as the audit calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Label | Self::Days(_) => "invalid",
            Self::TooMany(_) | Self::Full => "too_much",
            Self::Folder(_) => "unavailable",
        }
    }
}

impl PersonalTokens {
    /// Those of the configured folder. A relative one starts at `base`.
    ///
    /// # Errors
    /// Why the section cannot be right.
    pub fn open(config: &PersonalTokensConfig, base: &Path) -> Result<Self, String> {
        let PersonalTokensConfig { dir, max_days, max_per_person } = config;
        if !(1..=PersonalTokensConfig::LONGEST).contains(max_days) {
            return Err(format!("`personal_tokens.max_days` is 1 to {}", PersonalTokensConfig::LONGEST));
        }
        if !(1..=100).contains(max_per_person) {
            return Err("`personal_tokens.max_per_person` is 1 to 100".to_owned());
        }
        let path = base.join(dir);
        let folder = Folder::new(path.clone()).map_err(|reason| format!("`{}` {reason}", path.display()))?;
        Ok(Self {
            folder,
            max_days: *max_days,
            max_per_person: *max_per_person,
            remembered: Cache::builder().max_capacity(10_000).time_to_live(REMEMBERED).build(),
            throttle: Throttle::default(),
            writing: Mutex::new(()),
        })
    }

    /// Makes the folder if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_folder(&self) -> Result<(), String> {
        self.folder.make().map_err(|error| format!("`{}` cannot be made: {error}", self.folder.path().display()))
    }

    /// The longest life of a token, in days.
    pub fn max_days(&self) -> u32 {
        self.max_days
    }

    /// A token for somebody who has just signed in, which is none before it is kept.
    ///
    /// # Errors
    /// [`PersonalTokenError::Label`], [`PersonalTokenError::Days`].
    pub fn draft(
        &self,
        person: &Person,
        label: &str,
        days: u32,
        now: DateTime<Utc>,
    ) -> Result<DraftToken, PersonalTokenError> {
        if !is_label(label) {
            return Err(PersonalTokenError::Label);
        }
        if !(1..=self.max_days).contains(&days) {
            return Err(PersonalTokenError::Days(self.max_days));
        }
        let (record, token) = Record::new(person, label, now, DAY * days);
        Ok(DraftToken { shown: self.shown(&record), record, token: Secret::new(token) })
    }

    /// Makes the token: its text is never to be had again.
    ///
    /// # Errors
    /// [`PersonalTokenError`].
    pub fn keep(&self, draft: DraftToken) -> Result<(PersonalToken, Secret), PersonalTokenError> {
        let DraftToken { record, shown, token } = draft;
        let now = record.created;
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = self.records(&record.person)?;
        let (over, standing): (Vec<_>, Vec<_>) = theirs.into_iter().partition(|record| self.end(record) <= now);
        if standing.len() >= self.max_per_person {
            return Err(PersonalTokenError::TooMany(self.max_per_person));
        }
        for old in over {
            self.remove(&old.id)?;
        }
        if self.folder.ids("").map_err(PersonalTokenError::Folder)?.len() >= MOST {
            self.remove_expired(now)?;
            if self.folder.ids("").map_err(PersonalTokenError::Folder)?.len() >= MOST {
                return Err(PersonalTokenError::Full);
            }
        }
        self.folder.write(&record).map_err(PersonalTokenError::Folder)?;
        let subject = record.person.subject();
        tracing::info!(subject, token = %record.id, expires = %record.expires, "a personal token was made");
        Ok((shown, token))
    }

    /// Both at once.
    #[cfg(test)]
    pub(in crate::authn) fn create(
        &self,
        person: &Person,
        label: &str,
        days: u32,
        now: DateTime<Utc>,
    ) -> Result<(PersonalToken, Secret), PersonalTokenError> {
        self.keep(self.draft(person, label, days, now)?)
    }

    /// One of a person's own tokens; none when they have none of this id, whoever else may.
    pub fn find(&self, person: &Person, id: &TokenId) -> Option<PersonalToken> {
        self.folder.read(id).filter(|record| record.person.is(person)).map(|record| self.shown(&record))
    }

    /// A person's tokens, the newest first; those that are over as well.
    ///
    /// # Errors
    /// [`PersonalTokenError::Folder`].
    pub fn of(&self, person: &Person) -> Result<Vec<PersonalToken>, PersonalTokenError> {
        let mut tokens: Vec<_> = self.records(person)?.iter().map(|record| self.shown(record)).collect();
        tokens.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        Ok(tokens)
    }

    /// Everybody's tokens, for operators.
    ///
    /// # Errors
    /// [`PersonalTokenError::Folder`].
    pub fn all(&self) -> Result<Vec<PersonalToken>, PersonalTokenError> {
        let ids = self.folder.ids("").map_err(PersonalTokenError::Folder)?;
        let mut tokens: Vec<_> =
            ids.iter().filter_map(|id| self.folder.read(id)).map(|record| self.shown(&record)).collect();
        tokens.sort_by(|a, b| (&a.subject, a.created, &a.id).cmp(&(&b.subject, b.created, &b.id)));
        Ok(tokens)
    }

    /// Revokes one of a person's own tokens; false when they have none of this id, whoever else may.
    ///
    /// # Errors
    /// [`PersonalTokenError::Folder`].
    pub fn revoke(&self, person: &Person, id: &TokenId) -> Result<bool, PersonalTokenError> {
        Ok(self.find(person, id).is_some() && self.remove(id)?)
    }

    /// Revokes any token, for operators; false when there is none of this id.
    ///
    /// # Errors
    /// [`PersonalTokenError::Folder`].
    pub fn remove(&self, id: &TokenId) -> Result<bool, PersonalTokenError> {
        let removed = self.folder.remove(id).map_err(PersonalTokenError::Folder)?;
        self.remembered.invalidate(id);
        if removed {
            tracing::info!(token = %id, "a personal token was removed");
        }
        Ok(removed)
    }

    /// Removes every token that is over; answers how many.
    ///
    /// # Errors
    /// [`PersonalTokenError::Folder`].
    pub fn remove_expired(&self, now: DateTime<Utc>) -> Result<usize, PersonalTokenError> {
        let mut removed = 0;
        for id in self.folder.ids("").map_err(PersonalTokenError::Folder)? {
            let over = self.folder.read(&id).is_some_and(|record| self.end(&record) <= now);
            removed += usize::from(over && self.remove(&id)?);
        }
        Ok(removed)
    }

    /// Whose token this is, when it ends, and what tells it from another.
    pub(in crate::authn) async fn verify(
        self: &Arc<Self>,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Held, AuthnError> {
        let id = token::split(token).ok_or_else(|| AuthnError::malformed("not the form of a personal token"))?;
        self.unthrottled(&id)?;
        let record = self.record(&id).await;
        // Guesses sent at once have all passed the first look; each counts before the next is compared.
        self.unthrottled(&id)?;
        let Some(record) = record.filter(|record| record.is_of(token)) else {
            self.throttle.failed(id.as_str(), Instant::now());
            return Err(AuthnError::rejected(format!("no such personal token: `{id}`")));
        };
        self.throttle.succeeded(id.as_str());
        if self.end(&record) <= now {
            return Err(AuthnError::Expired);
        }
        Ok(self.held(record))
    }

    /// The same for a token that was accepted earlier, known by what told it from another; none when it was revoked.
    pub(in crate::authn) async fn recall(self: &Arc<Self>, entry: &str) -> Option<Held> {
        let id = TokenId::parse(entry.split_once(':')?.0)?;
        self.record(&id).await.filter(|record| record.entry() == entry).map(|record| self.held(record))
    }

    fn unthrottled(&self, id: &TokenId) -> Result<(), AuthnError> {
        let retry_after = self.throttle.wait(id.as_str(), Instant::now());
        if retry_after.is_zero() { Ok(()) } else { Err(AuthnError::Throttled { retry_after }) }
    }

    /// The record of this id, its file read where waiting for it holds up nobody.
    async fn record(self: &Arc<Self>, id: &TokenId) -> Option<Arc<Record>> {
        if let Some(known) = self.remembered.get(id) {
            return Some(known);
        }
        let (own, id) = (Arc::clone(self), id.clone());
        let read = move || own.remembered.optionally_get_with(id.clone(), || own.folder.read(&id).map(Arc::new));
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    fn records(&self, person: &Person) -> Result<Vec<Record>, PersonalTokenError> {
        let ids = self.folder.ids(&token::owner_digits(person.subject())).map_err(PersonalTokenError::Folder)?;
        Ok(ids.iter().filter_map(|id| self.folder.read(id)).filter(|record| record.person.is(person)).collect())
    }

    fn end(&self, record: &Record) -> DateTime<Utc> {
        record.end(DAY * self.max_days)
    }

    fn held(&self, record: Arc<Record>) -> Held {
        Held { expires: self.end(&record), record }
    }

    fn shown(&self, record: &Record) -> PersonalToken {
        PersonalToken {
            id: record.id.clone(),
            subject: record.person.subject().to_owned(),
            label: record.label.clone(),
            last_four: record.last_four.clone(),
            created: record.created,
            expires: self.end(record),
        }
    }
}

/// A token that stands.
pub(in crate::authn) struct Held {
    record: Arc<Record>,
    pub(in crate::authn) expires: DateTime<Utc>,
}

impl Held {
    pub(in crate::authn) fn person(&self) -> &Person {
        &self.record.person
    }

    pub(in crate::authn) fn entry(&self) -> String {
        self.record.entry()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(dir: &Path, more: &str) -> Arc<PersonalTokens> {
        let config = toml::from_str(&format!("dir = 'tokens'\n{more}")).unwrap();
        Arc::new(PersonalTokens::open(&config, dir).unwrap())
    }

    fn ada() -> Person {
        Person::of_users("ada", "x")
    }

    #[tokio::test]
    async fn a_token_works_on_replicas_until_it_is_revoked_or_over() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (tokens(dir.path(), ""), tokens(dir.path(), ""));
        let now = Utc::now();
        let (shown, token) = here.create(&ada(), "laptop", 7, now).unwrap();
        let token = token.expose_str().unwrap();
        assert!(token.ends_with(&shown.last_four));
        let held = there.verify(token, now).await.unwrap();
        assert!(held.person().is(&ada()));
        assert!(here.recall(&held.entry()).await.is_some());
        assert!(matches!(here.verify(token, now + DAY * 7).await, Err(AuthnError::Expired)));
        assert!(matches!(tokens(dir.path(), "max_days = 1").verify(token, now + DAY).await, Err(AuthnError::Expired)));

        let stranger = Person::of_users("eve", "x");
        assert!(!here.revoke(&stranger, &shown.id).unwrap(), "another's is as if it were not there");
        assert!(here.of(&stranger).unwrap().is_empty());
        assert!(here.revoke(&ada(), &shown.id).unwrap() && !here.revoke(&ada(), &shown.id).unwrap());
        assert!(here.verify(token, now).await.is_err() && here.recall(&held.entry()).await.is_none());
        std::thread::sleep(REMEMBERED + Duration::from_millis(50));
        assert!(there.verify(token, now).await.is_err(), "and a replica notices");
    }

    #[tokio::test]
    async fn no_wrong_secret_opens_it_and_guessing_is_slow() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(dir.path(), "");
        let (shown, token) = tokens.create(&ada(), "laptop", 1, Utc::now()).unwrap();
        let token = token.expose_str().unwrap();
        let other = format!("airp_{}_{}", shown.id, "A".repeat(43));
        for _ in 0..5 {
            assert!(matches!(tokens.verify(&other, Utc::now()).await, Err(AuthnError::Rejected { .. })));
        }
        assert!(matches!(tokens.verify(&other, Utc::now()).await, Err(AuthnError::Throttled { .. })));
        assert!(matches!(tokens.verify(token, Utc::now()).await, Err(AuthnError::Throttled { .. })));
        for text in std::fs::read_dir(dir.path().join("tokens")).unwrap().map(|entry| entry.unwrap().path()) {
            assert!(!std::fs::read_to_string(&text).unwrap().contains(token), "the token itself is nowhere");
        }
    }

    #[test]
    fn what_a_person_may_have_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(dir.path(), "max_per_person = 2\nmax_days = 10");
        let now = Utc::now();
        let make = |label: &str, days, now| tokens.create(&ada(), label, days, now).map(|(shown, _)| shown);
        assert!(matches!(make("", 1, now), Err(PersonalTokenError::Label)));
        assert!(matches!(make("x", 0, now), Err(PersonalTokenError::Days(10))));
        assert!(matches!(make("x", 11, now), Err(PersonalTokenError::Days(10))));
        make("a", 1, now).unwrap();
        make("b", 10, now).unwrap();
        assert!(matches!(make("c", 1, now), Err(PersonalTokenError::TooMany(2))));
        make("c", 1, now + DAY * 2).unwrap();
        let labels: Vec<_> = tokens.of(&ada()).unwrap().into_iter().map(|token| token.label).collect();
        assert_eq!(labels, ["c", "b"], "what was over is gone");
        assert_eq!(tokens.remove_expired(now + DAY * 5).unwrap(), 1);
        assert_eq!(tokens.all().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn foreign_files_in_the_folder_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(dir.path(), "");
        let (shown, token) = tokens.create(&ada(), "laptop", 1, Utc::now()).unwrap();
        let folder = dir.path().join("tokens");
        let own = folder.join(format!("{}.json", shown.id));
        std::fs::write(folder.join("notes.txt"), "hello").unwrap();
        std::fs::write(folder.join(".half.partial"), "{").unwrap();
        // Somebody else's record under an id of their own choice.
        std::fs::copy(&own, folder.join(format!("{}.json", TokenId::fresh("ada")))).unwrap();
        std::fs::create_dir(folder.join(format!("{}.json", TokenId::fresh("ada")))).unwrap();
        assert_eq!(tokens.of(&ada()).unwrap(), std::slice::from_ref(&shown));
        assert!(tokens.verify(token.expose_str().unwrap(), Utc::now()).await.is_ok());

        std::fs::write(&own, "{").unwrap();
        std::thread::sleep(REMEMBERED + Duration::from_millis(50));
        assert!(tokens.verify(token.expose_str().unwrap(), Utc::now()).await.is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_files_and_an_open_folder_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let kept = tokens(dir.path(), "");
        kept.create(&ada(), "laptop", 1, Utc::now()).unwrap();
        let folder = dir.path().join("tokens");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        for entry in std::fs::read_dir(&folder).unwrap() {
            assert_eq!(mode(&entry.unwrap().path()), 0o600);
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let config = toml::from_str("dir = 'tokens'").unwrap();
        assert!(PersonalTokens::open(&config, dir.path()).unwrap_err().contains("everybody"));
    }
}
