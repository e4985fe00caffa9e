//! A text of several statements, taken apart at the semicolons that are not quoted and not in a comment.

/// The statements that a semicolon ends, and what follows the last one.
pub(super) fn split(text: &str) -> (Vec<&str>, &str) {
    let bytes = text.as_bytes();
    let (mut statements, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += match byte {
            b';' => {
                statements.push(text[begin..at].trim());
                begin = at + 1;
                1
            }
            b'\'' | b'"' => 1 + past(&rest[1..], &[*byte]),
            b'-' if rest.starts_with(b"--") => 2 + past(&rest[2..], b"\n"),
            b'/' if rest.starts_with(b"/*") => 2 + past(&rest[2..], b"*/"),
            _ => 1,
        };
    }
    statements.retain(|statement| !statement.is_empty());
    (statements, text[begin..].trim())
}

/// How many bytes there are to the end of the first `end`, or to that of the text.
fn past(bytes: &[u8], end: &[u8]) -> usize {
    bytes.windows(end.len()).position(|window| window == end).map_or(bytes.len(), |at| at + end.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_bare_semicolons_end_statements() {
        for (text, statements, rest) in [
            ("SELECT 1", &[][..], "SELECT 1"),
            ("SELECT 1;", &["SELECT 1"], ""),
            (" SELECT 1 ;; SELECT\n2; x", &["SELECT 1", "SELECT\n2"], "x"),
            ("SELECT ';', \"a;b\", 'it''s;';", &["SELECT ';', \"a;b\", 'it''s;'"], ""),
            ("SELECT 1 -- not; here\n;", &["SELECT 1 -- not; here"], ""),
            ("SELECT /* nor; here */ 1; /* open; ", &["SELECT /* nor; here */ 1"], "/* open;"),
            ("SELECT 'open; ", &[], "SELECT 'open;"),
        ] {
            assert_eq!(split(text), (statements.to_vec(), rest), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[-;'\"/*a€\n]{0,40}") {
            let (statements, _) = split(&text);
            prop_assert!(statements.iter().all(|statement| !statement.is_empty()));
        }
    }
}
