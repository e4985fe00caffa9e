//! Tabs where YAML has spaces.
//!
//! YAML 1.2 lets a tab stand between words; the official validator's library does not, nor do others that
//! read contracts. A tab belongs into quoted or block text and into comments only.

use std::ops::Range;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle};

/// The line of the first tab outside of such text, in a document known to be readable.
pub(super) fn stray(text: &str) -> Option<u32> {
    if !text.contains('\t') {
        return None;
    }
    let options = granit_parser::options! { emit_comments: true, max_buffered_comment_events: text.len() };
    let spans = Parser::new_from_str_with_options(text, options).map_while(Result::ok).filter_map(|(event, span)| {
        let quiet = match event {
            Event::Comment(..) => true,
            Event::Scalar(_, style, ..) => style != ScalarStyle::Plain,
            _ => false,
        };
        if quiet { span.byte_range() } else { None }
    });
    let quiet: Vec<Range<usize>> = spans.collect();
    // Spans come in the order of the text.
    let is_quiet = |at: usize| {
        let before = quiet.partition_point(|range| range.start <= at);
        before > 0 && quiet[before - 1].contains(&at)
    };
    let (at, _) = text.match_indices('\t').find(|(at, _)| !is_quiet(*at))?;
    u32::try_from(text[..at].matches('\n').count() + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::stray;

    #[test]
    fn tabs_belong_into_quoted_and_block_text_and_comments() {
        for fine in ["a: 'x\ty'\n", "a: \"x\ty\"\n", "a: |\n  x\ty\n", "a: b # x\ty\n", "#\tx\na: b\n"] {
            assert_eq!(stray(fine), None, "{fine:?}");
        }
        for (text, line) in [("a:\tb\n", 1), ("a: b\nc: d\t\n", 2), ("a: x\ty\n", 1)] {
            assert_eq!(stray(text), Some(line), "{text:?}");
        }
    }
}
