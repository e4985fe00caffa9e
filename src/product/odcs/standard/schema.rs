//! Schema: tables and their columns.

use std::collections::HashSet;

use super::super::faults::Faults;
use super::super::shape::{Key, List, Object, Parts, Shape, may, must, word_of};
use super::super::yaml::{Map, Value};
use super::common::{CUSTOM_PROPERTIES, DEFINITIONS, ID, SYNONYMS, TAGS, TEXTS};
use super::context::CONTEXT;
use super::quality::QUALITY;
use super::relationship::{OF_COLUMN, OF_TABLE};

pub(super) static OBJECT: Object = Object::new(
    "a table (an item of `schema`)",
    &[
        may("id", ID),
        must("name", Shape::Text),
        may("physicalType", Shape::Text),
        may("description", Shape::Text),
        may("businessName", Shape::Text),
        may("deprecated", Shape::Flag),
        may("synonyms", SYNONYMS),
        may("authoritativeDefinitions", DEFINITIONS),
        may("tags", TAGS),
        may("customProperties", CUSTOM_PROPERTIES),
        may("logicalType", Shape::Word(&["object", "blob"])),
        may("physicalName", Shape::Text),
        may("dataGranularityDescription", Shape::Text),
        may("properties", COLUMNS),
        may("relationships", Shape::List(&List::of(Shape::Object(&OF_TABLE)))),
        may("quality", QUALITY),
        may("context", CONTEXT),
    ],
);

const COLUMNS: Shape = Shape::List(&List::of(Shape::Object(&COLUMN)));

/// A column has a name; what stands in a list or a map has none that it must.
pub(super) static COLUMN: Object =
    Object::new("a column", COLUMN_KEYS).with_parts(named_parts).with_rule(distinct_values);
static ITEM: Object = Object::new("a description of items", COLUMN_KEYS).with_parts(parts).with_rule(distinct_values);

const COLUMN_KEYS: &[Key] = &[
    may("id", ID),
    may("name", Shape::Text),
    may("physicalType", Shape::Text),
    may("description", Shape::Text),
    may("businessName", Shape::Text),
    may("deprecated", Shape::Flag),
    may("synonyms", SYNONYMS),
    may("authoritativeDefinitions", DEFINITIONS),
    may("tags", TAGS),
    may("customProperties", CUSTOM_PROPERTIES),
    may("primaryKey", Shape::Flag),
    may("primaryKeyPosition", Shape::Whole(None)),
    may("logicalType", Shape::Word(LOGICAL_TYPES)),
    may("logicalTypeOptions", Shape::Free),
    may("physicalName", Shape::Text),
    may("required", Shape::Flag),
    may("unique", Shape::Flag),
    may("semanticType", Shape::Word(&["column", "measure", "dimension"])),
    may("partitioned", Shape::Flag),
    may("partitionKeyPosition", Shape::Whole(None)),
    may("classification", Shape::Text),
    may("encryptedName", Shape::Text),
    may("transformSourceObjects", TEXTS),
    may("transformLogic", Shape::Text),
    may("transformDescription", Shape::Text),
    may("examples", Shape::List(&List::of(Shape::Any))),
    may("enum", ENUM_VALUES),
    may("criticalDataElement", Shape::Flag),
    may("relationships", RELATIONSHIPS),
    may("quality", QUALITY),
];

const LOGICAL_TYPES: &[&str] =
    &["string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean", "map", "vector"];

const ENUM_VALUES: Shape = Shape::List(&List { least: 1, ..List::of(Shape::Object(&ENUM_VALUE)) });
const RELATIONSHIPS: Shape = Shape::List(&List::of(Shape::Object(&OF_COLUMN)));

static ENUM_VALUE: Object = Object::new(
    "a value of an enumeration",
    &[
        must("value", Shape::Scalar),
        may("label", Shape::Text),
        may("id", ID),
        may("description", Shape::Text),
        may("customProperties", CUSTOM_PROPERTIES),
        may("authoritativeDefinitions", DEFINITIONS),
        may("tags", TAGS),
    ],
);

fn named_parts(column: &Map) -> Parts {
    let named = must("name", Shape::Text);
    match parts(column) {
        Parts::Known(mut keys) => {
            keys.push(named);
            Parts::Known(keys)
        }
        Parts::Unknown => Parts::Unknown,
    }
}

