//! Client certificates: from a subject alternative name to a caller.
//!
//! TLS has verified the chain against the configured client CA before anything here runs; what is
//! left is to say whom the certificate stands for. The common name is never read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::DateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::config::{MtlsConfig, SanKind};
use super::error::AuthnError;
use super::verified::{Method, Verified, names_a_subject};

#[derive(Debug)]
pub(super) struct CertificateNames {
    kind: SanKind,
    names: BTreeMap<String, Arc<str>>,
    strip_prefix: Option<String>,
}

impl CertificateNames {
    /// # Errors
    /// The reason why the configuration makes no sense.
    pub(super) fn new(config: &MtlsConfig) -> Result<Self, String> {
        if config.names.is_empty() && config.strip_prefix.is_none() {
            return Err("`authn.mtls` accepts nobody: list `names` or give a `strip_prefix`".to_owned());
        }
        if let Some(subject) = config.names.values().find(|subject| !names_a_subject(subject)) {
            return Err(format!("`{}` in `authn.mtls.names` cannot name a caller", subject.escape_debug()));
        }
        Ok(Self {
            kind: config.san,
            names: config.names.iter().map(|(san, subject)| (san.clone(), subject.as_str().into())).collect(),
            strip_prefix: config.strip_prefix.clone(),
        })
    }

    /// Whom a verified certificate names. All its names of the configured kind that are known must
    /// agree; a certificate for two callers is nobody's.
    pub(super) fn verify(&self, der: &[u8]) -> Result<Verified, AuthnError> {
        let unreadable = |error: String| AuthnError::malformed(format!("an unreadable certificate: {error}"));
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        let san = certificate.subject_alternative_name().map_err(|error| unreadable(error.to_string()))?;
        let names = san.iter().flat_map(|extension| &extension.value.general_names);
        let subjects: BTreeSet<Arc<str>> = names
            .filter_map(|name| match (self.kind, name) {
                (SanKind::Uri, GeneralName::URI(name))
                | (SanKind::Dns, GeneralName::DNSName(name))
                | (SanKind::Email, GeneralName::RFC822Name(name)) => self.subject(name),
                _ => None,
            })
            .collect();
        let mut subjects = subjects.into_iter();
        let (Some(subject), None) = (subjects.next(), subjects.next()) else {
            return Err(AuthnError::rejected("a certificate that names no caller, or several"));
        };
        Ok(Verified {
            subject,
            method: Method::Certificate,
            groups: BTreeSet::new(),
            claims: serde_json::Map::new(),
            expires: DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0),
            entry: None,
        })
    }

    fn subject(&self, name: &str) -> Option<Arc<str>> {
        if let Some(subject) = self.names.get(name) {
            return Some(Arc::clone(subject));
        }
        let rest = name.strip_prefix(self.strip_prefix.as_deref()?)?;
        names_a_subject(rest).then(|| rest.into())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn der(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn uri(name: &str) -> SanType {
        SanType::URI(name.try_into().unwrap())
    }

    fn names(prefix: Option<&str>, listed: &[(&str, &str)]) -> CertificateNames {
        CertificateNames::new(&MtlsConfig {
            san: SanKind::Uri,
            names: listed.iter().map(|(san, subject)| ((*san).to_owned(), (*subject).to_owned())).collect(),
            strip_prefix: prefix.map(str::to_owned),
        })
        .unwrap()
    }

    #[test]
    fn a_name_is_listed_or_has_the_prefix() {
        let names = names(Some("spiffe://mesh/"), &[("spiffe://other/x", "reporting")]);
        let cases = [
            (vec![uri("spiffe://mesh/etl")], Some("etl")),
            (vec![uri("spiffe://other/x")], Some("reporting")),
            (vec![uri("spiffe://other/y")], None),
            (vec![uri("spiffe://mesh/")], None),
            (vec![uri("spiffe://mesh/etl"), uri("spiffe://mesh/admin")], None),
            (vec![SanType::DnsName("etl".try_into().unwrap())], None),
            (vec![], None),
        ];
        for (san, expected) in cases {
            let verified = names.verify(&der(san.clone()));
            assert_eq!(verified.ok().map(|v| v.subject.to_string()).as_deref(), expected, "{san:?}");
        }
    }

    #[test]
    fn without_a_prefix_only_listed_names_count() {
        let names = names(None, &[("spiffe://mesh/etl", "etl")]);
        assert!(names.verify(&der(vec![uri("spiffe://mesh/etl")])).is_ok());
        assert!(names.verify(&der(vec![uri("etl")])).is_err());
    }

    #[test]
    fn what_is_no_certificate_is_malformed() {
        let whole = der(vec![uri("spiffe://mesh/etl")]);
        for bytes in [&b""[..], b"\x30\x82", &whole[..whole.len() / 2]] {
            let refused = names(Some(""), &[]).verify(bytes);
            assert!(matches!(refused, Err(AuthnError::Malformed { .. })), "{refused:?}");
        }
    }
}
