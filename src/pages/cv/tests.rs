use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::cv::{self, Audience, Config, Disclosed, Private, Source};

pub(super) fn disclosed(name: &str, text: &str, config: &Config) -> Disclosed {
    let parsed = cv::parse(&Source { name, bytes: text.as_bytes() }, config);
    let cv = parsed.cv.unwrap_or_else(|| panic!("{name}: {:?}", parsed.problems));
    cv.disclose(Audience::Public, config)
}

fn render(cv: &Disclosed) -> String {
    let view = CvView {
        cv,
        stylesheets: &["cv.css".to_string()],
        favicon: Some("favicon.svg"),
        photo: None,
        canonical: Some("https://cv.example.com/"),
        translations: &[],
        forms: "/",
        card_url: None,
        qr_url: None,
        pdf_url: None,
        print_script: Some("/assets/print.js"),
        noindex: false,
    };
    page(&view).into_string()
}

fn render_yaml(text: &str) -> String {
    render(&disclosed("cv.yaml", text, &Config::default()))
}

/// Asserts that the page of a YAML text contains each piece.
fn check(text: &str, expect: &[&str]) {
    let html = render_yaml(text);
    for piece in expect {
        assert!(html.contains(piece), "{piece:?} is not in {html}");
    }
}

/// Returns what a reader sees: no tags, references resolved, white space folded.
fn visible(html: &str) -> String {
    let body = &html[html.find("<body>").unwrap()..];
    let mut res = String::new();
    let inline = ["a", "em", "strong", "code", "span", "time"];
    for piece in body.split('<') {
        let (tag, text) = piece.split_once('>').unwrap_or(("", piece));
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        res.push_str(if inline.contains(&name) { "" } else { " " });
        res.push_str(text);
    }
    fold(&resolve(&res))
}

fn resolve(text: &str) -> String {
    let mut res = String::new();
    let mut rest = text;
    while let Some(idx) = rest.find("&#") {
        let (number, after) = rest[idx + 2..].split_once(';').unwrap();
        res.push_str(&rest[..idx]);
        res.push(char::from_u32(number.parse().unwrap()).unwrap());
        rest = after;
    }
    res.push_str(rest);
    res.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Yields every text of a JSON document with its path.
fn leaves(value: &Value, path: &str, res: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => res.push((path.to_string(), text.clone())),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, path, res)),
        Value::Object(map) => map.iter().for_each(|(key, item)| leaves(item, &format!("{path}.{key}"), res)),
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => res.push((path.to_string(), value.to_string())),
    }
}

fn real_resumes() -> Vec<PathBuf> {
    let Ok(dir) = std::env::var("VITRINE_RESUMES") else {
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "resumes"), "VITRINE_RESUMES must name a directory");
        eprintln!("skipped: VITRINE_RESUMES names no directory of resumes");
        return Vec::new();
    };
    let entries = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn fixtures() -> Vec<PathBuf> {
    vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/every-field.json")]
}

/// Asserts that each value that anyone may see is on the page and each private one is not.
/// Asserts that every value of a file that is not private is in the forms that are text.
fn check_forms(path: &Path) {
    let json = std::fs::read_to_string(path).unwrap();
    let cv = disclosed("resume.json", &json, &Config::default());
    let (text, markdown, card) = (text(&cv), commonmark(&cv), vcard(&cv));
    assert!(text.lines().all(|line| !line.ends_with(' ')) && !text.contains("\n\n\n"), "{text}");
    let is_long = |line: &&str| textwrap::core::display_width(line) > 78 && !line.contains("://");
    assert_eq!(text.lines().find(is_long), None, "{}", path.display());
    let (folded, shown) =
        (fold(&text).to_lowercase(), fold(&visible(&format!("<body>{}", markdown_html(&markdown)))));
    let mut values = Vec::new();
    leaves(&serde_json::from_str(&json).unwrap(), "", &mut values);
    for (key, value) in values {
        let last = key.rsplit('.').next().unwrap();
        let plain = fold(&markdown::plain(&fold(&value)));
        match last {
            _ if plain.is_empty() || key.starts_with(".$schema") || key.starts_with(".meta") => {}
            "phone" | "address" | "postalCode" => {
                let all = [&text, &markdown, &card];
                assert!(all.iter().all(|form| !form.contains(&plain)), "{key} {plain:?} is private");
            }
            "startDate" | "endDate" | "date" | "releaseDate" | "countryCode" | "image" | "url" => {}
            _ if plain.contains(" (") || plain.contains('@') => {}
            // Links stand behind what they are of, and may part a value.
            "summary" | "description" | "highlights" | "reference" => {
                let first = plain.split_whitespace().next().unwrap();
                assert!(folded.contains(&first.to_lowercase()) && shown.contains(first), "{key} {first:?}");
            }
            _ => {
                assert!(folded.contains(&plain.to_lowercase()), "{key} {plain:?} is not in {text}");
                assert!(shown.contains(&plain), "{key} {plain:?} is not in {shown}");
            }
        }
    }
}