/// The keys that the logical type brings. A column without one satisfies the standard's condition for each
/// type that does not ask for the key to be there, so all their restrictions hold at once: no option is left.
fn parts(column: &Map) -> Parts {
    let options = |object: &'static Object| may("logicalTypeOptions", Shape::Object(object));
    let (properties, items) = (may("properties", COLUMNS), may("items", Shape::Object(&ITEM)));
    if column.get("logicalType").is_none() {
        return Parts::Known(vec![options(&NO_OPTIONS), properties, items]);
    }
    Parts::Known(match word_of(column.get("logicalType"), LOGICAL_TYPES) {
        None => return Parts::Unknown,
        Some("string") => vec![options(&STRING)],
        Some("date") => vec![options(&DATE)],
        Some("timestamp" | "time") => vec![options(&TIMESTAMP)],
        Some("integer") => vec![options(&INTEGER)],
        Some("number") => vec![options(&NUMBER)],
        Some("object") => vec![options(&OBJECT_OPTIONS), properties],
        Some("array") => vec![options(&ARRAY), items],
        Some("map") => vec![must("map", Shape::Object(&MAP))],
        Some("vector") => vec![must("logicalTypeOptions", Shape::Object(&VECTOR))],
        Some(_) => Vec::new(),
    })
}

const COUNT: Shape = Shape::Whole(Some(0));

static NO_OPTIONS: Object = Object::new("the options of a column without `logicalType`", &[]);
static STRING: Object = Object::new(
    "the options of a string",
    &[may("minLength", COUNT), may("maxLength", COUNT), may("pattern", Shape::Text), may("format", Shape::Text)],
);
static DATE: Object = Object::new("the options of a date", TEXT_RANGE);
const TEXT_RANGE: &[Key] = &[
    may("format", Shape::Text),
    may("exclusiveMaximum", Shape::Text),
    may("maximum", Shape::Text),
    may("exclusiveMinimum", Shape::Text),
    may("minimum", Shape::Text),
];
static TIMESTAMP: Object = Object::new("the options of a timestamp or time", TIMESTAMP_KEYS);
const TIMESTAMP_KEYS: &[Key] = &[
    TEXT_RANGE[0],
    TEXT_RANGE[1],
    TEXT_RANGE[2],
    TEXT_RANGE[3],
    TEXT_RANGE[4],
    may("timezone", Shape::Flag),
    may("defaultTimezone", Shape::Text),
];
static INTEGER: Object = Object::new("the options of an integer", INTEGER_KEYS);
const INTEGER_KEYS: &[Key] = &[
    NUMBER_RANGE[0],
    NUMBER_RANGE[1],
    NUMBER_RANGE[2],
    NUMBER_RANGE[3],
    NUMBER_RANGE[4],
    may("format", Shape::Word(&["i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128"])),
];
static NUMBER: Object = Object::new("the options of a number", NUMBER_KEYS);
const NUMBER_KEYS: &[Key] = &[
    NUMBER_RANGE[0],
    NUMBER_RANGE[1],
    NUMBER_RANGE[2],
    NUMBER_RANGE[3],
    NUMBER_RANGE[4],
    may("format", Shape::Word(&["f32", "f64"])),
];
const NUMBER_RANGE: &[Key] = &[
    may("multipleOf", Shape::Positive),
    may("maximum", Shape::Number),
    may("exclusiveMaximum", Shape::Number),
    may("minimum", Shape::Number),
    may("exclusiveMinimum", Shape::Number),
];
static OBJECT_OPTIONS: Object = Object::new(
    "the options of an object",
    &[
        may("maxProperties", COUNT),
        may("minProperties", COUNT),
        may("required", Shape::List(&List { item: Shape::Text, least: 1, most: usize::MAX, distinct: true })),
    ],
);
static ARRAY: Object = Object::new(
    "the options of an array",
    &[may("maxItems", COUNT), may("minItems", COUNT), may("uniqueItems", Shape::Flag)],
);
static MAP: Object = Object::new("a map", &[must("key", Shape::Object(&ITEM)), must("value", Shape::Object(&ITEM))]);
static VECTOR: Object = Object::new(
    "the options of a vector",
    &[
        must("dimensions", Shape::Whole(Some(1))),
        may("elementType", Shape::Word(&["bfloat16", "binary", "float16", "float32", "float64", "int8", "uint8"])),
        may("distanceMetric", Shape::Word(&["cosine", "dotProduct", "euclidean", "hamming", "manhattan"])),
        may("embeddingModel", Shape::Text),
        may("embeddingModelVersion", Shape::Text),
        may("normalized", Shape::Flag),
    ],
);

/// The values of an enumeration are distinct, and none is null where a value is required. The standard's
/// text says so; the official validator checks it beside the schema.
fn distinct_values(column: &Map, faults: &mut Faults<'_>) {
    let mut seen = HashSet::new();
    for entry in column.maps("enum") {
        let Some(node) = entry.get("value") else { continue };
        if node.value == Value::Null && column.flag("required") == Some(true) {
            faults.advise(node.line, "the enumeration of a required column names null", "remove the null value");
        }
        if node.identity().is_some_and(|identity| !seen.insert(identity)) {
            faults.add(node.line, format!("the enumeration names `{}` twice", node.written().unwrap_or_default()));
        }
    }
}
