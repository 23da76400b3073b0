use std::path::{Path, PathBuf};

use super::*;

#[test]
fn the_first_of_the_best_languages_is_taken() {
    for (header, expect) in [
        ("", Lang::En),
        ("ru", Lang::Ru),
        ("ru-RU,ru;q=0.9,en;q=0.8", Lang::Ru),
        ("en-US,en;q=0.9,ru;q=0.8", Lang::En),
        ("de, ru;q=0.2, en;q=0.1", Lang::Ru),
        ("ru;q=0, en;q=0.1", Lang::En),
        ("fr", Lang::En),
        ("ru;q=x", Lang::En),
    ] {
        assert_eq!(Lang::accepted(header), expect, "{header}");
    }
}

#[test]
fn values_take_the_places_of_their_names() {
    let text = Lang::En.trf("{a} of {b}, {c} and {a}", &[("a", &1), ("b", &"two")]);
    assert_eq!(text, "1 of two, {c} and 1");
    assert_eq!(filled("{unended", &[]), "{unended}");
}

#[test]
fn russian_numbers_have_three_forms() {
    let forms: Vec<usize> =
        [1, 2, 4, 5, 11, 12, 14, 21, 22, 100, 101, 111, 112].map(|n| Lang::Ru.plural(n)).into();
    assert_eq!(forms, [0, 1, 1, 2, 2, 2, 2, 0, 1, 2, 0, 2, 2]);
}

#[test]
fn tables_are_sorted_and_keep_every_place() {
    let places = |text: &str| -> Vec<String> {
        let mut res: Vec<String> =
            text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().to_string()).collect();
        res.sort_unstable();
        res.dedup();
        res
    };
    for table in RUSSIAN {
        for pair in table.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{:?} comes before {:?}", pair[1].0, pair[0].0);
        }
        for (english, russian) in *table {
            for form in russian.split('|') {
                assert_eq!(places(form), places(english), "{english}: {form}");
            }
        }
    }
}

fn sources(dir: &Path, res: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, res);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            res.push(path);
        }
    }
}

/// Reads a string literal at the beginning of a text; returns what follows it, too.
fn literal(text: &str) -> Option<(String, &str)> {
    let body = text.trim_start().strip_prefix('"')?;
    let (mut res, mut chars) = (String::new(), body.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((res, &body[at + 1..])),
            '\\' => match chars.next()?.1 {
                // A line that goes on: the blanks in front of the next one are left out.
                '\n' => {
                    let rest = chars.as_str();
                    let skipped = rest.len() - rest.trim_start().len();
                    chars.by_ref().take(rest[..skipped].chars().count()).for_each(drop);
                }
                'n' => res.push('\n'),
                'u' => {
                    let code: String = chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '}').collect();
                    let code = u32::from_str_radix(code.trim_start_matches('{'), 16).ok()?;
                    res.push(char::from_u32(code)?);
                }
                other => res.push(other),
            },
            other => res.push(other),
        }
    }
    None
}

/// Returns the texts that the sources of the admin pages hand to a language, and how often
/// they hand it something else.
fn texts_in_use() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for part in ["pages/admin", "http/admin"] {
        sources(&root.join(part), &mut files);
    }
    let mut res = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let place = file.display().to_string();
        for (name, n_before) in [(".tr(", 0), (".trf(", 0), (".trn(", 2), (".trnf(", 2)] {
            for (at, _) in code.match_indices(name) {
                let mut rest = &code[at + name.len()..];
                if n_before == 2 {
                    // The number and the form for one; the form for many is the key.
                    let Some(one) = rest.find('"') else { continue };
                    let Some((_, after)) = literal(&rest[one..]) else { continue };
                    rest = after.trim_start().trim_start_matches(',');
                }
                if let Some((text, _)) = literal(rest) {
                    res.push((text, place.clone()));
                }
            }
        }
        // Texts that wait in a table for their language are marked as such.
        for (at, _) in code.match_indices("text!(") {
            let (text, _) = literal(&code[at + "text!(".len()..]).expect("a literal stands in text!()");
            res.push((text, place.clone()));
        }
    }
    res
}

#[test]
fn every_text_is_there_in_russian_and_none_is_left_over() {
    let used = texts_in_use();
    assert!(used.len() > 20, "the sources are not read");
    let missing: Vec<&(String, String)> =
        used.iter().filter(|(text, _)| Lang::Ru.entry(text).is_none()).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    for table in RUSSIAN {
        for (english, _) in *table {
            assert!(used.iter().any(|(text, _)| text == english), "nothing says {english:?}");
        }
    }
}
