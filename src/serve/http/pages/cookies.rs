//! Cookies: read from a request, written into a response.

use axum::http::{HeaderMap, HeaderValue, header};

use super::super::site::Site;

/// The value of a cookie.
pub(super) fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

/// Sets a cookie for so many seconds. Its value is base64, so nothing in it can end it.
pub(super) fn set(headers: &mut HeaderMap, site: &Site, kind: &str, value: &str, seconds: i64) {
    let secure = if site.secure { "; Secure" } else { "" };
    let name = site.cookie(kind);
    // `Lax`: who comes back from an identity provider, or by a link, is still signed in; forms from elsewhere are not.
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    match HeaderValue::try_from(cookie) {
        Ok(cookie) => drop(headers.append(header::SET_COOKIE, cookie)),
        Err(error) => tracing::error!(%error, name, "a cookie cannot be set"),
    }
}

/// Takes a cookie back.
pub(super) fn clear(headers: &mut HeaderMap, site: &Site, kind: &str) {
    set(headers, site, kind, "", 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("xa=0;  a=1=2; b"));
        headers.append(header::COOKIE, HeaderValue::from_bytes(b"c=\xff").unwrap());
        headers.append(header::COOKIE, HeaderValue::from_static("d="));
        assert_eq!([get(&headers, "a"), get(&headers, "b"), get(&headers, "d")], [Some("1=2"), None, Some("")]);
        assert_eq!(get(&headers, "c"), None);
    }
}
