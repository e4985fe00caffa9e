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

/// Sets a cookie for so many seconds, and nothing else of that name in the same response. Its value is base64, so nothing
/// in it can end it.
pub(super) fn set(headers: &mut HeaderMap, site: &Site, kind: &str, value: &str, seconds: i64) {
    let secure = if site.secure { "; Secure" } else { "" };
    let name = site.cookie(kind);
    // `Lax`: who comes back from an identity provider, or by a link, is still signed in; forms from elsewhere are not.
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    let others = headers.get_all(header::SET_COOKIE).iter().filter(|other| !is_of(other, &name)).cloned();
    let others: Vec<_> = others.collect();
    headers.remove(header::SET_COOKIE);
    for other in others {
        headers.append(header::SET_COOKIE, other);
    }
    match HeaderValue::try_from(cookie) {
        Ok(cookie) => drop(headers.append(header::SET_COOKIE, cookie)),
        Err(error) => tracing::error!(%error, name, "a cookie cannot be set"),
    }
}

/// Whether a line sets the cookie of this name.
fn is_of(line: &HeaderValue, name: &str) -> bool {
    line.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

/// Takes a cookie back.
pub(super) fn clear(headers: &mut HeaderMap, site: &Site, kind: &str) {
    set(headers, site, kind, "", 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_sets_a_cookie_once() {
        let config = Default::default();
        let site = Site::new(&config, ([127, 0, 0, 1], 80).into(), false).unwrap().unwrap();
        let mut headers = HeaderMap::new();
        for (kind, value) in [("", "gone"), ("-1", "other"), ("", "stays")] {
            set(&mut headers, &site, kind, value, 60);
        }
        let values = headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap());
        let values: Vec<_> = values.map(|line| line.split([';', '=']).nth(1).unwrap()).collect();
        assert_eq!(values, ["other", "stays"]);
    }

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
