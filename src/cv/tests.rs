use proptest::prelude::*;

use super::*;

fn parse_named(name: &str, text: &str) -> Parsed {
    parse(&Source { name, bytes: text.as_bytes() }, &Config::default())
}

fn good(text: &str) -> Cv {
    let parsed = parse_named("cv.yaml", text);
    parsed.cv.unwrap_or_else(|| panic!("{text}: {:?}", parsed.problems))
}

/// Asserts the problems of a file, one line each, and whether it can be shown.
fn check(name: &str, text: &str, is_shown: bool, expect: &[&str]) {
    let parsed = parse_named(name, text);
    let found: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expect, "{text}");
    assert_eq!(parsed.cv.is_some(), is_shown, "{text}");
}

fn check_yaml(text: &str, is_shown: bool, expect: &[&str]) {
    check("cv.yaml", text, is_shown, expect);
}

#[test]
fn the_sample_is_without_fault_and_every_name_is_known() {
    check_yaml(SAMPLE, true, &[]);
}

#[test]
fn a_merge_key_is_an_error_because_its_fields_would_be_lost() {
    check_yaml(
        "x-me: &me {name: A}\nbasics:\n  <<: *me\n",
        false,
        &[
            "cv.yaml:3:3: basics.<<: merge keys are not read: write the fields out; an alias of a whole value (`*name`) works",
        ],
    );
}

#[test]
fn a_wrong_date_says_what_is_right() {
    check_yaml(
        "basics: {name: A}\nwork:\n  - name: X\n    startDate: 2014-13\n",
        true,
        &["cv.yaml:4:16: work[0].startDate: \"2014-13\" is not a date: write YYYY, YYYY-MM or YYYY-MM-DD"],
    );
    check_yaml(
        "{basics: {name: A}, work: [{name: X, startDate: 2014, endDate: 2013-05}]}",
        true,
        &["cv.yaml:1:64: work[0].endDate: the end 2013-05 lies before the start 2014: check both"],
    );
    check_yaml("{basics: {name: A}, work: [{name: X, startDate: 2014, endDate: 2014-05}]}", true, &[]);
}

