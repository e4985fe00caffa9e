//! The words of a statement: counted before anything recursive sees them, parameters numbered.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::query::error::syntax_message;
use crate::query::{Limits, QueryError, QueryErrorKind};

/// The tokens of `sql`, every `?` replaced by `$1`, `$2`, … in the order of the text, and the number of
/// parameters.
pub(super) fn tokenize(sql: &str, limits: &Limits) -> Result<(Vec<TokenWithSpan>, usize), QueryError> {
    let mut tokens = checked_tokens(sql, limits)?;
    let parameters = number_parameters(&mut tokens)?;
    if parameters > limits.max_parameters {
        return Err(QueryError::limit(format!("a statement may have at most {} parameters", limits.max_parameters)));
    }
    Ok((tokens, parameters))
}

/// The tokens of a named query's SQL, every `$name` replaced by `$1`, `$2`, … in the order of `names`, and how often
/// one stands there.
pub(super) fn tokenize_named(
    sql: &str,
    limits: &Limits,
    names: &[&str],
) -> Result<(Vec<TokenWithSpan>, usize), QueryError> {
    let mut tokens = checked_tokens(sql, limits)?;
    let mut unused: BTreeSet<&str> = names.iter().copied().collect();
    let mut places = 0;
    for token in &mut tokens {
        let Token::Placeholder(text) = &mut token.token else { continue };
        let named = text.strip_prefix('$').unwrap_or_default();
        let Some(position) = names.iter().position(|name| *name == named) else {
            let text = super::shortened(text);
            return Err(QueryError::invalid(format!("`{text}` is no parameter that the query declares")));
        };
        unused.remove(named);
        places += 1;
        *text = format!("${}", position + 1);
    }
    match unused.first() {
        None => Ok((tokens, places)),
        Some(name) => Err(QueryError::invalid(format!("the parameter `{name}` is not used: write `${name}`"))),
    }
}

/// The words and signs of `sql`, as many as may be, nested no deeper than can be read.
fn checked_tokens(sql: &str, limits: &Limits) -> Result<Vec<TokenWithSpan>, QueryError> {
    if sql.len() > limits.max_sql_bytes {
        return Err(QueryError::limit(format!("a statement may have at most {} bytes", limits.max_sql_bytes)));
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(|error| {
        QueryError::new(QueryErrorKind::Syntax, syntax_message(&ParserError::TokenizerError(error.to_string())))
    })?;
    let tokens: Vec<TokenWithSpan> =
        tokens.into_iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    if tokens.len() > limits.max_tokens {
        return Err(QueryError::limit(format!("a statement may have at most {} words and signs", limits.max_tokens)));
    }
    check_spelled_calls(&tokens)?;
    Ok(tokens)
}

/// How deeply calls like `CAST(… AS …)` may be nested: what `retries` counts of those that are open.
const MAX_SPELLED_CALLS: usize = 12;

/// Calls whose arguments are spelled in words. Where the parser cannot read one, it reads the same words once more
/// as a call of a plain function, each of those within it twice again: a syntax error below fifty of them would
/// be found after 2^50 attempts. The recursion limit does not help, since reaching it is such an error.
fn check_spelled_calls(tokens: &[TokenWithSpan]) -> Result<(), QueryError> {
    let mut open: Vec<usize> = Vec::new();
    let mut nested: usize = 0;
    let mut before = None;
    for token in tokens {
        match &token.token {
            Token::LParen => {
                let weight = before.map_or(0, retries);
                nested += weight;
                if nested > MAX_SPELLED_CALLS {
                    return Err(QueryError::limit("calls like `CAST(… AS …)` are nested too deeply"));
                }
                open.push(weight);
            }
            Token::RParen => nested = nested.saturating_sub(open.pop().unwrap_or_default()),
            _ => {}
        }
        before = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
            _ => None,
        };
    }
    Ok(())
}

/// How often the parser reads what is in the brackets behind a word once more, as a power of two.
fn retries(keyword: Keyword) -> usize {
    use Keyword as Word;
    match keyword {
        Word::CASE
        | Word::NOT
        | Word::CAST
        | Word::TRY_CAST
        | Word::SAFE_CAST
        | Word::CONVERT
        | Word::TRY_CONVERT
        | Word::CEIL
        | Word::FLOOR
        | Word::EXTRACT
        | Word::EXISTS
        | Word::OVERLAY
        | Word::SUBSTR
        | Word::SUBSTRING
        | Word::TRIM
        | Word::STRUCT
        | Word::ARRAY
        | Word::MAP
        | Word::MATCH
        | Word::LAMBDA
        | Word::PRIOR
        | Word::INTERVAL
        | Word::BOX
        | Word::CIRCLE
        | Word::LINE
        | Word::LSEG
        | Word::PATH
        | Word::POINT
        | Word::POLYGON => 1,
        Word::POSITION => 3,
        _ => 0,
    }
}

/// DataFusion takes every `?` for one and the same parameter, so they get numbers here.
fn number_parameters(tokens: &mut [TokenWithSpan]) -> Result<usize, QueryError> {
    let mut marks = 0;
    let mut numbers = BTreeSet::new();
    for token in tokens {
        let Token::Placeholder(text) = &mut token.token else { continue };
        if text == "?" {
            marks += 1;
            *text = format!("${marks}");
        } else {
            numbers.insert(parameter_number(text)?);
        }
    }
    match (marks, numbers.last()) {
        (marks, None) => Ok(marks),
        (0, Some(&last)) if last == numbers.len() => Ok(last),
        (0, Some(_)) => Err(QueryError::invalid("parameters are numbered `$1`, `$2` and so on without a gap")),
        (_, Some(_)) => Err(QueryError::invalid("a statement uses either `?` or `$1` for its parameters, not both")),
    }
}

/// The number of `$n`: positive, canonical.
fn parameter_number(text: &str) -> Result<usize, QueryError> {
    text.strip_prefix('$')
        .filter(|digits| digits.len() <= 6 && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| QueryError::invalid("parameters are written `?`, or `$1`, `$2` and so on"))
}
