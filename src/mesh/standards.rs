//! `governance/standards.toml`: what the platform asks of every contract beyond what makes it valid.
//!
//! ```toml
//! product = ["description", "support", "promises"]   # what every product must have
//! dataset = ["description", "primary_key"]
//! column = ["description", "classification"]
//! classifications = ["public", "internal", "confidential", "restricted"]
//! masked = ["restricted"]                            # columns of these classifications need a default mask
//!
//! product_names = "[a-z]+(_[a-z]+)*"                 # patterns of names, each of the whole name
//! dataset_names = "[a-z]+(_[a-z]+)*"
//! column_names = "[a-z][a-z0-9_]*"
//!
//! quality_rules = 2                                  # at least so many rules of quality for every dataset
//! quality_kinds = ["rowCount", "duplicateValues"]    # and one of each of these kinds
//! ```

use regex::Regex;

use super::bundle::TextFile;
use super::toml_table::TomlTable;
use crate::fault::Fault;
use crate::product::{Column, Dataset, Mask, Product};

/// What contracts must have.
#[derive(Debug, Default)]
pub(super) struct Standards {
    product: Vec<&'static Demand<Product>>,
    dataset: Vec<&'static Demand<Dataset>>,
    column: Vec<&'static Demand<Column>>,
    /// The classifications there are; empty when any word will do.
    classifications: Vec<String>,
    /// Those whose columns must have a default mask.
    masked: Vec<String>,
    names: Names,
    /// The fewest rules of quality of a dataset.
    quality_rules: usize,
    /// The kinds of which each dataset has a rule.
    quality_kinds: Vec<&'static str>,
}

/// Patterns that names must match.
#[derive(Debug, Default)]
struct Names {
    product: Option<Pattern>,
    dataset: Option<Pattern>,
    column: Option<Pattern>,
}

/// A pattern of whole names, and as it was written.
#[derive(Debug)]
struct Pattern {
    regex: Regex,
    written: String,
}

/// The kinds of rules that the standard has: the library's metrics, and the types beside it.
const KINDS: [&str; 8] =
    ["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount", "sql", "custom", "text"];

/// Something a contract may lack.
struct Demand<T> {
    word: &'static str,
    met: fn(&T) -> bool,
    hint: &'static str,
}

impl<T> std::fmt::Debug for Demand<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word)
    }
}

/// What the file may say.
const KEYS: [&str; 10] = [
    "product",
    "dataset",
    "column",
    "classifications",
    "masked",
    "product_names",
    "dataset_names",
    "column_names",
    "quality_rules",
    "quality_kinds",
];

/// What a contract without a classification is given.
const UNCLASSIFIED: &str = "unclassified";

static PRODUCT: [Demand<Product>; 6] = [
    Demand { word: "title", met: |product| product.title.is_some(), hint: "add `name:`" },
    Demand {
        word: "description",
        met: |product| product.description.is_some(),
        hint: "add `description:` with a `purpose:`",
    },
    Demand {
        word: "classification",
        met: |product| product.classification != UNCLASSIFIED,
        hint: "add the custom property `airside.classification`",
    },
    Demand { word: "tags", met: |product| !product.tags.is_empty(), hint: "add `tags:`" },
    Demand { word: "support", met: |product| !product.support.is_empty(), hint: "add `support:` with a channel" },
    Demand { word: "promises", met: |product| !product.promises.is_empty(), hint: "add `slaProperties:`" },
];
static DATASET: [Demand<Dataset>; 2] = [
    Demand {
        word: "description",
        met: |dataset| dataset.description.is_some(),
        hint: "add `description:` to the table",
    },
    Demand {
        word: "primary_key",
        met: |dataset| !dataset.primary_key.is_empty(),
        hint: "mark its columns with `primaryKey: true`",
    },
];
static COLUMN: [Demand<Column>; 2] = [
    Demand {
        word: "description",
        met: |column| column.description.is_some(),
        hint: "add `description:` to the column",
    },
    Demand {
        word: "classification",
        met: |column| column.classification != UNCLASSIFIED,
        hint: "add `classification:` to the column, or classify the product",
    },
];

