//! An audit in a folder of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::record::{Line, Record};
use super::super::{
    Asked, Audit, AuditConfig, AuditFile, AuditKeys, Failure, Opening, Report, Trust, Verification, Who, list_files,
    verify,
};
use crate::product::Address;
use crate::seal::Key32;

pub(super) struct Place {
    pub(super) dir: TempDir,
    pub(super) config: AuditConfig,
}

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
            .unwrap();
        let config = AuditConfig {
            dir: dir.path().join("audit"),
            key: Some("file:key".parse().unwrap()),
            instance: Some("gw-1".to_owned()),
            ..AuditConfig::default()
        };
        Self { dir, config }
    }

    pub(super) fn start(&self) -> Audit {
        Audit::start(&self.config, self.dir.path()).unwrap()
    }

    pub(super) fn keys(&self) -> AuditKeys {
        AuditKeys::from_config(&self.config, self.dir.path()).unwrap()
    }

    pub(super) fn files(&self) -> Vec<AuditFile> {
        list_files(&self.config.dir).unwrap()
    }

    pub(super) fn file(&self, at: usize) -> PathBuf {
        self.files()[at].path.clone()
    }

    /// Every record, in order.
    pub(super) fn records(&self) -> Vec<Record> {
        self.files().iter().flat_map(|file| lines(&file.path)).map(|line| line.record).collect()
    }

    pub(super) fn verify(&self) -> Verification {
        self.verify_with(|_| {})
    }

    pub(super) fn verify_with(&self, change: impl FnOnce(&mut Trust<'_>)) -> Verification {
        let keys = self.keys();
        let mut trust = Trust { keys: Some(&keys), signers: vec![keys.public_key()], ..Trust::default() };
        change(&mut trust);
        verify(&self.files(), &trust).unwrap()
    }

    /// A day of `n` answers, then the end.
    pub(super) async fn fill(&self, n: usize) {
        let audit = self.start();
        for i in 0..n {
            let mut entry = audit.open(|| opening(i)).await.unwrap();
            entry.sent(i as u64, 100);
            entry.close(super::super::Outcome::Complete, None);
        }
        audit.finish().await;
    }
}

pub(super) fn lines(path: &Path) -> Vec<Line> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(super) fn who(identity: &str) -> Who {
    Who { identity: identity.to_owned(), groups: vec!["analysts".to_owned()], purpose: "analytics".to_owned() }
}

pub(super) fn opening(i: usize) -> Opening {
    let asked = Asked::named("product", Address::parse("sales.orders").unwrap());
    Opening::new(who(&format!("user{i}")), asked, Vec::new(), "policies 1", "mesh 1")
}

pub(super) fn failure() -> Failure {
    Failure::new("not_found", None)
}

/// What a check complains about, as `file number: text`.
pub(super) fn faults(found: &Verification) -> Vec<String> {
    found.faults.iter().map(Report::to_string).collect()
}

pub(super) fn kinds(records: &[Record]) -> Vec<&'static str> {
    records
        .iter()
        .map(|record| match record {
            Record::Start(_) => "start",
            Record::Opening(_) => "opening",
            Record::Closing(_) => "closing",
            Record::Denial(_) => "denial",
            Record::Recovered(_) => "recovered",
            Record::Retired(_) => "retired",
            Record::Checkpoint(_) => "checkpoint",
        })
        .collect()
}

pub(super) fn random_digests() -> super::super::DigestKey {
    super::super::DigestKey::new(&Key32::random())
}

pub(super) fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(ToString::to_string).collect()
}
