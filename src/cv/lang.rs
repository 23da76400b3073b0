//! Names of languages, by which the files of a site and its pages are told apart.

use std::fmt;
use std::str::FromStr;

/// A language tag (RFC 5646 section 2.1: language, script, region, variants), written as it is
/// recommended: `pt-BR`, `zh-Hans`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LangTag(String);

/// A text that is no language tag.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no language tag: write it as en, pt-BR or zh-Hans")]
pub struct NoLangTag(pub String);

impl FromStr for LangTag {
    type Err = NoLangTag;

    fn from_str(text: &str) -> Result<Self, NoLangTag> {
        let mut parts = text.split('-');
        let is_language = |part: &&str| (2..=3).contains(&part.len()) && is_alphabetic(part);
        let language = parts.next().filter(is_language).ok_or_else(|| NoLangTag(text.to_string()))?;
        let mut res = language.to_lowercase();
        // What may come after what: script, then region, then variants.
        let mut stage = 0;
        for part in parts {
            let (at, part) = match part.len() {
                4 if is_alphabetic(part) => (1, capitalized(part)),
                2 if is_alphabetic(part) => (2, part.to_uppercase()),
                3 if part.bytes().all(|byte| byte.is_ascii_digit()) => (2, part.to_string()),
                5..=8 if part.bytes().all(|byte| byte.is_ascii_alphanumeric()) => (3, part.to_lowercase()),
                _ => return Err(NoLangTag(text.to_string())),
            };
            if at < stage || (at == stage && at != 3) {
                return Err(NoLangTag(text.to_string()));
            }
            stage = at;
            res.push('-');
            res.push_str(&part);
        }
        Ok(LangTag(res))
    }
}

fn is_alphabetic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn capitalized(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    first.to_uppercase() + &rest.to_lowercase()
}

impl LangTag {
    /// Returns the tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LangTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Scripts that tell pages of one language apart.
const SCRIPTS: [&str; 12] =
    ["Arab", "Cyrl", "Deva", "Grek", "Hans", "Hant", "Hebr", "Jpan", "Kore", "Latn", "Thai", "Tfng"];

/// Returns the language that the name of a translation's file says: `cv.ru.yaml` → `ru`.
///
/// Only tags that nobody writes by chance count: two letters with a well-known script or a
/// region, three letters with one of these. There are 7,000 languages of three letters, and any
/// word of five is a variant: `cv.old.yaml` and `cv.en-draft.yaml` must not become public.
pub fn of_file(name: &str) -> Option<LangTag> {
    translation(name).map(|(tag, _)| tag)
}

/// Returns that language, and the place of the name among [`FILE_NAMES`](super::FILE_NAMES).
pub(super) fn translation(name: &str) -> Option<(LangTag, usize)> {
    let (stem, ending) = name.rsplit_once('.')?;
    let (file, tag) = stem.split_once('.')?;
    let whole = format!("{file}.{ending}");
    let rank = super::FILE_NAMES.iter().position(|known| *known == whole)?;
    let tag: LangTag = tag.parse().ok()?;
    let (language, rest) = tag.0.split_once('-').unwrap_or((&tag.0, ""));
    let is_meant = |part: &str| part.len() < 4 || SCRIPTS.contains(&part);
    let is_none_by_chance = rest.split('-').all(is_meant) && (language.len() == 2 || !rest.is_empty());
    is_none_by_chance.then_some((tag, rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_recommended() {
        for (text, expect) in [
            ("ru", "ru"),
            ("EN-us", "en-US"),
            ("zh-HANS", "zh-Hans"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("de-1996", ""),
            ("sl-rozaj-biske", "sl-rozaj-biske"),
            ("", ""),
            ("e", ""),
            ("english", ""),
            ("en-", ""),
            ("en-US-GB", ""),
            ("en-US-Latn", ""),
            ("../x", ""),
        ] {
            let found = text.parse::<LangTag>().map(|tag| tag.to_string()).unwrap_or_default();
            assert_eq!(found, expect, "{text:?}");
        }
    }

    #[test]
    fn the_name_of_a_file_says_its_language() {
        let of = |name: &str| of_file(name).map(|tag| tag.to_string());
        assert_eq!(of("cv.ru.yaml").as_deref(), Some("ru"));
        assert_eq!(of("resume.pt-br.json").as_deref(), Some("pt-BR"));
        assert_eq!(of("cv.zh-hant.yaml").as_deref(), Some("zh-Hant"));
        assert_eq!(of("cv.fil-ph.yaml").as_deref(), Some("fil-PH"));
        for name in [
            "cv.en-draft.yaml",
            "cv.en-full.yaml",
            "cv.en-private.yaml",
            "cv.de-backup.yaml",
            "cv.my-draft.yaml",
            "cv.old-version.yaml",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
        for name in [
            "cv.yaml",
            "cv.bak.yaml",
            "cv.old.yaml",
            "notes.ru.yaml",
            "cv.ru.txt",
            "cv..yaml",
            "cv.ru.old.yaml",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