fn markdown_html(text: &str) -> String {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, pulldown_cmark::Parser::new(text));
    html
}

#[test]
fn every_value_of_a_file_is_in_its_text_and_its_markdown() {
    fixtures().iter().chain(&real_resumes()).for_each(|path| check_forms(path));
}

#[test]
fn text_is_laid_out_for_reading() {
    let cv = disclosed(
        "cv.yaml",
        "basics: {name: Ada, label: Engineer, email: a@b.example, summary: 'One [two](https://t.example/).\n\n- three'}\n\
         work:\n- {name: X, url: 'https://x.example', position: Lead, startDate: 2020-03, highlights: ['*Did* it']}\n\
         - {name: X, position: Junior, startDate: 2018, endDate: 2020-03}\n\
         skills: [{name: Rust, keywords: [a, b]}, {name: Go, level: some}]",
        &Config::default(),
    );
    let expect = "Ada\n===\nEngineer\n\na@b.example\n\nOne two (https://t.example/).\n- three\n\n\
        Experience\n----------\n\nhttps://x.example\n\n"
        .replace("https://x.example", "X (https://x.example)")
        + "Lead\nMar 2020 – present\n- Did it\n\nJunior\n2018 – Mar 2020\n\n\
        Skills\n------\n\nRust: a, b\nGo (some)\n";
    assert_eq!(text(&cv), expect);
    let expect = "# Ada\n\n**Engineer**\n\n- a&#64;b.example\n\nOne [two](https://t.example/).\n\n- three\n\n\
        ## Experience\n\n### [X](<https://x.example>)\n\n#### Lead\n\n*Mar 2020 – present*\n\n- *Did* it\n\n\
        #### Junior\n\n*2018 – Mar 2020*\n\n## Skills\n\n- **Rust**: a, b\n- **Go** (some)\n";
    assert_eq!(commonmark(&cv), expect);
}

fn check_complete(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let html = render(&disclosed("resume.json", &text, &Config::default()));
    let (seen, source) = (visible(&html), resolve(&html));
    let mut values = Vec::new();
    leaves(&serde_json::from_str(&text).unwrap(), "", &mut values);
    for (key, value) in values {
        let last = key.rsplit('.').next().unwrap();
        let value = fold(&value);
        if value.is_empty() || key.starts_with(".$schema") || key.starts_with(".meta") {
            continue;
        }
        match last {
            "phone" | "address" | "postalCode" => {
                assert!(!source.contains(&value), "{key} {value:?} is private, but in {}", path.display());
            }
            "startDate" | "endDate" | "date" | "releaseDate" => {
                assert!(html.contains(&format!("datetime=\"{value}\"")), "{key} {value:?} is not shown");
            }
            "countryCode" => assert!(seen.contains(countries::name(&value, "en")), "{key} {value:?}"),
            "url" => assert!(source.contains(&value), "{key} {value:?} is not linked"),
            "image" => {}
            _ => {
                let plain = markdown::plain(&value);
                assert!(seen.contains(&plain), "{key} {plain:?} is not on the page of {}", path.display());
            }
        }
    }
}

#[test]
fn whoever_has_a_private_link_sees_what_is_private() {
    for path in fixtures().iter().chain(&real_resumes()) {
        let text = std::fs::read_to_string(path).unwrap();
        let config = Config::default();
        let parsed = cv::parse(&Source { name: "resume.json", bytes: text.as_bytes() }, &config);
        let cv = parsed.cv.unwrap().disclose(Audience::LinkHolder, &config);
        let forms = [visible(&render(&cv)), fold(&super::text(&cv)), cv::public_json(&cv)];
        let mut values = Vec::new();
        leaves(&serde_json::from_str(&text).unwrap(), "", &mut values);
        let is_private =
            |key: &str| [".phone", ".address", ".postalCode"].iter().any(|last| key.ends_with(last));
        for (key, value) in values.iter().filter(|(key, value)| is_private(key) && !value.is_empty()) {
            assert!(forms.iter().all(|form| form.contains(value)), "{key} {value:?} of {}", path.display());
        }
    }
}

