//! Which column of a file is which of the contract's.
//!
//! A name that is there exactly is meant. Otherwise one that differs in case alone is taken, if nothing else can
//! be meant: the file has one such column, the contract one that could be it, and no column of the contract has
//! that name exactly. Writers change the case of names between versions, and SQL does not tell names apart by
//! case anyway, nor may a contract. What is not clear is refused, never taken for missing: a column that reads as
//! NULL because of a capital letter would be noticed by nobody.

use std::collections::{HashMap, HashSet};

use datafusion::arrow::datatypes::Fields;

/// Where a column of the contract is in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At this position of its schema.
    At(usize),
    /// Nowhere, nor anything of a name like it.
    Missing,
    /// The file has the name more than once.
    Repeated,
    /// Several columns could be meant: of the file, or of the contract.
    Unclear(Vec<String>),
}

/// Where each of the wanted columns is.
pub(super) fn places(wanted: &[&str], file: &Fields) -> Vec<Place> {
    let mut exact: HashMap<&str, Place> = HashMap::with_capacity(file.len());
    for (at, field) in file.iter().enumerate() {
        let place = exact.entry(field.name()).or_insert(Place::At(at));
        if *place != Place::At(at) {
            *place = Place::Repeated;
        }
    }
    if wanted.iter().all(|name| exact.contains_key(name)) {
        return wanted.iter().filter_map(|name| exact.get(name).cloned()).collect();
    }
    let meant: HashSet<&str> = wanted.iter().copied().collect();
    let mut alike: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, field) in file.iter().enumerate().filter(|(_, field)| !meant.contains(field.name().as_str())) {
        alike.entry(field.name().to_lowercase()).or_default().push(at);
    }
    let mut claims: HashMap<String, usize> = HashMap::new();
    for name in wanted.iter().filter(|name| !exact.contains_key(*name)) {
        *claims.entry(name.to_lowercase()).or_default() += 1;
    }
    let place = |name: &&str| {
        if let Some(place) = exact.get(name) {
            return place.clone();
        }
        let folded = name.to_lowercase();
        match alike.get(&folded).map(Vec::as_slice) {
            None => Place::Missing,
            Some([at]) if claims.get(&folded) == Some(&1) => Place::At(*at),
            Some(found) => {
                Place::Unclear(found.iter().filter_map(|at| file.get(*at)).map(|field| field.name().clone()).collect())
            }
        }
    };
    wanted.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn a_name_is_meant_exactly_or_without_a_doubt() {
        let unclear = |names: &[&str]| Place::Unclear(names.iter().map(|name| (*name).to_owned()).collect());
        let cases: [(&[&str], &[&str], Vec<Place>); 9] = [
            (&["a", "b"], &["b", "a"], vec![Place::At(1), Place::At(0)]),
            (&["a", "b"], &["x", "A"], vec![Place::At(1), Place::Missing]),
            (&["größe"], &["GRÖSSE", "GRÖßE"], vec![Place::At(1)]),
            (&["id"], &["ID", "id"], vec![Place::At(1)]),
            (&["id"], &["ID", "Id"], vec![unclear(&["ID", "Id"])]),
            (&["id"], &["ID", "ID"], vec![unclear(&["ID", "ID"])]),
            (&["id"], &["id", "id"], vec![Place::Repeated]),
            (&["id", "Id"], &["ID"], vec![unclear(&["ID"]), unclear(&["ID"])]),
            (&["id", "ID"], &["ID"], vec![Place::Missing, Place::At(0)]),
        ];
        for (wanted, file, expected) in cases {
            let fields: Fields = file.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect();
            assert_eq!(places(wanted, &fields), expected, "{wanted:?} in {file:?}");
        }
    }
}