#[test]
fn scalars_are_as_written() {
    let cv = good(
        "basics: {name: NO, location: {postalCode: 0123, countryCode: NO}}\neducation: [{institution: 42, score: 4.0}]",
    );
    assert_eq!(cv.basics.name.as_deref(), Some("NO"));
    assert_eq!(cv.basics.location.postal_code.as_deref(), Some("0123"));
    assert_eq!(cv.basics.location.country_code.as_deref(), Some("NO"));
    assert_eq!(cv.education[0].item.score.as_deref(), Some("4.0"));
    let json = parse_named("resume.json", r#"{"basics": {"name": "A"}, "education": [{"score": 4.0}]}"#);
    assert_eq!(json.cv.unwrap().education[0].item.score.as_deref(), Some("4.0"));
}

#[test]
fn empty_texts_and_null_lists_are_absent() {
    let text = "basics: {name: A, url: '', email: '', image: '', profiles: }\nwork:\neducation: ''\nskills: [{name: x, keywords: }, ]\n";
    check_yaml(text, true, &[]);
    let cv = good(text);
    assert_eq!((cv.basics.url, cv.basics.email, cv.basics.image), (None, None, None));
    assert!(cv.work.is_empty() && cv.skills[0].item.keywords.is_empty());
}

#[test]
fn an_end_can_be_open_in_many_ways() {
    for end in ["", "null", "''", "Present", "now"] {
        let cv =
            good(&format!("basics: {{name: A}}\nwork:\n- name: X\n  startDate: 2014\n  endDate: {end}\n"));
        assert_eq!(cv.work[0].item.period.end, End::Ongoing, "{end:?}");
    }
    assert_eq!(good("{basics: {name: A}, work: [{name: X}]}").work[0].item.period.end, End::Unwritten);
}

#[test]
fn a_bullet_with_a_colon_is_the_text_that_it_was_meant_to_be() {
    let text = "basics: {name: A}\nwork:\n- name: X\n  highlights:\n  - Stack: Rust, Go\n";
    check_yaml(
        text,
        true,
        &[
            "cv.yaml:5:5: work[0].highlights[0]: read as the text \"Stack: Rust, Go\": put quotes around it, as a colon and a space make a key in YAML",
        ],
    );
    assert_eq!(good(text).work[0].item.highlights, ["Stack: Rust, Go"]);
}

#[test]
fn unknown_keys_are_kept_and_the_nearest_name_is_told() {
    let text = "basics: {name: A}\nwork:\n- name: X\n  higlights: [a]\n  x-mine: 1\nzebra: 1\n";
    check_yaml(
        text,
        true,
        &[
            "cv.yaml:4:3: work[0].higlights: the key \"higlights\" is not known here: did you mean \"highlights\"?",
            "cv.yaml:6:1: zebra: the key \"zebra\" is not known here: it is kept, but not shown",
        ],
    );
    let cv = good(text);
    let kept: Vec<&str> = cv.work[0].extra.iter().map(|(key, _)| key.name.as_str()).collect();
    assert_eq!(kept, ["higlights", "x-mine"]);
    assert_eq!(cv.extra.len(), 1);
    check_yaml(
        "{basics: {name: A}, work: [{name: A, start_date: 2014}]}",
        true,
        &[
            "cv.yaml:1:38: work[0].start_date: the key \"start_date\" is not known here: did you mean \"startDate\"?",
        ],
    );
}

#[test]
fn older_names_are_understood() {
    let text = "basics: {name: A, picture: me.jpg, website: 'https://a.example', bio: Hi}\nwork: [{company: X}]\neducation: [{institution: Y, gpa: 3.9}]\nhobbies: [{name: Z}]";
    let parsed = parse_named("cv.yaml", text);
    assert!(parsed.problems.iter().all(|problem| problem.message.contains("is an older name")));
    assert_eq!(parsed.problems.len(), 6);
    let cv = parsed.cv.unwrap();
    assert_eq!(cv.basics.image, Some(Image::File("me.jpg".to_string())));
    assert_eq!(cv.work[0].item.name.as_deref(), Some("X"));
    assert_eq!(cv.education[0].item.score.as_deref(), Some("3.9"));
    assert_eq!(cv.interests.len(), 1);
}

#[test]
fn a_wrong_shape_is_an_error_that_says_what_is_wanted() {
    check_yaml(
        "basics: {name: A}\nwork: Baker",
        false,
        &["cv.yaml:2:7: work: found a text where a list of entries should be: \"Baker\" stands alone here"],
    );
    check_yaml(
        "basics: {name: A}\nwork: {name: X}",
        false,
        &[
            "cv.yaml:2:7: work: found a group of keys where a list of entries should be: put `- ` before its first key",
        ],
    );
    check_yaml(
        "basics: [A]",
        false,
        &["cv.yaml:1:9: basics: found a list where a group of keys should be: check the indentation"],
    );
    check_yaml(
        "{basics: {name: [A]}}",
        false,
        &[
            "cv.yaml:1:17: basics.name: found a list where a text should be: write one text, without `-` or brackets",
        ],
    );
    check_yaml(
        "just words",
        false,
        &["cv.yaml:1:1: found a text where a CV should be: begin with `basics:` and a `name:` in it"],
    );
    check_yaml(
        "foo: bar",
        false,
        &[
            "cv.yaml:1:1: foo: the key \"foo\" is not known here: it is kept, but not shown",
            "cv.yaml:1:1: there is nothing to show in this file: begin with `basics:` and a `name:` in it",
        ],
    );
}

#[test]
fn short_hand_is_read_with_a_note() {
    let text = "basics: {name: A}\nskills: [Rust]\ninterests: [{name: x, keywords: sailing}]";
    check_yaml(
        text,
        true,
        &[
            "cv.yaml:2:10: skills[0]: the text \"Rust\" was read as \"name\": write `name: …`",
            "cv.yaml:3:33: interests[0].keywords: \"sailing\" is one text where a list of texts should be: put each on a line of its own with `- ` before it",
        ],
    );
    assert_eq!(good(text).skills[0].item.name.as_deref(), Some("Rust"));
}

#[test]
fn unsafe_links_and_markup_go_with_a_warning() {
    let text =
        "basics:\n  name: A\n  url: javascript:alert(1)\n  summary: Hi <script>alert(1)</script>there\n";
    check_yaml(
        text,
        true,
        &[
            "cv.yaml:3:8: basics.url: a link with \"javascript:\" was taken out: use http, https, mailto or tel",
            "cv.yaml:4:12: basics.summary: the HTML element <script> was taken out: use Markdown: **bold**, *italic*, [text](https://…), - list",
        ],
    );
    let cv = good(text);
    assert_eq!((cv.basics.url, cv.basics.summary.as_deref()), (None, Some("Hi there")));
    check_yaml(
        "basics: {name: A, url: github.com/me}",
        true,
        &["cv.yaml:1:24: basics.url: \"github.com/me\" has no scheme: read as \"https://github.com/me\""],
    );
}

#[test]
fn pictures_stay_on_this_site() {
    let problems = |image: &str| {
        let parsed = parse_named("cv.yaml", &format!("basics: {{name: A, image: '{image}'}}"));
        (parsed.cv.unwrap().basics.image, parsed.problems.len())
    };
    assert_eq!(problems("./me.jpg"), (Some(Image::File("me.jpg".to_string())), 0));
    assert!(matches!(problems("https://example.com/me.jpg"), (Some(Image::Remote(_)), 1)));
    for outside in ["../me.jpg", "/etc/passwd", "data:image/png;base64,x", "a/../../b", "..\\x"] {
        assert_eq!(problems(outside), (None, 1), "{outside}");
    }
}

#[test]
fn broken_files_say_where() {
    check(
        "resume.json",
        "{\"basics\": {\"name\": \"A\", \"label\": \"",
        false,
        &["resume.json:1:36: the file ends inside basics.label: it was cut off: copy the whole file again"],
    );
    check_yaml(
        "basics:\n\tname: A\n",
        false,
        &["cv.yaml:2:1: this line is indented with a tab: YAML wants spaces there: replace each tab by two"],
    );
    check_yaml("", false, &["cv.yaml:1:1: the file is empty: begin with `basics:` and a `name:` in it"]);
    check_yaml(
        "# nothing\n",
        false,
        &["cv.yaml:1:1: the file is empty: begin with `basics:` and a `name:` in it"],
    );
    let latin = parse(&Source { name: "cv.yaml", bytes: b"basics:\n  name: Ren\xe9\n" }, &Config::default());
    assert_eq!(
        latin.problems[0].to_string(),
        "cv.yaml:2:12: the byte 0xe9 is not UTF-8: save the file as UTF-8"
    );
    let utf16 = parse(&Source { name: "cv.yaml", bytes: b"\xff\xfeb\0" }, &Config::default());
    assert_eq!(utf16.problems[0].message, "the file is UTF-16");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_do_no_harm() {
    let cv = good("\u{feff}basics:\r\n  name: A\r\nwork:\r\n  - name: X\r\n");
    assert_eq!((cv.basics.name.as_deref(), cv.work.len()), (Some("A"), 1));
    assert!(parse_named("resume.json", "\u{feff}{\"basics\": {\"name\": \"A\"}}\r\n").cv.is_some());
}

#[test]
fn json_in_a_yaml_file_keeps_its_escapes() {
    let cv = good(r#"{"basics": {"name": "\ud83d\ude00"}}"#);
    assert_eq!(cv.basics.name.as_deref(), Some("😀"));
}

#[test]
fn large_files_are_read_quickly_or_refused_clearly() {
    let huge = vec![b'x'; 50_000_000];
    let parsed = parse(&Source { name: "cv.yaml", bytes: &huge }, &Config::default());
    assert_eq!(parsed.problems[0].message, "the file has 50.0 MB, and 10 MB is the most that is read");

    let summary = "word ".repeat(1_990_000);
    assert!(
        good(&format!("basics:\n  name: A\n  summary: {summary}\n")).basics.summary.unwrap().len()
            > 9_000_000
    );
    let json = format!("{{\"basics\": {{\"name\": \"A\", \"summary\": \"{summary}\"}}}}");
    assert!(parse_named("resume.json", &json).cv.is_some());

    let highlights = "  - One of five thousand\n".repeat(5_000);
    let cv = good(&format!("basics: {{name: A}}\nwork:\n- name: X\n  highlights:\n{highlights}"));
    assert_eq!(cv.work[0].item.highlights.len(), 5_000);
}

#[test]
fn a_file_wrong_in_one_way_many_times_is_reported_once_in_a_while() {
    let parsed = parse_named("cv.yaml", &format!("basics: {{name: A}}\nskills:\n{}", "- x\n".repeat(1_000)));
    assert_eq!(parsed.problems.len(), 101);
    assert_eq!(parsed.problems[100].message, "900 more problems are not listed");
    assert!(parsed.cv.is_some());
}

#[test]
fn hidden_entries_and_private_contacts_are_not_disclosed() {
    let cv = good(
        "x-private: [email, basics.location.city]\nbasics: {name: A, email: a@example.com, phone: '1', birthday: 1990, location: {city: B, address: C, region: D}}\nwork: [{name: X, x-hidden: true, x-tags: [backend]}, {name: Y}]",
    );
    assert_eq!(cv.work[0].tags, ["backend"]);
    let config = Config { show: vec![Private::Phone], ..Config::default() };
    let public = cv.disclose(Audience::Public, &config);
    assert_eq!((&public.basics.email, public.basics.phone.as_deref()), (&None, Some("1")));
    assert_eq!((&public.basics.location.city, &public.basics.location.address), (&None, &None));
    assert_eq!(public.basics.birth_date, None);
    assert_eq!(public.work.len(), 1);
    let holder = cv.disclose(Audience::LinkHolder, &Config::default());
    assert_eq!(holder.basics.location.address.as_deref(), Some("C"));
    assert_eq!(holder.basics.email.as_deref(), Some("a@example.com"));
    assert_eq!(holder.work.len(), 1);
}

#[test]
fn a_slip_in_x_private_shows_nothing() {
    check_yaml(
        "{x-private: [emial], basics: {name: A}}",
        false,
        &["cv.yaml:1:1: x-private: \"emial\" cannot be made private: did you mean \"email\"?"],
    );
}

#[test]
fn sections_can_be_ordered_and_added() {
    let cv = good(
        "basics: {name: A}\nx-sections: [{title: Talks & Teaching, items: [one, {title: two}]}]\nmeta: {sections: [talks-teaching, work]}",
    );
    assert_eq!(cv.section_order(), [SectionId::Custom(0), SectionId::Work]);
    assert_eq!(cv.custom[0].items[0].item.summary.as_deref(), Some("one"));
    let parsed = parse_named("cv.yaml", "{basics: {name: A}, meta: {sections: [wrok], anything: else}}");
    assert_eq!(parsed.problems[0].hint, "did you mean \"work\"?");
    assert_eq!(parsed.problems.len(), 1);
}

#[test]
fn the_json_is_of_the_schema_and_round_trips() {
    let text = include_str!("../../tests/fixtures/every-field.json");
    let cv = parse_named("resume.json", text).cv.unwrap();
    let config = Config { show: Private::ALL.to_vec(), ..Config::default() };
    let json = public_json(&cv.disclose(Audience::Public, &config));
    let (before, after): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(text).unwrap(), serde_json::from_str(&json).unwrap());
    assert_eq!(before, after);
    let keys =
        |value: &serde_json::Value| value["work"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&before), keys(&after));
    assert!(!json.contains('@'));

    let public = public_json(&cv.disclose(Audience::Public, &Config::default()));
    for private in ["+420", "Private Street", "11800"] {
        assert!(!public.contains(private), "{private}");
    }
}

#[test]
fn the_json_leaves_out_what_the_schema_refuses() {
    let cv = good(
        "basics: {name: A, email: nobody, url: '', foo: 1}\nwork: [{name: X, startDate: soon, endDate: present, bar: 2}]",
    );
    let json: serde_json::Value =
        serde_json::from_str(&public_json(&cv.disclose(Audience::Public, &Config::default()))).unwrap();
    assert_eq!(json["basics"], serde_json::json!({"name": "A"}));
    assert_eq!(json["work"], serde_json::json!([{"name": "X"}]));
}

#[test]
fn the_first_name_of_the_list_is_found() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(find(dir.path()), None);
    std::fs::write(dir.path().join("resume.json"), "{}").unwrap();
    std::fs::write(dir.path().join("cv.yml"), "").unwrap();
    let found = find(dir.path()).unwrap();
    assert_eq!(found.path, dir.path().join("cv.yml"));
    assert_eq!(found.ignored, [dir.path().join("resume.json")]);
}