#[test]
fn every_value_of_a_file_is_on_the_page() {
    fixtures().iter().chain(&real_resumes()).for_each(|path| check_complete(path));
}

/// Writes the pages to look at, with the stylesheet beside them, if a directory is named.
#[test]
fn pages_can_be_written_out_to_look_at() {
    let Ok(dir) = std::env::var("VITRINE_PAGES_DIR") else {
        eprintln!("skipped: VITRINE_PAGES_DIR names no directory to write pages to");
        return;
    };
    let dir = Path::new(&dir);
    std::fs::write(dir.join("cv.css"), STYLES[0]).unwrap();
    std::fs::write(dir.join("sample.html"), render_yaml(cv::SAMPLE)).unwrap();
    for path in fixtures().iter().chain(&real_resumes()) {
        let text = std::fs::read_to_string(path).unwrap();
        let cv = disclosed("resume.json", &text, &Config::default());
        std::fs::write(dir.join(path.with_extension("html").file_name().unwrap()), render(&cv)).unwrap();
        std::fs::write(dir.join(path.file_name().unwrap()), cv::public_json(&cv)).unwrap();
    }
    let stylesheets = ["cv.css".to_string()];
    let view = crate::pages::error::ErrorView {
        status: 404,
        request_id: Some("4bf92f3577b34da6"),
        stylesheets: &stylesheets,
        favicon: None,
    };
    std::fs::write(dir.join("error.html"), crate::pages::error::page(&view).into_string()).unwrap();
}

#[test]
fn headings_have_one_top_and_no_gaps() {
    let html = render_yaml(cv::SAMPLE);
    let levels: Vec<u32> = html
        .match_indices("<h")
        .filter_map(|(idx, _)| html[idx + 2..].chars().next()?.to_digit(10))
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    for landmark in ["<header", "<main", "class=\"skip-link\"", "<html lang=\"en\""] {
        assert!(html.contains(landmark), "{landmark}");
    }
}

