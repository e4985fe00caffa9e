//! From text to the tree.

use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{
    self, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag,
};

use super::super::faults::Faults;
use super::node::{Entry, Map, Node, Value};
use super::{scalar, tabs};

/// Largest file read.
const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting read.
const MAX_DEPTH: usize = 64;
/// Most nodes a file may have once its aliases are expanded.
const MAX_NODES: usize = 200_000;

/// Reads one document. Nothing is returned when the text is no YAML; what can be read in spite of a fault
/// (a key given twice) is returned beside it.
pub(crate) fn read(text: &str, faults: &mut Faults<'_>) -> Option<Node> {
    if text.len() > MAX_BYTES {
        faults.add(1, format!("the file is larger than {} KiB", MAX_BYTES >> 10));
        return None;
    }
    if let Some(at) = text.find(|c: char| !is_printable(c)) {
        let line = text[..at].matches('\n').count() + 1;
        faults.add(u32::try_from(line).unwrap_or(u32::MAX), "the file holds a control character");
        return None;
    }
    let mut options = granit_parser::options! { flow_nesting_limit: MAX_DEPTH * 2, block_nesting_limit: MAX_DEPTH * 2 };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { events: parser, anchors: HashMap::new(), nodes: 0, brackets: 0, faults };
    match reader.document() {
        Ok(node) => {
            if let Some(line) = tabs::stray(text) {
                faults.advise(line, "a tab stands where YAML has spaces", "write spaces, or put the text in quotes");
            }
            Some(node)
        }
        Err(Stop { line, reason, hint }) => {
            match hint {
                Some(hint) => faults.advise(line, reason, hint),
                None => faults.add(line, reason),
            }
            None
        }
    }
}

/// The characters YAML allows in a file.
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

/// Why reading cannot go on.
struct Stop {
    line: u32,
    reason: String,
    hint: Option<&'static str>,
}

impl Stop {
    fn at(line: u32, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into(), hint: None }
    }
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self { line: line(error.marker()), reason: format!("the file is not YAML: {}", error.info()), hint: None }
    }
}

fn line(marker: &Marker) -> u32 {
    u32::try_from(marker.line()).unwrap_or(u32::MAX).max(1)
}

struct Reader<'t, 'f, 'a> {
    events: Parser<'t, StrInput<'t>>,
    /// Anchored nodes with the number of nodes in each.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    /// How many collections written in brackets are open.
    brackets: usize,
    faults: &'f mut Faults<'a>,
}

