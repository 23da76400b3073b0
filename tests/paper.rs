//! The printed CV: what Chromium makes of it as a PDF has its text in the order of reading.
//!
//! It needs Debian's `chromium` and `poppler-utils`. Where they are missing it says that it
//! skips, unless `VITRINE_REQUIRE` names `chromium`: then that is a failure.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::browser::{CHROMIUM_FLAGS, program};
use crate::harness::{Folders, Vitrine};

const CV: &str = "\
basics:
  name: Zoë Ångström
  label: Office engineer
  email: zoe@example.com
  url: https://zoe.example
  summary: Affinity for efficient workflows.
  profiles: [{network: GitHub, username: zoe, url: 'https://github.com/zoe'}]
work:
- name: Nordwind
  position: Staff engineer
  startDate: 2021-03
  url: https://nordwind.example
  highlights: [First thing done, Second thing done]
- name: Blue
  position: Engineer
  startDate: 2017-01
  endDate: 2021-02
  highlights: [Third thing done]
education: [{institution: Uppsala, area: Physics, startDate: 2012, endDate: 2016}]
skills: [{name: Rust, keywords: [tokio, actix]}]
";

const RUSSIAN: &str = "\
basics: {label: Инженер подъёмных кранов, summary: Съешь ещё этих мягких французских булок.}
work:
- {name: Ветер, position: Ведущий инженер, startDate: 2021-03, highlights: [Сделано первое]}
- {name: Ёлка, position: Инженер, startDate: 2017-01, endDate: 2021-02, highlights: [Сделано второе]}
";

/// Prints a page and returns its text as `pdftotext` reads it, on one line, and how many
/// pages it has.
fn printed(chromium: &Path, url: &str) -> (String, usize) {
    let dir = tempfile::tempdir().unwrap();
    let pdf = dir.path().join("cv.pdf");
    let mut command = Command::new(chromium);
    command.args(CHROMIUM_FLAGS).arg(format!("--user-data-dir={}", dir.path().join("profile").display()));
    command.arg("--no-pdf-header-footer").arg(format!("--print-to-pdf={}", pdf.display())).arg(url);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success() && pdf.is_file(), "{url} was not printed");
    let text = Command::new("pdftotext").arg(&pdf).arg("-").output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    let n_pages = text.matches('\u{c}').count();
    (text.split_whitespace().collect::<Vec<_>>().join(" "), n_pages)
}

#[track_caller]
fn check_order(text: &str, expect: &[&str]) {
    let mut from = 0;
    for piece in expect {
        // A theme may write headings in capitals.
        let found = text[from..].find(piece).or_else(|| text[from..].find(&piece.to_uppercase()));
        from += found.unwrap_or_else(|| panic!("{piece:?} does not come after the others in {text}"));
    }
}

#[test]
fn a_printed_cv_reads_in_order_in_every_theme_and_script() {
    let Some(chromium) = program("chromium").filter(|_| program("pdftotext").is_some()) else {
        let required = std::env::var("VITRINE_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name.trim() == "chromium"),
            "chromium and pdftotext are required"
        );
        println!("skipped: printing needs chromium, and pdftotext of poppler-utils, in the path");
        return;
    };
    for theme in ["classic", "modern"] {
        let dir = Folders::with_cv(&format!("{CV}meta: {{theme: {theme}}}\n"));
        dir.write("cv.ru.yaml", RUSSIAN);
        let mut vitrine = Vitrine::start_on(dir);
        let (text, n_pages) = printed(&chromium, &vitrine.url("/"));
        assert_eq!(n_pages, 1, "{theme}");
        check_order(
            &text,
            &[
                "Zoë Ångström",
                "Office engineer",
                "GitHub zoe (https://github.com/zoe)",
                "Affinity for efficient workflows.",
                "Experience",
                "Mar 2021 – present",
                "Staff engineer",
                "Nordwind (https://nordwind.example)",
                "First thing done",
                "Second thing done",
                "Jan 2017 – Feb 2021",
                "Engineer",
                "Blue",
                "Third thing done",
                "Education",
                "2012 – 2016",
                "Physics",
                "Uppsala",
                "Skills",
                "Rust",
                "tokio",
                "actix",
            ],
        );
        for other in ["Print", "Русский", "JSON Resume", "vCard", "Skip to"] {
            assert!(!text.contains(other), "{other} is no part of the CV: {text}");
        }
        // Letter was Chromium's choice; a page of the owner's size fits as well.
        vitrine.dir().write("style.css", "@page { size: A4 }");
        vitrine.signal(rustix::process::Signal::HUP);
        vitrine.wait_for_line("reloaded");
        assert_eq!(printed(&chromium, &vitrine.url("/")).1, 1, "{theme}");
        let (text, _) = printed(&chromium, &vitrine.url("/ru/"));
        check_order(
            &text,
            &[
                "Инженер подъёмных кранов",
                "Съешь ещё этих мягких французских булок.",
                "Опыт работы",
                "март 2021 – настоящее время",
                "Ведущий инженер",
                "Ветер",
                "Сделано первое",
                "янв. 2017 – февр. 2021",
                "Ёлка",
                "Сделано второе",
                "Education",
            ],
        );
    }
}
