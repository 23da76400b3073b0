//! The Markdown that a CV may use: emphasis, code, links, lists, line breaks.
//!
//! Everything else is shown as the text it is: HTML is escaped, pictures become their
//! description, headings become paragraphs (the page's own headings must not be broken).

use maud::{Escaper, Markup, PreEscaped};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::fmt::Write;

use crate::cv::Link;

/// Renders a text of any length as paragraphs and lists.
pub fn block(text: &str) -> Markup {
    PreEscaped(render(text))
}

/// Renders a text for a place that holds a line, as a list item: without a paragraph around it.
///
/// A text of several paragraphs keeps them.
pub fn inline(text: &str) -> Markup {
    let html = render(text);
    let single = html.strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>"));
    match single {
        Some(inner) if !inner.contains("<p>") => PreEscaped(inner.to_string()),
        _ => PreEscaped(html),
    }
}

/// Returns the text that a reader sees, on one line.
pub fn plain(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for event in Parser::new(text) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                res.push_str(&text);
            }
            Event::SoftBreak
            | Event::HardBreak
            | Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::Heading(_)) => res.push(' '),
            _ => {}
        }
    }
    let words: Vec<&str> = res.split_whitespace().collect();
    words.join(" ")
}

/// Deeper quotes and lists are nobody's, and take the square of their depth to be written.
const DEPTH_MAX: usize = 32;

/// Returns how deep lists and quotes are within each other.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for event in Parser::new(text) {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Writes a text on one line so that Markdown shows it as written: a backslash before all that
/// could be a mark (CommonMark 0.31 section 2.4), no control characters.
pub fn escape(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    for (idx, character) in text.char_indices().filter(|(_, character)| !character.is_control()) {
        // A dash, a plus or a number makes a list only where a line begins.
        let begins_list = (idx == 0 && matches!(character, '-' | '+' | '=' | '~'))
            || (n_digits > 0 && idx == n_digits && matches!(character, '.' | ')'));
        if matches!(character, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '&' | '|')
            || begins_list
        {
            res.push('\\');
        }
        res.push(character);
    }
    res
}

/// Writes a text anew as Markdown of the subset: what is open is closed, and what the page
/// would not show as a link or as markup is none here either.
pub fn tidy(text: &str) -> String {
    if depth(text) > DEPTH_MAX {
        return escape(&plain(text));
    }
    // A fence that is open at the end is closed only behind a line's end.
    let (lines, mut open_links) = (format!("{text}\n"), Vec::new());
    let events = Parser::new(&lines).filter_map(|event| match event {
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            open_links.push(Link::parse(dest_url).is_some());
            open_links.last().is_some_and(|is_safe| *is_safe).then_some(event)
        }
        Event::End(TagEnd::Link) => (open_links.pop() == Some(true)).then_some(event),
        Event::Start(Tag::Heading { .. }) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Image { .. } | Tag::HtmlBlock) | Event::End(TagEnd::Image | TagEnd::HtmlBlock) => {
            None
        }
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Rule => None,
        other => Some(other),
    });
    let mut res = String::with_capacity(text.len());
    let options = pulldown_cmark_to_cmark::Options { list_token: '-', ..Default::default() };
    let written = pulldown_cmark_to_cmark::cmark_with_options(events, &mut res, Options::empty(), options);
    // Only what begins without ending cannot be written, and every event here has its pair.
    if written.is_ok() { res.trim().to_string() } else { plain(text) }
}

/// A paragraph or an item of a list, as the text that a reader sees.
#[derive(Debug, PartialEq, Eq)]
pub struct Paragraph {
    /// Its text on one line, links behind what they are of.
    pub text: String,
    /// Whether it is an item of a list.
    pub is_item: bool,
}

/// Returns the paragraphs and items of a text of any length.
pub fn paragraphs(text: &str) -> Vec<Paragraph> {
    let (mut res, mut text_now, mut depth) = (Vec::new(), String::new(), 0_usize);
    let mut links = Vec::new();
    let mut end = |text: &mut String, is_item: bool| {
        let words: Vec<&str> = text.split_whitespace().collect();
        if !words.is_empty() {
            res.push(Paragraph { text: words.join(" "), is_item });
        }
        text.clear();
    };
    for event in Parser::new(text) {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                text_now.push_str(&text);
            }
            Event::SoftBreak | Event::HardBreak => text_now.push(' '),
            Event::Start(Tag::List(_)) => {
                end(&mut text_now, depth > 0);
                depth += 1;
            }
            Event::Start(Tag::Link { dest_url, .. }) => links.push((dest_url, text_now.len())),
            Event::End(TagEnd::Link) => {
                if let Some((url, from)) = links.pop()
                    && Link::parse(&url).is_some()
                    && text_now.get(from..).is_some_and(|text| !url.contains(text))
                {
                    text_now.push_str(&format!(" ({url})"));
                }
            }
            Event::End(TagEnd::List(_)) => {
                end(&mut text_now, depth > 0);
                depth -= 1;
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::Heading(_) | TagEnd::CodeBlock) => {
                end(&mut text_now, depth > 0);
            }
            _ => {}
        }
    }
    end(&mut text_now, false);
    res
}

/// Returns the text that a reader sees on one line, links behind what they are of.
pub fn with_links(text: &str) -> String {
    let texts: Vec<String> = paragraphs(text).into_iter().map(|paragraph| paragraph.text).collect();
    texts.join(" ")
}

