//! A column's Arrow type: what `physicalType` says, in accord with `logicalType` and its options.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::super::check::short;
use super::super::faults::Faults;
use super::super::shape::holds_variable;
use super::super::yaml::{Map, Node, Value};
use super::column::check_name;
use super::physical::{self, Physical};

const UTC: &str = "UTC";

/// The type of a column or item; nothing, with the reason reported, when it cannot be told.
pub(super) fn data_type(item: &Map, faults: &mut Faults<'_>) -> Option<DataType> {
    let logical = item.text("logicalType");
    if let Some(word) = logical.filter(|word| holds_variable(word)) {
        faults.add(item.line_of("logicalType"), format!("`{}`: Airside fills in no variables", short(word)));
        return None;
    }
    let physical = match item.text("physicalType") {
        Some(text) => match physical::parse(text) {
            Ok(physical) => Some(physical),
            Err(error) => {
                let line = item.line_of("physicalType");
                faults.advise(line, format!("`{}` {}", short(text), error.reason), error.hint);
                return None;
            }
        },
        None => None,
    };
    let mut reader = Reader { item, faults };
    match (logical, physical) {
        (None, None) => {
            // A logical type of the wrong kind has been reported.
            if item.get("logicalType").is_none() && item.get("physicalType").is_none() {
                let named =
                    item.text("name").map_or_else(|| "an item".to_owned(), |name| format!("column `{}`", short(name)));
                let hint = "add `logicalType:`, and `physicalType:` where that leaves a choice";
                reader.faults.advise(item.line, format!("{named} has no type"), hint);
            }
            None
        }
        (Some(logical), None) => reader.logical(logical),
        (logical, Some(physical)) => reader.physical(logical, &physical),
    }
}

struct Reader<'m, 'f, 'a> {
    item: &'m Map,
    faults: &'f mut Faults<'a>,
}