#[test]
fn ids_are_unique() {
    let html = render_yaml(
        "{basics: {name: A}, x-sections: [{title: Work, items: [a]}, {title: work, items: [b]}]}",
    );
    let ids: Vec<&str> =
        html.match_indices(" id=\"").map(|(idx, _)| html[idx + 5..].split('"').next().unwrap()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    assert!(ids.contains(&"work-2") && ids.contains(&"work-3"));
}

#[test]
fn nothing_is_inline_and_nothing_is_foreign() {
    let html = render_yaml(cv::SAMPLE);
    for forbidden in ["style=", "<style", "onclick", "<iframe", "src=\"http"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("<script type=\"application/ld+json\"").count(), 1);
    assert_eq!(html.matches("<script src=\"/assets/").count(), 1);
    for link in html.match_indices("<link ").map(|(idx, _)| html[idx..].split('>').next().unwrap()) {
        assert!(!link.contains("http") || link.contains("canonical"), "{link}");
    }
}

#[test]
fn addresses_are_not_in_the_source() {
    let html = render_yaml("basics: {name: A, email: a.b@example.com, summary: x}");
    assert!(!html.contains("a.b@example.com") && !html.contains("mailto:"));
    assert!(visible(&html).contains("a.b@example.com"));
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "basics: {name: '</script><img src=x onerror=alert(1)>A', label: '\" onload=\"x', summary: '[x](javascript:alert(1)) <svg/onload=1>'}\nwork: [{name: '<b', position: 'a&b', url: 'javascript:alert(1)'}]";
    let html = render_yaml(hostile);
    assert!(!html.contains("<img") && !html.contains("<svg") && !html.contains("javascript:"), "{html}");
    assert!(!html.contains("=\"\" onload") && html.contains("&quot; onload="), "{html}");
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(html.contains("a&amp;b"));
}

#[test]
fn consecutive_positions_at_one_employer_stand_under_its_name() {
    let text = "basics: {name: A}\nwork:\n- {name: X, position: Lead, startDate: 2020}\n- {name: X, position: Engineer, startDate: 2018, endDate: 2020}\n- {name: Y, position: Engineer}\n- {name: X, position: Intern}";
    let html = render_yaml(text);
    assert_eq!(html.matches("class=\"employer\"").count(), 1);
    assert_eq!(html.matches("<h4").count(), 2);
    let nested = "basics: {name: A}\nwork:\n- name: X\n  positions: [{position: Lead}, {position: Engineer}]";
    assert_eq!(render_yaml(nested).matches("<h4").count(), 2);
}

#[test]
fn dates_are_as_precise_as_written() {
    check(
        "{basics: {name: A}, work: [{name: X, startDate: 2020-02-01}]}",
        &["<time datetime=\"2020-02-01\">Feb 2020</time> – <span class=\"present\">present</span>"],
    );
    check(
        "{basics: {name: A}, work: [{name: X, startDate: 2014, endDate: 2016-06}]}",
        &["<time datetime=\"2014\">2014</time> – <time datetime=\"2016-06\">Jun 2016</time>"],
    );
    check(
        "{basics: {name: A}, projects: [{name: X, startDate: 2014}]}",
        &["<p class=\"entry-dates\"><time datetime=\"2014\">2014</time></p>"],
    );
    check("{basics: {name: A}, projects: [{name: X, startDate: 2014, endDate: ''}]}", &["present</span>"]);
    check("{basics: {name: A}, awards: [{title: X, date: summer 2014}]}", &["summer 2014"]);
    check("{basics: {name: A}, awards: [{title: X, date: 2014-10-01}]}", &[">1 Oct 2014</time>"]);
    let undated = render_yaml("{basics: {name: A}, work: [{name: X, endDate: ''}]}");
    assert!(!undated.contains("entry-dates") && !undated.contains("present"), "{undated}");
}

#[test]
fn order_labels_and_language_are_the_authors() {
    let text = "basics: {name: A}\nx-lang: de\nskills: [{name: Rust}]\nwork: [{name: X, startDate: 2020-03}]\nawards: [{title: Z}]\nmeta: {sections: [skills, work], sectionLabels: {skills: Was ich kann}}";
    let html = render_yaml(text);
    assert!(html.find("id=\"skills\"").unwrap() < html.find("id=\"work\"").unwrap());
    assert!(!html.contains("id=\"awards\""));
    for piece in ["<html lang=\"de\"", "Was ich kann", "Berufserfahrung", "März 2020", "heute"] {
        assert!(html.contains(piece), "{piece}");
    }
}

#[test]
fn private_things_are_shown_only_when_allowed() {
    let text = "basics: {name: A, phone: +49 30 1, birthDate: 1990-01-02, location: {address: Street 1, postalCode: '0123', city: Berlin}}";
    let html = render_yaml(text);
    for private in ["+49", "1990", "Street", "0123"] {
        assert!(!html.contains(private), "{private}");
    }
    let config = Config { show: Private::ALL.to_vec(), ..Config::default() };
    let html = render(&disclosed("cv.yaml", text, &config));
    for shown in ["tel:+49301", "2 Jan 1990", "Street 1, 0123 Berlin"] {
        assert!(html.contains(shown), "{shown}");
    }
}

#[test]
fn the_data_block_is_json_about_the_person() {
    let html = render_yaml(cv::SAMPLE);
    let block = html.split("application/ld+json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(block).unwrap();
    assert_eq!(data["@type"], "ProfilePage");
    assert_eq!(data["mainEntity"]["name"], "Mira Lindqvist");
    assert_eq!(data["mainEntity"]["worksFor"]["name"], "Öresund Pay");
    assert_eq!(data["mainEntity"]["sameAs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_cv_with_only_a_name_has_a_page() {
    check("basics: {name: Ana}", &["<h1 class=\"name\">Ana</h1>", "<title>Ana</title>"]);
}

#[test]
fn the_icon_has_the_initials() {
    for (name, expect) in [
        ("Dr. Lena Vasquez", ">LV<"),
        ("madonna", ">M<"),
        ("Анна Петровна Ёлкина", ">АЁ<"),
        ("<&>", ">CV<"),
        ("J. R. R.", ">JR<"),
    ] {
        let cv = Cv {
            basics: crate::cv::Basics { name: Some(name.to_string()), ..Default::default() },
            ..Cv::default()
        };
        assert!(favicon(&cv).contains(expect), "{}", favicon(&cv));
    }
}

/// The built-in styles as they are sent.
const STYLES: [&str; 2] = [
    concat!(
        include_str!("../../../assets/web/cv/base.css"),
        include_str!("../../../assets/web/cv/classic.css")
    ),
    concat!(
        include_str!("../../../assets/web/cv/base.css"),
        include_str!("../../../assets/web/cv/modern.css")
    ),
];

#[test]
fn page_and_style_are_small_and_ask_for_nothing_but_fonts() {
    let page = render_yaml(cv::SAMPLE);
    for css in STYLES {
        let packed = |text: &str| {
            let mut packed = Vec::new();
            let params = brotli::enc::BrotliEncoderParams::default();
            brotli::BrotliCompress(&mut text.as_bytes(), &mut packed, &params).unwrap();
            packed.len()
        };
        assert!(packed(css) + packed(&page) < 30_000, "{} and {} bytes", packed(css), packed(&page));
        let own = css.matches("url(\"/assets/fonts/").count();
        assert_eq!((css.matches("url(").count(), css.matches("@import").count()), (own, 0));
    }
}

#[test]
fn every_font_is_small_there_and_licensed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/web/fonts");
    let mut n_used = 0;
    for name in STYLES.iter().flat_map(|css| css.split("/assets/fonts/").skip(1)) {
        let file = dir.join(name.split('"').next().unwrap());
        let n_bytes = file.metadata().unwrap_or_else(|_| panic!("{} is missing", file.display())).len();
        assert!(n_bytes <= 40_000, "{} has {n_bytes} bytes", file.display());
        n_used += 1;
    }
    let files = || std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(files().filter(|path| path.extension().unwrap() == "woff2").count(), n_used);
    for licence in files().filter(|path| path.extension().unwrap() == "txt") {
        assert!(std::fs::read_to_string(licence).unwrap().contains("SIL Open Font License"));
    }
}

/// Returns the colour properties of the nth block of the stylesheet that sets them, as channels.
fn colours(css: &str, block: usize) -> std::collections::BTreeMap<&str, [f64; 3]> {
    let blocks = css.split(":root {").skip(1).map(|block| block.split('}').next().unwrap());
    let block = blocks.filter(|block| block.contains("--paper: #")).nth(block).unwrap();
    let hex = |value: &str| -> [f64; 3] {
        let digits = value.trim().trim_start_matches('#');
        let digits = if digits.len() == 3 {
            digits.chars().flat_map(|c| [c, c]).collect()
        } else {
            digits.to_string()
        };
        [0, 2, 4].map(|idx| f64::from(u8::from_str_radix(&digits[idx..idx + 2], 16).unwrap()) / 255.0)
    };
    let lines = block.split(';').filter_map(|line| line.trim().split_once(": #"));
    lines.map(|(name, value)| (name, hex(value))).collect()
}

/// Returns the contrast of two colours by WCAG 2.2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |channel: f64| {
        if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_has_contrast_in_light_in_dark_and_on_paper() {
    for (css, block) in STYLES.iter().flat_map(|css| (0..3).map(move |block| (css, block))) {
        let colours = colours(css, block);
        let of = |name: &str| contrast(colours[name], colours["--paper"]);
        assert!(of("--ink") >= 7.0, "{block}: {}", of("--ink"));
        assert!(of("--soft") >= 4.5, "{block}: {}", of("--soft"));
        assert!(of("--accent") >= 4.5, "{block}: {}", of("--accent"));
    }
}

#[test]
fn ten_megabytes_of_summary_have_a_page() {
    let summary = "word *and* word ".repeat(600_000);
    assert!(render_yaml(&format!("basics:\n  name: A\n  summary: {summary}\n")).len() > 9_000_000);
}

#[test]
fn arabic_reads_from_right_to_left() {
    let text = "x-lang: ar\nbasics: {name: ليلى}\nwork: [{name: X, startDate: 2020-02}]";
    check(text, &["<html lang=\"ar\" dir=\"rtl\">", "الخبرات", "فبراير 2020", "حتى الآن"]);
}
