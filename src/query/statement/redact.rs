//! A statement as the audit may keep it: its shape, without what its caller typed into it.
//!
//! A literal is a data value: `WHERE email = '…'` says whose record was looked for. So is, often enough, a name
//! that is none: `WHERE email = "…"`, quotes mistaken or forgotten. The rule therefore works on words, not on
//! places: whatever is not known to be harmless becomes a digest, and there is no place to forget.
//!
//! ```text
//! written:   SELECT o_orderkey AS k FROM sales.orders WHERE o_clerk = 'Clerk#000000951' LIMIT 5
//! redacted:  SELECT o_orderkey AS "#3f…" FROM sales.orders WHERE o_clerk = '#91…' LIMIT 5
//! ```
//!
//! What stays: SQL's own words and signs, permitted functions, parameters, the names of the tables asked for, names
//! that the caller of [`Statement::redacted`] knows, and the numbers of LIMIT and OFFSET.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};

use super::Statement;
use crate::product::{Address, Name};
use crate::query::functions;

impl Statement {
    /// The statement with every literal and every unknown name replaced by what `digest` makes of it. `known` answers
    /// whether a word names something of the mesh, such as a column.
    pub fn redacted(&self, known: &dyn Fn(&str) -> bool, digest: &dyn Fn(&str) -> String) -> String {
        let text = self.to_string();
        let Ok(tokens) = Tokenizer::new(&GenericDialect {}, &text).tokenize() else {
            // The parser's own words do not read: then none of them is repeated.
            return format!("'#{}'", digest(&text));
        };
        let tables = self.table_words();
        let known = |word: &str| known(word) || tables.contains(word);
        let mut redacted = String::with_capacity(text.len());
        let mut last = Keyword::NoKeyword;
        for token in &tokens {
            match token {
                // What the parser writes has no comments.
                Token::Whitespace(_) => {
                    redacted.push(' ');
                    continue;
                }
                Token::Word(word) if is_harmless(word) || known(&normalised(word)) => {
                    redacted.push_str(&token.to_string());
                }
                Token::Word(word) => redacted.push_str(&format!("\"#{}\"", digest(&word.value))),
                Token::Number(..) if matches!(last, Keyword::LIMIT | Keyword::OFFSET) => {
                    redacted.push_str(&token.to_string());
                }
                Token::Placeholder(name) if is_parameter(name) => redacted.push_str(name),
                other => match literal(other) {
                    Some(value) => redacted.push_str(&format!("'#{}'", digest(&value))),
                    None => redacted.push_str(&other.to_string()),
                },
            }
            last = match token {
                Token::Word(word) => word.keyword,
                _ => Keyword::NoKeyword,
            };
        }
        redacted
    }

    /// The parts of the names of its tables, as far as they can be names of the mesh at all.
    fn table_words(&self) -> BTreeSet<&str> {
        let parts = self.tables.iter().flat_map(|name| [name.catalog.as_deref(), name.schema.as_deref()]);
        let parts = parts.flatten().filter(|word| Name::parse(word).is_ok() || *word == "information_schema");
        let tables = self.tables.iter().filter(|name| Address::from_table("a", &name.table).is_ok());
        let queries =
            self.calls.iter().flat_map(|call| [call.stands_as.as_str(), call.template.declared().name.as_str()]);
        parts.chain(tables.map(|name| name.table.as_str())).chain(queries).collect()
    }
}

/// A word of SQL's own, or a function that everybody may call.
fn is_harmless(word: &Word) -> bool {
    word.quote_style.is_none()
        && (word.keyword != Keyword::NoKeyword || functions::is_permitted(&word.value.to_lowercase()))
}

fn normalised(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() }
}

fn is_parameter(name: &str) -> bool {
    name.strip_prefix('$').is_some_and(|digits| digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The value of a token that is no mere sign.
fn literal(token: &Token) -> Option<String> {
    match token {
        Token::Number(value, _)
        | Token::SingleQuotedString(value)
        | Token::DoubleQuotedString(value)
        | Token::NationalStringLiteral(value)
        | Token::EscapedStringLiteral(value)
        | Token::UnicodeStringLiteral(value)
        | Token::HexStringLiteral(value) => Some(value.clone()),
        Token::DollarQuotedString(string) => Some(string.value.clone()),
        other => {
            let text = other.to_string();
            let is_sign = text.chars().all(|c| c.is_ascii_punctuation()) && text.len() <= 4;
            (!is_sign).then_some(text)
        }
    }
}