impl Reader<'_, '_, '_> {
    /// What a logical type alone means.
    fn logical(&mut self, logical: &str) -> Option<DataType> {
        Some(match logical {
            "string" => DataType::Utf8,
            "integer" => self.integer_format()?.unwrap_or(DataType::Int64),
            "number" if self.option("format") == Some("f32") => DataType::Float32,
            "number" => DataType::Float64,
            "boolean" => DataType::Boolean,
            "date" => DataType::Date32,
            "timestamp" => self.timestamp(TimeUnit::Microsecond, None)?,
            "time" => DataType::Time64(TimeUnit::Microsecond),
            "array" => self.list(None)?,
            "object" => self.fields()?,
            "map" => self.map()?,
            "vector" => self.vector()?,
            // The standard's check has reported any other word.
            _ => return None,
        })
    }

    /// What a physical type means, if the logical one agrees.
    fn physical(&mut self, logical: Option<&str>, physical: &Physical) -> Option<DataType> {
        if let Some(logical) = logical
            && !agree(logical, physical)
        {
            let text = self.item.text("physicalType").unwrap_or_default();
            let reason = format!("`{}` is not a physical type of a {logical}", short(text));
            self.faults.advise(self.item.line_of("physicalType"), reason, hint_for(physical));
            return None;
        }
        let data_type = match physical {
            Physical::Exactly(data_type) => data_type.clone(),
            Physical::Timestamp(unit, zone) => self.timestamp(*unit, *zone)?,
            Physical::List(item) => self.list(item.as_deref())?,
            Physical::Struct => self.fields()?,
            Physical::Map => self.map()?,
        };
        if let Some(format) = self.integer_format()?
            && data_type.is_integer()
            && data_type != format
        {
            self.contradiction("format");
            return None;
        }
        if matches!(
            (self.option("format"), &data_type),
            (Some("f32"), DataType::Float64) | (Some("f64"), DataType::Float32)
        ) {
            self.contradiction("format");
            return None;
        }
        Some(data_type)
    }

    fn contradiction(&mut self, option: &str) {
        let line = self.options().map_or(self.item.line, |options| options.line_of(option));
        self.faults.advise(line, format!("the option `{option}` contradicts `physicalType`"), "leave one of them out");
    }

    fn options(&self) -> Option<&Map> {
        self.item.map("logicalTypeOptions")
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options()?.text(name)
    }

    /// The format an integer names, if it names one; nothing when Arrow has no such type.
    #[expect(clippy::option_option, reason = "the outer one says whether reading goes on")]
    fn integer_format(&mut self) -> Option<Option<DataType>> {
        if self.item.text("logicalType") != Some("integer") {
            return Some(None);
        }
        Some(Some(match self.option("format") {
            None => return Some(None),
            Some("i8") => DataType::Int8,
            Some("i16") => DataType::Int16,
            Some("i32") => DataType::Int32,
            Some("i64") => DataType::Int64,
            Some("u8") => DataType::UInt8,
            Some("u16") => DataType::UInt16,
            Some("u32") => DataType::UInt32,
            Some("u64") => DataType::UInt64,
            Some(other) => {
                let line = self.options().map_or(self.item.line, |options| options.line_of("format"));
                let reason = format!("Airside has no integers of format `{}`", short(other));
                self.faults.advise(line, reason, "use `physicalType: DECIMAL(38,0)`");
                return None;
            }
        }))
    }

    fn timestamp(&mut self, unit: TimeUnit, zone: Option<bool>) -> Option<DataType> {
        let asked = self.options().and_then(|options| options.flag("timezone"));
        if let (Some(physical), Some(asked)) = (zone, asked)
            && physical != asked
        {
            self.contradiction("timezone");
            return None;
        }
        let zoned = zone.or(asked).unwrap_or(false);
        Some(DataType::Timestamp(unit, zoned.then(|| UTC.into())))
    }

    /// A list: `items` tell what of, or the physical type does.
    fn list(&mut self, inner: Option<&Physical>) -> Option<DataType> {
        if let Some(items) = self.item.map("items") {
            let inner = data_type(items, self.faults)?;
            return Some(DataType::List(Arc::new(Field::new_list_field(inner, items.flag("required") != Some(true)))));
        }
        match inner.and_then(plain) {
            Some(inner) => Some(DataType::List(Arc::new(Field::new_list_field(inner, true)))),
            None => {
                self.faults.advise(
                    self.item.line,
                    "the list does not say what its items are",
                    "describe them under `items:`",
                );
                None
            }
        }
    }

    fn fields(&mut self) -> Option<DataType> {
        let properties = self.item.items("properties");
        if properties.is_empty() {
            let reason = "the object does not say what its fields are";
            self.faults.advise(self.item.line, reason, "list them under `properties:`");
            return None;
        }
        let mut taken = HashSet::new();
        let mut fields = Vec::new();
        let mut whole = true;
        for property in properties.iter().filter_map(Node::map) {
            if let Some(name) = property.get("name") {
                check_name(name, &mut taken, self.faults);
            }
            match (property.text("name"), data_type(property, self.faults)) {
                (Some(name), Some(data_type)) => {
                    fields.push(Field::new(name, data_type, property.flag("required") != Some(true)));
                }
                _ => whole = false,
            }
        }
        whole.then(|| DataType::Struct(fields.into()))
    }

    fn map(&mut self) -> Option<DataType> {
        let Some(map) = self.item.map("map") else {
            if self.item.get("map").is_none() {
                let hint = "write `logicalType: map` and describe both under `map:`";
                self.faults.advise(self.item.line, "the map does not say what its keys and values are", hint);
            }
            return None;
        };
        let (key, value) = (map.map("key")?, map.map("value")?);
        let (key_type, value_type) = (data_type(key, self.faults), data_type(value, self.faults));
        let fields = vec![
            Field::new("key", key_type?, false),
            Field::new("value", value_type?, value.flag("required") != Some(true)),
        ];
        Some(DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false))
    }

    fn vector(&mut self) -> Option<DataType> {
        const MOST: f64 = 65_536.0;
        let element = match self.option("elementType") {
            None | Some("float32") => DataType::Float32,
            Some("float16") => DataType::Float16,
            Some("float64") => DataType::Float64,
            Some("int8") => DataType::Int8,
            Some("uint8") => DataType::UInt8,
            Some(other) => {
                self.faults.add(self.item.line, format!("Airside has no vectors of `{}`", short(other)));
                return None;
            }
        };
        let Value::Number(dimensions) = &self.options()?.get("dimensions")?.value else { return None };
        if !dimensions.whole || !(1.0..=MOST).contains(&dimensions.value) {
            self.faults.add(self.item.line, format!("a vector has at most {MOST} dimensions"));
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a whole number within the bounds just checked")]
        let dimensions = dimensions.value as i32;
        Some(DataType::FixedSizeList(Arc::new(Field::new_list_field(element, true)), dimensions))
    }
}

