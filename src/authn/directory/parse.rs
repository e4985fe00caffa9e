//! Reading `principals.toml`.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::groups::{Groups, Unmapped};
use super::{Declared, Directory, Entitlement};
use crate::authn::toml_reader::{Faults, Placed};
use crate::fault::Fault;
use crate::principal::{Attribute, AttributeType};

/// Words that Cedar does not take as the name of an attribute.
const CEDAR_WORDS: &[&str] = &["true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar"];

impl Directory {
    /// Reads the text of a `principals.toml`; `file` is for messages.
    ///
    /// # Errors
    /// Every [`Fault`] found, each with its line.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Vec<Fault>> {
        let (mut faults, root) = Faults::parse(text, file);
        faults.only(&root, &["attributes", "groups", "entitlements"]);
        let mut directory = Self::default();

        for (name, value) in faults.table_at(&root, "attributes").into_iter().flatten() {
            let formed = names_an_attribute(name.get_ref(), name.span(), &mut faults);
            if let (true, Some(declared)) = (formed, declared(name.get_ref(), value, &mut faults)) {
                directory.attributes.insert(name.get_ref().to_string(), declared);
            }
        }
        if let Some(table) = faults.table_at(&root, "groups") {
            directory.groups = groups(table, &mut faults);
        }
        for (name, value) in faults.table_at(&root, "entitlements").into_iter().flatten() {
            faults.names_a_subject(name.get_ref(), name.span());
            if let Some(table) = faults.table(value, name.get_ref()) {
                let entitlement = directory.entitlement(table, &mut faults);
                directory.entitlements.insert(name.get_ref().to_string(), entitlement);
            }
        }
        faults.result(directory)
    }

    fn entitlement(&self, table: &DeTable<'_>, faults: &mut Faults<'_>) -> Entitlement {
        faults.only(table, &["groups", "attributes"]);
        let mut entitlement = Entitlement { groups: faults.groups(table), ..Entitlement::default() };
        for (name, value) in faults.table_at(table, "attributes").into_iter().flatten() {
            let Some(declared) = self.attributes.get(name.get_ref().as_ref()) else {
                let reason = format!("the attribute `{}` is not declared", name.get_ref());
                faults.advise(name.span(), reason, "declare it under `[attributes]`");
                continue;
            };
            if let Some(attribute) = attribute(name.get_ref(), value, declared.kind, faults) {
                entitlement.attributes.insert(name.get_ref().to_string(), attribute);
            }
        }
        entitlement
    }
}

fn names_an_attribute(name: &str, place: Range<usize>, faults: &mut Faults<'_>) -> bool {
    let formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.len() <= 64
        && !CEDAR_WORDS.contains(&name);
    if !formed {
        let hint = "write a letter, then letters, digits and `_`; it must be no word of Cedar's";
        faults.advise(place, format!("`{}` cannot name an attribute", name.escape_debug()), hint);
    }
    formed
}

fn declared(name: &str, value: Placed<'_, '_>, faults: &mut Faults<'_>) -> Option<Declared> {
    let table = faults.table(value, name)?;
    faults.only(table, &["claim", "type", "required"]);
    let claim = match table.get("claim") {
        Some(claim) => Some(path(claim, faults)?),
        None => None,
    };
    let required = match table.get("required") {
        Some(required) => faults.flag(required, "required")?,
        None => false,
    };
    let hint = "it is one of `string`, `long`, `bool` and `set` (of strings)";
    let Some(kind) = table.get("type") else {
        faults.advise(value.span(), format!("the attribute `{name}` has no `type`"), hint);
        return None;
    };
    let kind = match faults.text(kind, "type")? {
        "string" => AttributeType::Text,
        "long" => AttributeType::Number,
        "bool" => AttributeType::Flag,
        "set" => AttributeType::Texts,
        other => {
            faults.advise(kind.span(), format!("`{other}` is no type of an attribute"), hint);
            return None;
        }
    };
    Some(Declared { kind, claim, required })
}

/// The path of a claim.
fn path(value: Placed<'_, '_>, faults: &mut Faults<'_>) -> Option<String> {
    let path = faults.text(value, "claim")?;
    if path.is_empty() {
        faults.add(value.span(), "`claim` is empty");
        return None;
    }
    Some(path.to_owned())
}

fn groups(table: &DeTable<'_>, faults: &mut Faults<'_>) -> Groups {
    faults.only(table, &["claim", "required", "unmapped", "names", "parents"]);
    let mut groups = Groups { claim: table.get("claim").and_then(|claim| path(claim, faults)), ..Groups::default() };
    if let Some(required) = table.get("required") {
        groups.required = faults.flag(required, "required").unwrap_or(groups.required);
    }
    if let Some(value) = table.get("unmapped") {
        match faults.text(value, "unmapped") {
            Some("named") => groups.unmapped = Unmapped::Named,
            Some("drop") => groups.unmapped = Unmapped::Drop,
            Some(other) => {
                let hint =
                    "`named` keeps groups that have the form of a name, `drop` only those under `[groups.names]`";
                faults.advise(value.span(), format!("`unmapped` cannot be `{other}`"), hint);
            }
            None => {}
        }
    }
    for (id, value) in faults.table_at(table, "names").into_iter().flatten() {
        if let Some(name) = faults.text(value, id.get_ref())
            && faults.names_a_group(name, value.span())
        {
            groups.names.insert(id.get_ref().to_string(), name.to_owned());
        }
    }
    for (group, value) in faults.table_at(table, "parents").into_iter().flatten() {
        faults.names_a_group(group.get_ref(), group.span());
        let mut parents = Vec::new();
        for (parent, span) in faults.texts(value, group.get_ref()) {
            if faults.names_a_group(parent, span) {
                parents.push(parent.to_owned());
            }
        }
        groups.parents.insert(group.get_ref().to_string(), parents);
    }
    let cycle = groups.on_a_cycle().and_then(|group| {
        let (key, _) = table.get("parents")?.get_ref().as_table()?.get_key_value(group)?;
        Some((group.to_owned(), key.span()))
    });
    if let Some((group, span)) = cycle {
        faults.add(span, format!("the group `{group}` lies within itself, directly or through its parents"));
    }
    groups
}

/// An entitlement's value, of its declared type.
fn attribute(name: &str, value: Placed<'_, '_>, kind: AttributeType, faults: &mut Faults<'_>) -> Option<Attribute> {
    match kind {
        AttributeType::Text => faults.text(value, name).map(|text| Attribute::Text(text.to_owned())),
        AttributeType::Number => faults.number(value, name).map(Attribute::Number),
        AttributeType::Flag => faults.flag(value, name).map(Attribute::Flag),
        AttributeType::Texts => {
            let texts = faults.texts(value, name);
            let DeValue::Array(array) = value.get_ref() else { return None };
            // One that is no text is a fault already, and must not shorten the set.
            (texts.len() == array.len())
                .then(|| Attribute::Texts(texts.into_iter().map(|(text, _)| text.to_owned()).collect()))
        }
    }
}
