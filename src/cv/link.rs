//! Links that are safe to offer.

use std::fmt;

/// A URL with one of the schemes http, https, mailto and tel; nothing else can become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

/// What became of the text of a link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// As written.
    Safe(Link),
    /// It had no scheme; `https://` was put before it.
    Mended(Link),
    /// A scheme that is not to be followed.
    Unsafe(String),
    /// Not a URL.
    NoUrl,
}

impl Link {
    /// Returns a link if `text` is a complete URL with a safe scheme.
    pub fn parse(text: &str) -> Option<Link> {
        match check(text) {
            Checked::Safe(link) => Some(link),
            Checked::Mended(_) | Checked::Unsafe(_) | Checked::NoUrl => None,
        }
    }

    /// Returns the URL as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the URL as people say it: no scheme, no `www.`, no slash at the end.
    pub fn spoken(&self) -> &str {
        let text = self.0.trim();
        let without_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
        let without_scheme = ["mailto:", "tel:"]
            .iter()
            .find_map(|scheme| without_scheme.strip_prefix(scheme))
            .unwrap_or(without_scheme);
        without_scheme.strip_prefix("www.").unwrap_or(without_scheme).trim_end_matches('/')
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Looks at the text of a link field.
pub(super) fn check(text: &str) -> Checked {
    let text = text.trim();
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        // Browsers drop tabs and line breaks inside a scheme: `java\nscript:` must not pass as a host.
        let joined: String = text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        return match check(&joined) {
            Checked::Unsafe(scheme) => Checked::Unsafe(scheme),
            Checked::Safe(_) | Checked::Mended(_) | Checked::NoUrl => Checked::NoUrl,
        };
    }
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Checked::Safe(Link(text.to_string()))
        }
        Ok(url) if matches!(url.scheme(), "mailto" | "tel") && !url.path().is_empty() => {
            Checked::Safe(Link(text.to_string()))
        }
        // `example.com:8080/x` parses as the scheme `example.com`.
        Ok(url) if !url.scheme().contains('.') && url.scheme() != "localhost" => {
            Checked::Unsafe(url.scheme().to_string())
        }
        Ok(_) | Err(_) => mended(text),
    }
}

fn mended(text: &str) -> Checked {
    let text = text.trim_start_matches('/');
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or("");
    let is_host = host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !host.contains('@');
    let full = format!("https://{text}");
    if is_host && url::Url::parse(&full).is_ok_and(|url| url.has_host()) {
        return Checked::Mended(Link(full));
    }
    Checked::NoUrl
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_link(text: &str, expect: &str) {
        let found = match check(text) {
            Checked::Safe(link) => link.to_string(),
            Checked::Mended(link) => format!("~{link}"),
            Checked::Unsafe(scheme) => format!("!{scheme}"),
            Checked::NoUrl => "-".to_string(),
        };
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn only_four_schemes_become_links() {
        check_link("https://example.com/a", "https://example.com/a");
        check_link("HTTP://example.com", "HTTP://example.com");
        check_link("mailto:a@example.com", "mailto:a@example.com");
        check_link("tel:+4930123", "tel:+4930123");
        check_link("javascript:alert(1)", "!javascript");
        check_link(" JavaScript:alert(1)", "!javascript");
        check_link("java\nscript:alert(1)", "!javascript");
        check_link("data:text/html,x", "!data");
        check_link("ftp://example.com", "!ftp");
    }

    #[test]
    fn a_missing_scheme_is_added() {
        check_link("github.com/me", "~https://github.com/me");
        check_link("//example.com", "~https://example.com");
        check_link("example.com:8080/x", "~https://example.com:8080/x");
        check_link("me", "-");
        check_link("my site", "-");
        check_link("", "-");
        check_link("https://", "-");
    }

    #[test]
    fn a_link_is_spoken_without_its_scheme() {
        let spoken = |text: &str| Link::parse(text).unwrap().spoken().to_string();
        assert_eq!(spoken("https://www.confluent.io/"), "confluent.io");
        assert_eq!(spoken("https://hachyderm.io/@lena"), "hachyderm.io/@lena");
        assert_eq!(spoken("tel:+49"), "+49");
    }
}