/// A physical type that needs no further description.
fn plain(physical: &Physical) -> Option<DataType> {
    Some(match physical {
        Physical::Exactly(data_type) => data_type.clone(),
        Physical::Timestamp(unit, zone) => DataType::Timestamp(*unit, (*zone == Some(true)).then(|| UTC.into())),
        Physical::List(Some(inner)) => DataType::List(Arc::new(Field::new_list_field(plain(inner)?, true))),
        Physical::List(None) | Physical::Struct | Physical::Map => return None,
    })
}

/// Whether a column may be of both types.
fn agree(logical: &str, physical: &Physical) -> bool {
    use DataType as D;
    match (logical, physical) {
        ("string", Physical::Exactly(D::Utf8))
        | ("boolean", Physical::Exactly(D::Boolean))
        | ("date", Physical::Exactly(D::Date32))
        | ("time", Physical::Exactly(D::Time32(_) | D::Time64(_)))
        | ("timestamp", Physical::Timestamp(..))
        | ("array" | "vector", Physical::List(_))
        | ("object", Physical::Struct)
        | ("map", Physical::Map) => true,
        ("integer", Physical::Exactly(found)) => found.is_integer() || matches!(found, D::Decimal128(_, 0)),
        ("number", Physical::Exactly(found)) => found.is_numeric(),
        _ => false,
    }
}

fn hint_for(physical: &Physical) -> &'static str {
    use DataType as D;
    match physical {
        Physical::Exactly(D::Binary) => "the standard has no logical type for binary columns: leave `logicalType` out",
        Physical::Exactly(D::Utf8) => "write `logicalType: string`, or another `physicalType`",
        Physical::Exactly(found) if found.is_integer() => "write `logicalType: integer`, or another `physicalType`",
        Physical::Exactly(found) if found.is_numeric() => "write `logicalType: number`, or another `physicalType`",
        Physical::Exactly(D::Boolean) => "write `logicalType: boolean`, or another `physicalType`",
        Physical::Exactly(D::Date32) => "write `logicalType: date`, or another `physicalType`",
        Physical::Exactly(_) => "write `logicalType: time`, or another `physicalType`",
        Physical::Timestamp(..) => "write `logicalType: timestamp`, or another `physicalType`",
        Physical::List(_) => "write `logicalType: array`, or another `physicalType`",
        Physical::Struct => "write `logicalType: object`, or another `physicalType`",
        Physical::Map => "write `logicalType: map`, or another `physicalType`",
    }
}

/// A type in an author's words.
pub(super) fn shown(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Utf8 => "text",
        DataType::Boolean => "boolean",
        DataType::Date32 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Timestamp(..) => "timestamp",
        DataType::Binary => "binary",
        DataType::List(_) | DataType::FixedSizeList(..) => "list",
        DataType::Struct(_) => "struct",
        DataType::Map(..) => "map",
        other if other.is_integer() => "integer",
        _ => "number",
    }
}
