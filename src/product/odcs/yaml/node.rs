//! The tree.

/// A value and the line it starts on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub line: u32,
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

/// A number, with the text the author wrote.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub text: String,
    pub value: f64,
    pub whole: bool,
}

/// `1` and `1.0` are one number.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A mapping; its keys are distinct scalars.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Map {
    pub line: u32,
    pub entries: Vec<Entry>,
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: Node,
    pub value: Node,
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn flag(&self) -> Option<bool> {
        match self.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// A scalar as the author wrote it; collections have no such form.
    pub fn written(&self) -> Option<String> {
        match &self.value {
            Value::Null => Some("null".into()),
            Value::Flag(flag) => Some(flag.to_string()),
            Value::Number(number) => Some(number.text.clone()),
            Value::Text(text) => Some(text.clone()),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What tells scalars apart as keys and as values of an enumeration: `1` and `1.0` are one.
    pub fn identity(&self) -> Option<String> {
        match &self.value {
            Value::Number(number) => Some(format!("number {}", number.value)),
            Value::Text(text) => Some(format!("text {text}")),
            _ => self.written(),
        }
    }

    /// The kind of value, in an author's words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Flag(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl Map {
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.text() == Some(key))
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.flag()
    }

    pub fn map(&self, key: &str) -> Option<&Map> {
        self.get(key)?.map()
    }

    /// The items of a list; none when the key is absent or no list.
    pub fn items(&self, key: &str) -> &[Node] {
        self.get(key).and_then(Node::list).unwrap_or_default()
    }

    /// The mappings in a list of mappings.
    pub fn maps(&self, key: &str) -> impl Iterator<Item = &Map> {
        self.items(key).iter().filter_map(Node::map)
    }

    /// The texts in a list of texts.
    pub fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.items(key).iter().filter_map(Node::text)
    }

    /// The line of a key's value, else of the mapping.
    pub fn line_of(&self, key: &str) -> u32 {
        self.entry(key).map_or(self.line, |entry| entry.key.line)
    }
}
