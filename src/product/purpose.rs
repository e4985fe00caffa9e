//! The form of a purpose, as contracts and callers write it.

/// Longest purpose accepted, in bytes.
pub const MAX_PURPOSE: usize = 64;

/// Whether a text may be a purpose: `[a-z0-9_-]{1,64}`.
pub fn is_purpose(text: &str) -> bool {
    (1..=MAX_PURPOSE).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}