impl Standards {
    /// Reads a `standards.toml`, as far as it can be read.
    pub fn parse(source: &TextFile, faults: &mut Vec<Fault>) -> Self {
        let mut table = TomlTable::parse(source, &KEYS);
        let standards = Self {
            product: demands(&PRODUCT, "product", source, &mut table),
            dataset: demands(&DATASET, "dataset", source, &mut table),
            column: demands(&COLUMN, "column", source, &mut table),
            classifications: table.texts("classifications").into_iter().map(|(word, _)| word).collect(),
            masked: table.texts("masked").into_iter().map(|(word, _)| word).collect(),
            names: Names {
                product: pattern("product_names", source, &mut table),
                dataset: pattern("dataset_names", source, &mut table),
                column: pattern("column_names", source, &mut table),
            },
            quality_rules: table.number("quality_rules").unwrap_or_default(),
            quality_kinds: kinds(source, &mut table),
        };
        for word in &standards.masked {
            if !standards.classifications.is_empty() && !standards.classifications.contains(word) {
                let fault = Fault::new(&source.file, format!("`masked` names `{word}`, which is no classification"));
                table.faults.push(fault.hint(format!("they are `{}`", standards.classifications.join("`, `"))));
            }
        }
        faults.append(&mut table.faults);
        standards
    }

    /// Reports what a product lacks. Drafts are still being written.
    pub fn check(&self, product: &Product, faults: &mut Vec<Fault>) {
        if !product.is_served() {
            return;
        }
        let mut lacks = |what: String, word: &str, hint: &str| {
            let reason = format!("{what} lacks the {} that the mesh's standards ask for", word.replace('_', " "));
            faults.push(Fault::new(&product.file, reason).hint(hint));
        };
        for demand in self.product.iter().filter(|demand| !(demand.met)(product)) {
            lacks("the product".into(), demand.word, demand.hint);
        }
        for dataset in &product.datasets {
            for demand in self.dataset.iter().filter(|demand| !(demand.met)(dataset)) {
                lacks(format!("dataset `{}`", dataset.name), demand.word, demand.hint);
            }
            for column in &dataset.columns {
                for demand in self.column.iter().filter(|demand| !(demand.met)(column)) {
                    lacks(format!("column `{}` of `{}`", column.name, dataset.name), demand.word, demand.hint);
                }
            }
        }
        self.check_classifications(product, faults);
        self.check_masks(product, faults);
        self.check_names(product, faults);
        self.check_quality(product, faults);
    }

    /// Columns of classifications that demand one have a default mask, so that no grant shows them by oversight.
    fn check_masks(&self, product: &Product, faults: &mut Vec<Fault>) {
        for dataset in &product.datasets {
            for column in &dataset.columns {
                if column.mask_default.is_none() && self.masked.contains(&column.classification) {
                    let reason = format!(
                        "column `{}` of `{}` is {} and has no default mask, which the mesh's standards ask for",
                        column.name, dataset.name, column.classification
                    );
                    let masks = Mask::ALL.iter().filter(|mask| mask.accepts(&column.data_type));
                    let masks = masks.map(|mask| mask.as_str()).collect::<Vec<_>>().join("`, `");
                    faults.push(Fault::new(&product.file, reason).hint(format!(
                        "add `customProperties: [{{property: airside.maskDefault, value: …}}]` to the column, with \
                         one of `{masks}`"
                    )));
                }
            }
        }
    }

