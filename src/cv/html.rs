//! Takes HTML out of texts: people paste it, and no page of ours shows it as markup.
//!
//! This is for readability. Safety does not rest on it: every page escapes what it prints.

/// Elements that people paste. A word in angle brackets that is none of these
/// (`Vec<u8>`, `<your name>`) stays, and pages print it as text.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "article",
    "audio",
    "b",
    "base",
    "blockquote",
    "body",
    "br",
    "button",
    "center",
    "code",
    "details",
    "div",
    "em",
    "embed",
    "font",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "kbd",
    "li",
    "link",
    "main",
    "mark",
    "math",
    "meta",
    "nav",
    "object",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "script",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "th",
    "thead",
    "tr",
    "tt",
    "u",
    "ul",
    "video",
];

/// Elements whose content is code for a browser and no text for a reader.
const WITH_CONTENT: &[&str] = &["script", "style", "template", "iframe", "object", "svg"];

/// Elements that begin a new paragraph.
const BLOCKS: &[&str] =
    &["p", "div", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "section"];

/// Longest element or code span that is looked for, in bytes. It bounds the search from each
/// `<` and backtick, which keeps the reading of 10 MB of them quick; longer ones stay as text.
const LENGTH_BYTES_MAX: usize = 1024;

/// Returns the text without HTML elements and the name of the first one, or `None` if there is none.
///
/// What stands between backticks is left alone: in Markdown that is code to be shown.
pub(super) fn strip(text: &str) -> Option<(String, &str)> {
    let mut first = None;
    let mut res = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(idx) = rest.find(['<', '`']) {
        res.push_str(&rest[..idx]);
        rest = &rest[idx..];
        if rest.starts_with('`') {
            let len = code_span(rest);
            res.push_str(&rest[..len]);
            rest = &rest[len..];
        } else if let Some(tag) = Tag::at(rest) {
            first.get_or_insert(tag.name);
            push_replacement(&mut res, &tag);
            rest = &rest[tag.len..];
        } else {
            res.push('<');
            rest = &rest[1..];
        }
    }
    res.push_str(rest);
    first.map(|name| (res, name))
}

/// Returns the length of the code span at the start of `text`, or of its backticks if it is not closed.
fn code_span(text: &str) -> usize {
    let n_ticks = text.len() - text.trim_start_matches('`').len();
    let after = &text[n_ticks..];
    let near = &after[..after.floor_char_boundary(LENGTH_BYTES_MAX)];
    // A span does not cross a paragraph.
    let paragraph = &near[..near.find("\n\n").unwrap_or(near.len())];
    match paragraph.find(&text[..n_ticks]) {
        Some(end) => n_ticks + end + n_ticks,
        None => n_ticks,
    }
}

struct Tag<'a> {
    name: &'a str,
    is_end: bool,
    len: usize,
}

impl<'a> Tag<'a> {
    /// Reads the element or comment at the start of `text`, with its content where that is code.
    fn at(text: &'a str) -> Option<Tag<'a>> {
        if text.starts_with("<!--") {
            let len = text.find("-->").map_or(text.len(), |idx| idx + 3);
            return Some(Tag { name: &text[1..4], is_end: false, len });
        }
        let after = &text[1..];
        let is_end = after.starts_with('/');
        let after = after.strip_prefix('/').unwrap_or(after);
        let name_len = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        let name = &after[..name_len];
        if !ELEMENTS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return None;
        }
        let near = &text[..text.floor_char_boundary(LENGTH_BYTES_MAX)];
        let ends = near.find('>').map(|idx| idx + 1);
        let len = match ends {
            Some(end) if !is_end && is_one_of(WITH_CONTENT, name) => end + content_len(&text[end..], name),
            Some(end) => end,
            // `a <b` without an end is no element, but `<script` is better gone.
            None if is_one_of(WITH_CONTENT, name) => text.len(),
            None => return None,
        };
        Some(Tag { name, is_end, len })
    }
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Returns how far the content of an element goes, its end tag included.
fn content_len(text: &str, name: &str) -> usize {
    let mut from = 0;
    while let Some(idx) = text[from..].find("</") {
        let after = &text[from + idx + 2..];
        if after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return after.find('>').map_or(text.len(), |end| from + idx + 2 + end + 1);
        }
        from += idx + 2;
    }
    text.len()
}

fn push_replacement(res: &mut String, tag: &Tag<'_>) {
    if is_one_of(&["br"], tag.name) {
        res.push_str("  \n");
    } else if is_one_of(&["li"], tag.name) && !tag.is_end {
        res.push_str("\n- ");
    } else if is_one_of(BLOCKS, tag.name) {
        res.push_str("\n\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(strip(text).map(|(text, _)| text).as_deref(), expect, "{text:?}");
    }

    #[test]
    fn elements_go_and_their_text_stays() {
        check("I <b>love</b> it", Some("I love it"));
        check("one<br/>two", Some("one  \ntwo"));
        check("<p>one</p><p>two</p>", Some("\n\none\n\n\n\ntwo\n\n"));
        check("<ul><li>a</li></ul>", Some("\n\n\n- a\n\n"));
        check("<A HREF=\"javascript:x\">me</A>", Some("me"));
    }

    #[test]
    fn code_for_browsers_goes_with_its_content() {
        check("a<script>alert('</p>')</script >b", Some("ab"));
        check("a<SCRIPT src=x>alert(1)", Some("a"));
        check("a<script", Some("a"));
        check("a<!-- note -->b", Some("ab"));
    }

    #[test]
    fn many_openings_are_read_in_linear_time() {
        for piece in ["<b ", "`a", "<script></", "</", "``a`"] {
            let text = piece.repeat(50_000);
            let kept = strip(&text).map_or(text.len(), |(kept, _)| kept.len());
            assert!(kept <= text.len());
        }
    }

    #[test]
    fn angle_brackets_that_are_no_html_stay() {
        check("Vec<u8> and a < b > c", None);
        check("Option<String>, <your name>", None);
        check("knows `<script>` and `a`", None);
        check("a <b", None);
        check("", None);
    }
}
