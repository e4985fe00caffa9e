//! The users file: who may sign in with a password.
//!
//! ```toml
//! [users.alice]
//! password = "$argon2id$v=19$m=19456,t=2,p=1$…"
//! groups = ["analysts"]
//! claims = { region = "EMEA" }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::password;
use super::toml_reader::{Faults, json};
use crate::fault::Fault;

/// The users of one reading of the file.
#[derive(Debug, Default)]
pub(super) struct Users {
    by_name: BTreeMap<String, User>,
    /// The hash that takes longest to verify. An unknown user's password is tried on it, so that
    /// asking after a user takes as long as signing in as one.
    costliest: Option<Arc<PasswordHash>>,
}

/// One user.
#[derive(Debug)]
pub(super) struct User {
    pub(super) password: Arc<PasswordHash>,
    pub(super) groups: BTreeSet<String>,
    pub(super) claims: Map<String, Value>,
    /// Changes with the password, which thereby ends the sessions it has given.
    pub(super) fingerprint: String,
}

impl Users {
    /// Reads the file's text.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, Vec<Fault>> {
        let (mut faults, root) = Faults::parse(text, file);
        faults.only(&root, &["users"]);
        let mut users = Self::default();
        for (name, value) in faults.table_at(&root, "users").into_iter().flatten() {
            let formed = faults.names_a_subject(name.get_ref(), name.span());
            let user = faults.table(value, name.get_ref()).and_then(|table| {
                faults.only(table, &["password", "groups", "claims"]);
                User::parse(table, &mut faults, name.span())
            });
            if let (true, Some(user)) = (formed, user) {
                if users.costliest.as_ref().is_none_or(|known| password::cost(known) < password::cost(&user.password)) {
                    users.costliest = Some(Arc::clone(&user.password));
                }
                users.by_name.insert(name.get_ref().to_string(), user);
            }
        }
        faults.result(users)
    }

    /// Users of no file.
    pub(super) fn of(users: BTreeMap<String, User>) -> Self {
        Self { costliest: users.values().next().map(|user| Arc::clone(&user.password)), by_name: users }
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.by_name.keys()
    }

    /// Every group that a user is in.
    pub(super) fn groups(&self) -> BTreeSet<String> {
        self.by_name.values().flat_map(|user| user.groups.iter().cloned()).collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }

    /// The hash to try a password on, and whether it is this user's own.
    pub(super) fn hash_for(&self, name: &str) -> (Option<Arc<PasswordHash>>, bool) {
        match self.get(name) {
            Some(user) => (Some(Arc::clone(&user.password)), true),
            None => (self.costliest.clone(), false),
        }
    }
}

impl User {
    fn parse(table: &DeTable<'_>, faults: &mut Faults<'_>, place: std::ops::Range<usize>) -> Option<Self> {
        let groups = faults.groups(table);
        let mut claims = Map::new();
        if let Some(written) = faults.table_at(table, "claims") {
            for (key, value) in written {
                match json(value.get_ref()) {
                    Some(claim) => drop(claims.insert(key.get_ref().to_string(), claim)),
                    None => faults.add(value.span(), format!("the claim `{}` has no JSON form", key.get_ref())),
                }
            }
        }
        let Some(value) = table.get("password") else {
            faults.advise(place, "a user without `password`", "`airside hash-password` makes one");
            return None;
        };
        let text = faults.text(value, "password")?;
        match password::parse(text) {
            Ok(hash) => Some(Self {
                password: Arc::new(hash),
                groups,
                claims,
                fingerprint: URL_SAFE_NO_PAD.encode(Sha256::digest(text)),
            }),
            Err(error) => {
                // The text is not repeated: it may be the password itself.
                faults.advise(value.span(), format!("`password` {error}"), "`airside hash-password` makes one");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str =
        "$argon2id$v=19$m=8192,t=1,p=1$YWJjZGVmZ2hpamtsbW5vcA$b6ZZJrrAnN39gkIwdJrw3TT4ixe6u4Z5G0Y6yBfmjWs";

    fn parse(text: &str) -> Result<Users, Vec<Fault>> {
        Users::parse(text, Path::new("users.toml"))
    }

    #[test]
    fn users_read_with_groups_and_claims() {
        let users = parse(&format!(
            "[users.alice]\npassword = '{HASH}'\ngroups = ['a', 'b']\n\
             claims = {{ region = 'EMEA', level = 3, on = [true] }}\n"
        ))
        .unwrap();
        let alice = users.get("alice").unwrap();
        assert_eq!(alice.groups.len(), 2);
        assert_eq!(alice.claims["level"], 3);
        assert!(matches!(users.hash_for("nobody"), (Some(_), false)), "an unknown user costs a verification as well");
    }

    #[test]
    fn every_fault_has_its_line() {
        let text = format!(
            "[users.a]\ngroups = ['x y']\npassword = 'hunter2'\n[users.b]\n\
             [users.\"c\\n\"]\npassword='{HASH}'\nadmin = true\n[user]\n"
        );
        let found: Vec<_> = parse(&text).unwrap_err().into_iter().map(|f| (f.line.unwrap(), f.reason)).collect();
        let lines: BTreeSet<_> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, BTreeSet::from([2, 3, 4, 5, 7, 8]), "{found:?}");
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn broken_toml_is_a_fault() {
        assert_eq!(parse("[users.alice\n").unwrap_err()[0].line, Some(1));
    }
}