    fn check_names(&self, product: &Product, faults: &mut Vec<Fault>) {
        let mut check = |pattern: &Option<Pattern>, what: &str, name: &str| {
            if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.regex.is_match(name)) {
                let reason = format!("the {what} `{name}` is not named as the mesh's standards ask for");
                faults.push(Fault::new(&product.file, reason).hint(format!("names match `{}`", pattern.written)));
            }
        };
        check(&self.names.product, "product", product.id.name.as_str());
        for dataset in &product.datasets {
            check(&self.names.dataset, "dataset", dataset.name.as_str());
            dataset.columns.iter().for_each(|column| check(&self.names.column, "column", &column.name));
        }
    }

    fn check_quality(&self, product: &Product, faults: &mut Vec<Fault>) {
        for dataset in &product.datasets {
            let count = dataset.quality.len();
            if count < self.quality_rules {
                let reason = format!(
                    "dataset `{}` has {count} rules of quality, and the mesh's standards ask for {}",
                    dataset.name, self.quality_rules
                );
                faults.push(
                    Fault::new(&product.file, reason).hint("add rules under `quality:` of the table or its columns"),
                );
            }
            for kind in self.quality_kinds.iter().filter(|kind| !dataset.quality.iter().any(|rule| rule.kind == **kind))
            {
                let reason = format!(
                    "dataset `{}` has no rule of quality `{kind}`, which the mesh's standards ask for",
                    dataset.name
                );
                let hint = match *kind {
                    "rowCount" => "add `- {metric: rowCount, mustBeGreaterThan: 0}` under the table's `quality:`",
                    "sql" | "custom" | "text" => "add one under the table's `quality:`",
                    _ => "add one under `quality:`, with the `metric` and `mustBe: 0`",
                };
                faults.push(Fault::new(&product.file, reason).hint(hint));
            }
        }
    }

    fn check_classifications(&self, product: &Product, faults: &mut Vec<Fault>) {
        let columns = product.datasets.iter().flat_map(|dataset| &dataset.columns).map(|column| &column.classification);
        let mut found: Vec<&String> = std::iter::once(&product.classification).chain(columns).collect();
        found.sort_unstable();
        found.dedup();
        for word in found {
            if !self.classifications.is_empty() && word != UNCLASSIFIED && !self.classifications.contains(word) {
                let reason = format!("`{word}` is not a classification of the mesh");
                let hint = format!("they are `{}`", self.classifications.join("`, `"));
                faults.push(Fault::new(&product.file, reason).hint(hint));
            }
        }
    }
}

/// The pattern that a key gives, matched against whole names.
fn pattern(key: &str, source: &TextFile, table: &mut TomlTable<'_>) -> Option<Pattern> {
    let (written, line) = table.text_at(key)?;
    match Regex::new(&format!("^(?:{written})$")) {
        Ok(regex) => Some(Pattern { regex, written }),
        Err(_) => {
            let fault = Fault::new(&source.file, format!("`{key}` is no regular expression")).at(line);
            table.faults.push(fault.hint("write one of whole names, such as `[a-z]+(_[a-z]+)*`"));
            None
        }
    }
}

fn kinds(source: &TextFile, table: &mut TomlTable<'_>) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (word, line) in table.texts("quality_kinds") {
        match KINDS.iter().find(|kind| **kind == word) {
            Some(kind) => found.push(*kind),
            None => {
                let fault = Fault::new(&source.file, format!("`{word}` is no kind of quality rule")).at(line);
                table.faults.push(fault.hint(format!("they are `{}`", KINDS.join("`, `"))));
            }
        }
    }
    found
}

/// The demands a list names.
fn demands<T>(
    known: &'static [Demand<T>],
    key: &str,
    source: &TextFile,
    table: &mut TomlTable<'_>,
) -> Vec<&'static Demand<T>> {
    let mut found = Vec::new();
    for (word, line) in table.texts(key) {
        match known.iter().find(|demand| demand.word == word) {
            Some(demand) => found.push(demand),
            None => {
                let words: Vec<&str> = known.iter().map(|demand| demand.word).collect();
                let fault = Fault::new(&source.file, format!("`{word}` cannot be asked of a {key}")).at(line);
                table.faults.push(fault.hint(format!("ask for `{}`", words.join("`, `"))));
            }
        }
    }
    found
}