#[test]
fn what_has_the_name_but_is_no_file_is_found_so_that_reading_it_can_say_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cv.yml"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("cv.yaml")).unwrap();
    assert_eq!(find(dir.path()).unwrap().path, dir.path().join("cv.yaml"));
}

#[test]
fn the_address_of_the_site_is_checked() {
    assert_eq!("https://cv.example.com/".parse::<BaseUrl>().unwrap().join("/x"), "https://cv.example.com/x");
    assert_eq!("http://a.example/me".parse::<BaseUrl>().unwrap().to_string(), "http://a.example/me");
    for wrong in ["cv.example.com", "ftp://a.example", "https://a.example?x", "", "https://u@a.example"] {
        assert!(wrong.parse::<BaseUrl>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        parse_named("cv.yaml", &text);
        parse_named("cv.json", &text);
    }

    #[test]
    fn no_nearly_right_text_makes_the_parser_panic(
        text in r#"(basics|work|name|url|endDate|meta|x-sections|highlights|[:\-\[\]{}&*!|>'"%@`#,?\t \n\r]|<b>|é|2014-0|~|\\u){0,40}"#,
    ) {
        let parsed = parse_named("cv.yaml", &text);
        parse_named("cv.json", &text);
        prop_assert!(parsed.cv.is_some() || !parsed.problems.is_empty());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        parse(&Source { name: "cv.yaml", bytes: &bytes }, &Config::default());
    }
}

fn translated(original: &str, translation: &str) -> Cv {
    let original = good(original);
    let source = Source { name: "cv.ru.yaml", bytes: translation.as_bytes() };
    let parsed = parse_translation(&source, &"ru".parse().unwrap(), &original);
    parsed.cv.unwrap_or_else(|| panic!("{:?}", parsed.problems))
}

#[test]
fn a_translation_has_what_it_lacks_from_the_original_and_says_so() {
    let original = "basics: {name: Ada, label: Engineer, email: a@b.example, summary: Hello, phone: '1'}\n\
        work: [{name: X}]\nskills: [{name: Rust}]\nx-private: [email]";
    let cv = translated(original, "basics: {label: Инженер}\nwork: [{name: Икс}]");
    assert_eq!((cv.lang.as_deref(), cv.basics.name.as_deref()), (Some("ru"), Some("Ada")));
    assert_eq!((cv.label_lang(), cv.summary_lang()), (None, Some("en")));
    assert_eq!((cv.section_lang(SectionId::Work), cv.section_lang(SectionId::Skills)), (None, Some("en")));
    assert_eq!(cv.work[0].item.name.as_deref(), Some("Икс"));
    let shown = cv.disclose(Audience::Public, &Config::default());
    assert_eq!(shown.basics.email, None, "what is private in the original is so in every language");
    assert_eq!(shown.basics.phone, None);
}

#[test]
fn the_name_of_a_translation_s_file_says_its_language() {
    let source = Source { name: "cv.ru.yaml", bytes: b"x-lang: de\nbasics: {name: A}" };
    let parsed = parse_translation(&source, &"ru".parse().unwrap(), &Cv::default());
    assert_eq!(parsed.cv.unwrap().lang.as_deref(), Some("ru"));
    assert!(parsed.problems[0].to_string().contains("the name of the file counts"), "{:?}", parsed.problems);
}

#[test]
fn translations_are_found_beside_the_cv() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cv.yaml", "cv.ru.yaml", "cv.ru.json", "resume.pt-br.json", "cv.notes.yaml", "cv.yaml.bak"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let found = find(dir.path()).unwrap();
    let translations: Vec<_> =
        found.translations.iter().map(|(lang, path)| (lang.as_str(), path.file_name().unwrap())).collect();
    assert_eq!(translations, [("pt-BR", "resume.pt-br.json".as_ref()), ("ru", "cv.ru.yaml".as_ref())]);
    assert_eq!(found.ignored, [dir.path().join("cv.ru.json")]);
}

#[test]
fn colours_are_chosen_and_hard_ones_are_warned_about() {
    let cv = good(
        "basics: {name: A}\nmeta: {themeOptions: {mode: dark, colors: {accent: '#20506a', background: ['#fff', '#000']}}}",
    );
    let colors: Vec<String> = cv.meta.colors.iter().map(|chosen| chosen.light.to_string()).collect();
    assert_eq!(colors, ["#20506a", "#ffffff"]);
    check_yaml(
        "basics: {name: A}\nmeta:\n  themeOptions:\n    colors:\n      accent: '#ffd54f'\n      acent: '#000'\n      ink: red\n",
        true,
        &[
            "cv.yaml:4:5: meta.themeOptions.colors: text in \"accent\" is hard to read on light paper: its contrast is 1.4:1: choose a colour with at least 4.5:1",
            "cv.yaml:6:7: meta.themeOptions.colors.acent: no theme here has a colour \"acent\": known are: accent",
            "cv.yaml:7:12: meta.themeOptions.colors.ink: \"red\" is not a colour: write it as #20506a or #abc: it was left out",
        ],
    );
}
