//! Pictures of the page, to be looked at: both themes, light and dark, three widths, three
//! languages. Taken on request into the folder that `VITRINE_PICTURES_DIR` names.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::browser::{CHROMIUM_FLAGS, program};
use crate::harness::{Folders, Vitrine};

const RUSSIAN: &str = "\
basics: {name: Мира Линдквист, label: Инженер платёжных систем, summary: 'Строю части платёжной системы, которые не должны ошибаться.'}
work:
- {name: Эресунн, position: Ведущий инженер, startDate: 2021-04, highlights: [Перевела книгу проводок на события, Вдвое сократила расхождения]}
";

const ARABIC: &str = "\
basics: {name: ميرا لندكفست, label: مهندسة أنظمة الدفع, summary: أبني أجزاء نظام الدفع التي يجب ألا تخطئ.}
work:
- {name: أوريسوند, position: مهندسة أولى, startDate: 2021-04, highlights: [نقلت دفتر الأستاذ إلى الأحداث, خفضت الفروقات]}
";

fn picture(chromium: &Path, url: &str, width: u32, scheme: &str, file: &Path) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(chromium);
    // The later of two sizes counts.
    command.args(CHROMIUM_FLAGS).arg(format!("--window-size={width},{}", width.max(640) * 4 / 3));
    command.arg(format!("--user-data-dir={}", profile.path().display())).arg("--hide-scrollbars");
    let dark_is_zero = u8::from(scheme == "light");
    command.arg(format!("--blink-settings=preferredColorScheme={dark_is_zero}"));
    command.arg(format!("--screenshot={}", file.display())).arg(url);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success() && file.is_file(), "no picture of {url}");
}

#[test]
fn pictures_are_taken_on_request() {
    let Ok(dir) = std::env::var("VITRINE_PICTURES_DIR") else {
        println!("skipped: VITRINE_PICTURES_DIR names no folder for pictures");
        return;
    };
    let chromium = program("chromium").expect("pictures need chromium in the path");
    for theme in ["classic", "modern"] {
        let sample = include_str!("../assets/sample/cv.yaml");
        let folders = Folders::with_cv(&format!("{sample}\nmeta: {{theme: {theme}}}\n"));
        folders.write("cv.ru.yaml", RUSSIAN);
        folders.write("cv.ar.yaml", ARABIC);
        let vitrine = Vitrine::start_on(folders);
        for (lang, path) in [("en", "/"), ("ru", "/ru/"), ("ar", "/ar/")] {
            for (width, scheme) in
                [360, 768, 1280].into_iter().flat_map(|width| [(width, "light"), (width, "dark")])
            {
                let file = Path::new(&dir).join(format!("{theme}-{lang}-{width}-{scheme}.png"));
                picture(&chromium, &vitrine.url(path), width, scheme, &file);
            }
        }
    }
}