impl<'t> Reader<'t, '_, '_> {
    fn document(&mut self) -> Result<Node, Stop> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => return Err(Stop::at(1, "the file is empty")),
                (event, span) => {
                    let node = self.node(event, &span, 0)?;
                    return self.end().map(|()| node);
                }
            }
        }
    }

    /// After the document nothing may follow.
    fn end(&mut self) -> Result<(), Stop> {
        loop {
            match self.next()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Ok(()),
                (_, span) => {
                    return Err(Stop::at(
                        line(&span.start),
                        "the file holds more than one document: write one per file",
                    ));
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        match self.events.next_event() {
            Some(event) => Ok(event?),
            None => Ok((Event::StreamEnd, Span::empty(Marker::new(0, 1, 0)))),
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Node, Stop> {
        let line = line(&span.start);
        if depth > MAX_DEPTH {
            return Err(Stop::at(line, format!("the file nests deeper than {MAX_DEPTH} levels")));
        }
        let before = self.nodes;
        self.count(line, 1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if style == ScalarStyle::Plain && self.brackets > 0 && text.contains('?') {
                    // YAML 1.2 allows it; what reads the contract next may not.
                    let reason = format!("`?` within brackets ends a word, as in `{text}`");
                    return Err(Stop { line, reason, hint: Some("write the text in quotes") });
                }
                (scalar_value(&text, style, tag.as_deref(), line)?, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                expect_tag(tag.as_deref(), "seq", line)?;
                let bracket = usize::from(style == StructureStyle::Flow);
                self.brackets += bracket;
                let list = self.list(depth)?;
                self.brackets -= bracket;
                (list, anchor)
            }
            Event::MappingStart(style, anchor, tag) => {
                expect_tag(tag.as_deref(), "map", line)?;
                let bracket = usize::from(style == StructureStyle::Flow);
                self.brackets += bracket;
                let map = self.map(line, depth)?;
                self.brackets -= bracket;
                (Value::Map(map), anchor)
            }
            Event::Alias(target) => {
                let Some((node, size)) = self.anchors.get(&target).cloned() else {
                    return Err(Stop::at(line, "an alias stands inside the very value it refers to"));
                };
                self.count(line, size)?;
                return Ok(node);
            }
            _ => return Err(Stop::at(line, "the file is not YAML: a value is missing")),
        };
        let node = Node { line, value };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn count(&mut self, line: u32, more: usize) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(Stop::at(line, "the file holds too many values, its aliases counted where they stand"));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: u32, depth: usize) -> Result<Map, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        let mut keys: HashSet<String> = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            let merges = match &event {
                Event::MappingEnd => break,
                Event::Scalar(text, ScalarStyle::Plain, _, None) => text == "<<",
                _ => false,
            };
            let at = line(&span.start);
            if merges {
                let (event, span) = self.next()?;
                let source = self.node(event, &span, depth + 1)?;
                merged.extend(merge(source)?);
                continue;
            }
            let key = self.node(event, &span, depth + 1)?;
            let Some(identity) = key_identity(&key) else {
                return Err(Stop::at(at, "a key must be a word, not a list or a mapping"));
            };
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            if keys.insert(identity) {
                entries.push(Entry { key: Node { line: at, ..key }, value });
            } else {
                let word = key.written().unwrap_or_default();
                self.faults.advise(at, format!("`{word}` is given twice"), "keep one of them");
            }
        }
        // A mapping's own keys prevail over merged ones, and earlier merged ones over later.
        merged.retain(|entry| key_identity(&entry.key).is_some_and(|identity| keys.insert(identity)));
        entries.extend(merged);
        Ok(Map { line: start, entries })
    }
}

/// What `<<` brings: the entries of a mapping, or of a list of mappings.
fn merge(source: Node) -> Result<Vec<Entry>, Stop> {
    let wrong = |line| Stop::at(line, "`<<` takes a mapping or a list of mappings");
    match source.value {
        Value::Map(map) => Ok(map.entries),
        Value::List(items) => {
            let maps = items.into_iter().map(|item| match item.value {
                Value::Map(map) => Ok(map.entries),
                _ => Err(wrong(item.line)),
            });
            Ok(maps.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        _ => Err(wrong(source.line)),
    }
}

/// What tells keys apart: to the official validator's library, `true` and `1` are one.
fn key_identity(key: &Node) -> Option<String> {
    match key.value {
        Value::Flag(flag) => Some(format!("number {}", u8::from(flag))),
        _ => key.identity(),
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: u32) -> Result<Value, Stop> {
    let Some(tag) = tag else {
        if style != ScalarStyle::Plain {
            return Ok(Value::Text(text.to_owned()));
        }
        if text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
            let reason = "the text holds a character that breaks lines (U+0085, U+2028 or U+2029)".to_owned();
            return Err(Stop { line, reason, hint: Some("remove it, or put the text in quotes") });
        }
        return scalar::plain(text).ok_or_else(|| Stop {
            line,
            reason: format!("`{text}` stands for syntax here"),
            hint: Some("write it in quotes"),
        });
    };
    let unfit = || Stop::at(line, format!("`{text}` is not what its tag says"));
    match tag.core_suffix() {
        Some("str") => Ok(Value::Text(text.to_owned())),
        Some("null") => Ok(Value::Null),
        Some("bool") => scalar::flag(text).map(Value::Flag).ok_or_else(unfit),
        Some("int" | "float") => scalar::number(text).map(Value::Number).ok_or_else(unfit),
        _ => Err(unknown_tag(tag, line)),
    }
}

fn expect_tag(tag: Option<&Tag>, suffix: &str, line: u32) -> Result<(), Stop> {
    match tag {
        Some(tag) if tag.core_suffix() != Some(suffix) => Err(unknown_tag(tag, line)),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, line: u32) -> Stop {
    Stop {
        line,
        reason: format!("the tag `{}` means nothing in a contract", tag.original()),
        hint: Some("leave it out"),
    }
}
