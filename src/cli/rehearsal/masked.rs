//! Whether values have the form that a mask gives them.

use arrow::array::{Array, ArrayRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::product::Mask;

/// The position of the first value that the mask cannot have made. NULL stays NULL under every mask.
pub fn first_stray(mask: Mask, values: &ArrayRef) -> Option<usize> {
    if mask == Mask::Null {
        return (0..values.len()).find(|row| values.is_valid(*row));
    }
    let Ok(formatter) = ArrayFormatter::try_new(values.as_ref(), &FormatOptions::default()) else {
        return Some(0);
    };
    let rows = (0..values.len()).filter(|row| values.is_valid(*row));
    let mut strays = rows.filter(|row| !has_form(mask, &formatter.value(*row).to_string()));
    strays.next()
}

fn has_form(mask: Mask, text: &str) -> bool {
    match mask {
        Mask::Null => false,
        Mask::Redact => text == "***",
        // SHA-256 in URL-safe base64.
        Mask::Hmac => {
            text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        }
        Mask::Partial => {
            let length = text.chars().count();
            let hidden = if length > 4 { length - 4 } else { length };
            text.chars().take(hidden).all(|c| c == '*')
        }
        Mask::Year => match text.split_once('T') {
            None => text.ends_with("-01-01"),
            Some((day, time)) => day.ends_with("-01-01") && time.starts_with("00:00:00"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, StringArray};

    use super::*;

    #[test]
    fn what_a_mask_did_not_make_is_found() {
        let texts = |texts: &[Option<&str>]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let digest = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg";
        for (mask, good, bad) in [
            (Mask::Redact, texts(&[Some("***"), None]), texts(&[None, Some("clerk")])),
            (Mask::Hmac, texts(&[Some(digest)]), texts(&[Some(digest), Some("Clerk#000000951 x")])),
            (Mask::Partial, texts(&[Some("***1234"), Some("**")]), texts(&[Some("***1234"), Some("12-1234")])),
            (Mask::Null, texts(&[None]), texts(&[None, Some("x")])),
        ] {
            assert_eq!(first_stray(mask, &good), None, "{mask}");
            assert!(first_stray(mask, &bad).is_some(), "{mask}");
        }
        let days = |day| Arc::new(Date32Array::from(vec![Some(0), Some(day)])) as ArrayRef;
        assert_eq!((first_stray(Mask::Year, &days(365)), first_stray(Mask::Year, &days(40))), (None, Some(1)));
    }
}
