//! The tag of a link: `?via=acme` behind any address of the CV.
//!
//! A link with a tag is given to one place, a mail or a job board, and says so when it is
//! followed. The rest of a query is never looked at and never kept, and what is no tag is left
//! out: a stranger can write anything there.

/// A longer tag is none.
pub const MAX_BYTES: usize = 40;

/// Returns the tag that a query names, as it is written there.
pub fn of_query(query: &str) -> Option<&str> {
    let tag = query.split('&').find_map(|pair| pair.strip_prefix("via="))?;
    is_tag(tag).then_some(tag)
}

/// Returns a tag as it is kept: `Acme` and `acme` are one.
pub fn tidy(tag: &str) -> String {
    tag.to_ascii_lowercase()
}

/// Whether a text is a tag: letters and digits of ASCII, `-`, `_` and `.`, none of them first but
/// the letters and digits.
pub fn is_tag(text: &str) -> bool {
    text.len() <= MAX_BYTES
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_name_a_tag() {
        for (query, tag) in [
            ("via=acme", Some("acme")),
            ("a=b&via=Acme-2026.07_x&c=d", Some("Acme-2026.07_x")),
            ("via=acme&via=other", Some("acme")),
            ("", None),
            ("via=", None),
            ("via", None),
            ("avia=acme", None),
            ("via=two%20words", None),
            ("via=<script>", None),
            ("via=-rf", None),
            ("via=имя", None),
        ] {
            assert_eq!(of_query(query), tag, "{query}");
        }
        assert_eq!(of_query(&format!("via={}", "x".repeat(MAX_BYTES))).map(str::len), Some(MAX_BYTES));
        assert_eq!(of_query(&format!("via={}", "x".repeat(MAX_BYTES + 1))), None);
        assert_eq!(tidy("Acme"), "acme");
    }
}
