//! `governance/standards.toml`: what the platform asks of every contract beyond what makes it valid.
//!
//! ```toml
//! product = ["description", "support", "promises"]   # what every product must have
//! dataset = ["description", "primary_key"]
//! column = ["description", "classification"]
//! classifications = ["public", "internal", "confidential", "restricted"]
//! ```

use super::bundle::TextFile;
use super::toml_table::TomlTable;
use crate::fault::Fault;
use crate::product::{Column, Dataset, Product};

/// What contracts must have.
#[derive(Debug, Default)]
pub(super) struct Standards {
    product: Vec<&'static Demand<Product>>,
    dataset: Vec<&'static Demand<Dataset>>,
    column: Vec<&'static Demand<Column>>,
    /// The classifications there are; empty when any word will do.
    classifications: Vec<String>,
}

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
        let mut table = TomlTable::parse(source, &["product", "dataset", "column", "classifications"]);
        let standards = Self {
            product: demands(&PRODUCT, "product", source, &mut table),
            dataset: demands(&DATASET, "dataset", source, &mut table),
            column: demands(&COLUMN, "column", source, &mut table),
            classifications: table.texts("classifications").into_iter().map(|(word, _)| word).collect(),
        };
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