fn render(text: &str) -> String {
    let mut writer =
        Writer { html: String::with_capacity(text.len() + text.len() / 8), open_links: Vec::new() };
    for event in Parser::new(text) {
        writer.event(event);
    }
    writer.html
}

struct Writer {
    html: String,
    /// For each link that is open, whether it was written as one.
    open_links: Vec<bool>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        write!(Escaper::new(&mut self.html), "{text}").expect("a String takes every text");
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(code) => {
                self.html.push_str("<code>");
                self.text(&code);
                self.html.push_str("</code>");
            }
            Event::SoftBreak => self.html.push('\n'),
            Event::HardBreak => self.html.push_str("<br>"),
            // A line of dashes is no content, and the rest are extensions that are switched off.
            Event::Rule
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.html.push_str("<p>"),
            Tag::Heading { .. } => self.html.push_str("<p><strong>"),
            Tag::CodeBlock(_) => self.html.push_str("<pre><code>"),
            Tag::List(None) => self.html.push_str("<ul>"),
            Tag::List(Some(1)) => self.html.push_str("<ol>"),
            Tag::List(Some(start)) => {
                write!(self.html, "<ol start=\"{start}\">").expect("a String takes every text");
            }
            Tag::Item => self.html.push_str("<li>"),
            Tag::Emphasis => self.html.push_str("<em>"),
            Tag::Strong => self.html.push_str("<strong>"),
            Tag::Link { dest_url, .. } => {
                let link = Link::parse(&dest_url);
                self.open_links.push(link.is_some());
                if let Some(link) = link {
                    self.html.push_str("<a href=\"");
                    self.text(link.as_str());
                    self.html.push_str("\" rel=\"noopener\">");
                }
            }
            // Their content is shown without them.
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.html.push_str("</p>"),
            TagEnd::Heading(_) => self.html.push_str("</strong></p>"),
            TagEnd::CodeBlock => self.html.push_str("</code></pre>"),
            TagEnd::List(false) => self.html.push_str("</ul>"),
            TagEnd::List(true) => self.html.push_str("</ol>"),
            TagEnd::Item => self.html.push_str("</li>"),
            TagEnd::Emphasis => self.html.push_str("</em>"),
            TagEnd::Strong => self.html.push_str("</strong>"),
            TagEnd::Link if self.open_links.pop() == Some(true) => self.html.push_str("</a>"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn what_is_written_anew_is_closed_and_safe() {
        assert_eq!(
            tidy("Plain *text* and [a](https://a.example)."),
            "Plain *text* and [a](https://a.example)."
        );
        assert_eq!(tidy("[x](javascript:alert(1)) y"), "x y");
        assert_eq!(tidy("# Heading"), "Heading");
        let fence = tidy("a\n\n```\ncode");
        assert_eq!(
            block(&format!("{fence}\n\nafter")).into_string().matches("<p>after</p>").count(),
            1,
            "{fence}"
        );
        assert_eq!(tidy("a <script>x</script>"), "a \\<script>x\\</script>");
        assert_eq!(tidy(&"> ".repeat(100_000)), "");
        assert_eq!(tidy(&("- ".repeat(100_000) + "*a*")), "a");
    }

    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(inline(text).into_string(), expect, "{text:?}");
    }

    #[test]
    fn the_subset_is_rendered() {
        check("a **b** *c* `d<e`", "a <strong>b</strong> <em>c</em> <code>d&lt;e</code>");
        check(
            "[x](https://example.com/?a=1&b=2)",
            "<a href=\"https://example.com/?a=1&amp;b=2\" rel=\"noopener\">x</a>",
        );
        check("one  \ntwo", "one<br>two");
        check("- a\n- b", "<ul><li>a</li><li>b</li></ul>");
        check("one\n\ntwo", "<p>one</p><p>two</p>");
        check("3. third", "<ol start=\"3\"><li>third</li></ol>");
    }

    #[test]
    fn what_is_not_of_the_subset_is_text() {
        check("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;");
        check("# Big", "<strong>Big</strong>");
        check("![photo](https://example.com/a.png)", "photo");
        check("> said", "said");
        check("5_000_000 a_b_c C++ C#", "5_000_000 a_b_c C++ C#");
    }

    #[test]
    fn unsafe_links_leave_their_text() {
        check("[x](javascript:alert(1))", "x");
        check("[x](data:text/html,a)", "x");
        check("<javascript:alert(1)>", "javascript:alert(1)");
        check("[x](/admin)", "x");
    }

    #[test]
    fn plain_text_has_no_marks() {
        assert_eq!(plain("I **love**\n\n- a\n- [b](https://example.com)"), "I love a b");
    }

    proptest! {
        #[test]
        fn no_text_writes_markup_of_its_own(text in r#"[<>&"'\[\]()!*_`~#> \n\-a-z:/.]{0,60}"#) {
            let html = block(&text).into_string();
            let allowed = ["p", "em", "strong", "code", "pre", "ul", "ol", "li", "br", "a"];
            for piece in html.split('<').skip(1) {
                let name: String = piece.trim_start_matches('/').chars().take_while(|c| c.is_alphanumeric()).collect();
                prop_assert!(allowed.contains(&name.as_str()), "{} in {}", name, html);
            }
        }
    }
}
