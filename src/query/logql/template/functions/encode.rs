//! Texts in other forms: base 64, URLs, HTML, JavaScript.
//!
//! Source: Go's packages `encoding/base64`, `net/url` and `text/template`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Answer, Args, Context, Function, Kind, of, with_rest};
use crate::query::logql::template::budget::fits;
use crate::query::logql::template::format;
use crate::query::logql::template::value::{Value, lossy};
use crate::query::logql::template::{quoted, quoted_char};

pub(super) const FUNCTIONS: &[Function] = &[
    of("b64enc", &[Kind::Text], |_, args| encoded(args.text(0), |text| STANDARD.encode(text))),
    of("b64dec", &[Kind::Text], |_, args| {
        let mut text = args.text(0).to_string();
        // Some leave the signs at the end out; one character more than whole groups is a fault anyway.
        if text.len() % 4 > 1 {
            text.push_str(&"="[..].repeat(4 - text.len() % 4));
        }
        Ok(Value::text(match base64_decoded(text.as_bytes()) {
            Ok(bytes) => lossy(&bytes).into_owned(),
            Err(at) => format!("illegal base64 data at input byte {at}"),
        }))
    }),
    of("urlencode", &[Kind::Text], |_, args| encoded(args.text(0), url_encoded)),
    of("urldecode", &[Kind::Text], |_, args| url_decoded(args.text(0)).map(Value::text)),
    with_rest("html", &[], Kind::Any, |context, args| encoded(&joined(context, args)?, html)),
    with_rest("js", &[], Kind::Any, |context, args| encoded(&joined(context, args)?, js)),
    with_rest("urlquery", &[], Kind::Any, |context, args| encoded(&joined(context, args)?, url_encoded)),
];

/// Encodes a text that is short enough not to become too long on the way.
fn encoded<'t>(text: &str, encode: impl Fn(&str) -> String) -> Answer<'t> {
    fits(text.len())?;
    Ok(Value::text(encode(text)))
}

/// Returns arguments as one text, each as an action would write it.
fn joined<'t>(context: &Context<'t>, args: Args<'t>) -> Result<String, String> {
    let shown = |value| if matches!(value, Value::Nothing) { Value::text("<no value>") } else { value };
    let args: Vec<Value<'t>> = args.0.into_iter().map(shown).collect();
    format::print(context.scope, &args)
}

fn url_encoded(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => res.push('+'),
            b'-' | b'_' | b'.' | b'~' => res.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => res.push(byte.into()),
            _ => res.push_str(&format!("%{byte:02X}")),
        }
    }
    res
}

fn url_decoded(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut res = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'+' => res.push(b' '),
            b'%' => {
                let digits = bytes.get(at..at + 2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                let decoded = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                let decoded = decoded.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let wrong = || {
                    let escape = lossy(&bytes[at - 1..bytes.len().min(at + 2)]);
                    format!("invalid URL escape {}", quoted(&escape))
                };
                res.push(decoded.ok_or_else(wrong)?);
                at += 2;
            }
            _ => res.push(byte),
        }
    }
    Ok(lossy(&res).into_owned())
}

fn html(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => res.push(char::REPLACEMENT_CHARACTER),
            '"' => res.push_str("&#34;"),
            '\'' => res.push_str("&#39;"),
            '&' => res.push_str("&amp;"),
            '<' => res.push_str("&lt;"),
            '>' => res.push_str("&gt;"),
            _ => res.push(c),
        }
    }
    res
}

fn js(text: &str) -> String {
    let mut res = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '\'' | '"' => res.extend(['\\', c]),
            '<' | '>' | '&' | '=' => res.push_str(&format!("\\u{:04X}", c as u32)),
            _ if (c as u32) < 0x20 => res.push_str(&format!("\\u{:04X}", c as u32)),
            _ if c.is_ascii() || !quoted_char(c).contains('\\') => res.push(c),
            char::REPLACEMENT_CHARACTER => res.push(c),
            _ => res.push_str(&format!("\\u{:04X}", c as u32)),
        }
    }
    res
}

/// Decodes as Go does, which passes over line ends; an error is the place that Go names.
fn base64_decoded(bytes: &[u8]) -> Result<Vec<u8>, usize> {
    let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let mut res = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut at, mut group, mut n_in_group) = (0, 0u32, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\n' | b'\r' => continue,
            b'=' if n_in_group >= 2 => {
                let skip = |at: usize| at + bytes[at..].iter().take_while(|byte| is_line_end(byte)).count();
                if n_in_group == 2 {
                    at = skip(at);
                    match bytes.get(at) {
                        None => return Err(bytes.len()),
                        Some(b'=') => at += 1,
                        Some(_) => return Err(at - 1),
                    }
                }
                at = skip(at);
                if at < bytes.len() {
                    return Err(at);
                }
                let whole = group << (6 * (4 - n_in_group));
                res.extend_from_slice(&whole.to_be_bytes()[1..n_in_group]);
                return Ok(res);
            }
            _ => return Err(at - 1),
        };
        group = group << 6 | u32::from(value);
        n_in_group += 1;
        if n_in_group == 4 {
            res.extend_from_slice(&group.to_be_bytes()[1..]);
            (group, n_in_group) = (0, 0);
        }
    }
    if n_in_group > 0 { Err(at - n_in_group) } else { Ok(res) }
}

#[cfg(test)]
mod tests {
    use crate::query::logql::template::tests::{check, check_fault};

    #[test]
    fn base_64_goes_there_and_back() {
        check(r#"{{b64enc "héllo"}}|{{b64enc ""}}"#, "aMOpbGxv|");
        check(
            r#"{{b64dec "aMOpbGxv"}}|{{b64dec "aGk"}}|{{b64dec "aA"}}|{{b64dec "aG\nk="}}"#,
            "héllo|hi|h|hi",
        );
        check(r#"{{b64dec "aGk!x"}}"#, "illegal base64 data at input byte 3");
        check(r#"{{b64dec "aGkxa"}}"#, "illegal base64 data at input byte 4");
        check(r#"{{b64dec "aG=k"}}"#, "illegal base64 data at input byte 2");
        check(r#"{{b64dec "aGk=aGk="}}"#, "illegal base64 data at input byte 4");
    }

    #[test]
    fn urls_are_escaped_as_queries() {
        check(r#"{{urlencode "a b&é*~"}}|{{urlquery "a" 1 2}}"#, "a+b%26%C3%A9%2A~|a1+2");
        check(r#"{{urldecode "a+b%26%C3%a9"}}"#, "a b&é");
        check_fault(r#"{{urldecode "%zz1"}}"#, "error calling urldecode: invalid URL escape \"%zz\"");
        check_fault(r#"{{urldecode "a%2"}}"#, "error calling urldecode: invalid URL escape \"%2\"");
    }

    #[test]
    fn markup_and_scripts_are_escaped() {
        check(r#"{{html "<a b='c\"'>&" nil}}"#, "&lt;a b=&#39;c&#34;&#39;&gt;&amp;&lt;no value&gt;");
        check(r#"{{js "it's <b> \"=&\n é\u200b"}}"#, r#"it\'s \u003Cb\u003E \"\u003D\u0026\u000A é\u200B"#);
    }
}
