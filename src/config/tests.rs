use super::*;
use crate::pages::admin::{Lang, meaning};

fn layers(file: Option<&Path>, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Layers {
    Layers {
        file: file.map(Path::to_path_buf),
        environment: environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        unreadable: vec![],
        flags: flags.iter().map(|(key, value)| (*key, value.to_string())).collect(),
    }
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vitrine.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

/// Loads a file and compares the problems, the folder's name cut off.
fn check(text: &str, expect: &[&str]) {
    let (dir, path) = file(text);
    let problems = match load(&layers(Some(&path), &[], &[])) {
        Ok(_) => vec![],
        Err(Problems(problems)) => problems,
    };
    let prefix = format!("{}/", dir.path().display());
    let shown: Vec<String> =
        problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect();
    assert_eq!(shown, expect, "{text}");
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let (_dir, path) = file("listen = \"127.0.0.1:1\"\nsite = \"/from/file\"\ndata = \"/from/file\"\n");
    let environment = [("VITRINE_SITE", "/from/environment"), ("VITRINE_DATA", "/from/environment")];
    let loaded = load(&layers(Some(&path), &environment, &[("data", "/from/flag")])).unwrap();
    assert_eq!(loaded.config.http.listen.to_string(), "127.0.0.1:1");
    assert_eq!(loaded.config.site, Path::new("/from/environment"));
    assert_eq!(loaded.config.data, Path::new("/from/flag"));
    assert_eq!(loaded.source("data"), Source::Flag);
    assert_eq!(loaded.source("http.threads"), Source::Default);
}

#[test]
fn a_key_in_the_query_of_an_endpoint_is_not_shown() {
    let (_dir, path) = file("[telemetry.otlp]\nendpoint = \"http://file:4318/x?api_key=secret\"\n");
    let loaded = load(&layers(Some(&path), &[], &[])).unwrap();
    let shown = settings::find("telemetry.otlp.endpoint").unwrap().value(&loaded.config);
    assert_eq!(shown, "http://file:4318/x?********");
}

#[test]
fn a_value_of_a_standard_variable_says_which_one_gave_it() {
    let (_dir, path) = file("[telemetry.otlp]\nendpoint = \"http://file:4318\"\n");
    let certificates = ["", "METRICS_", "LOGS_", "TRACES_"];
    let mut environment: Vec<(String, String)> = vec![
        ("OTEL_SDK_DISABLED".into(), "true".into()),
        ("OTEL_METRIC_EXPORT_INTERVAL".into(), "12345".into()),
        ("OTEL_TRACES_SAMPLER".into(), "traceidratio".into()),
        ("OTEL_TRACES_SAMPLER_ARG".into(), "0.5".into()),
    ];
    for signal in certificates {
        for (what, value) in [
            ("ENDPOINT", "http://variable:4318"),
            ("CERTIFICATE", "/a"),
            ("CLIENT_CERTIFICATE", "/b"),
            ("CLIENT_KEY", "/c"),
        ] {
            environment.push((format!("OTEL_EXPORTER_OTLP_{signal}{what}"), value.into()));
        }
    }
    let pairs: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let loaded = load(&layers(Some(&path), &pairs, &[])).unwrap();
    let plain = load(&layers(Some(&path), &[], &[])).unwrap();
    for setting in SETTINGS {
        let source = loaded.source(setting.key);
        if setting.value(&loaded.config) == setting.value(&plain.config) {
            assert_eq!(source, plain.source(setting.key), "{}", setting.key);
        } else {
            let Source::Environment(name) = source else {
                panic!("{} is said to be by {source}", setting.key)
            };
            assert!(pairs.iter().any(|(known, _)| *known == name), "{} {name}", setting.key);
        }
    }
    let by = Source::Environment("OTEL_EXPORTER_OTLP_ENDPOINT".into());
    assert_eq!(loaded.source("telemetry.otlp.endpoint"), by);
    // Only the sampler's name changes its share, too.
    let loaded = load(&layers(None, &[("OTEL_TRACES_SAMPLER", "traceidratio")], &[])).unwrap();
    assert_eq!(loaded.source("telemetry.traces.ratio"), Source::Environment("OTEL_TRACES_SAMPLER".into()));
}

#[test]
fn unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    check(
        "\n[http]\nthread = 2\n",
        &["vitrine.toml:3:1: `http.thread` is not a setting; did you mean `http.threads`?"],
    );
    check(
        "colour = 1",
        &["vitrine.toml:1:1: `colour` is not a setting; `vitrine init` writes a file with all of them"],
    );
}

#[test]
fn wrong_values_are_all_reported() {
    check(
        "listen = \"2727\"\ndata = {a = 1}\n[http]\nthreads = 99\n",
        &[
            "vitrine.toml:2:1: `data`: {a = 1} (inline table) is not a folder",
            "vitrine.toml:1:1: `listen`: \"2727\" is not an address such as 0.0.0.0:2727, [::]:80 or :2727 \
             (an address is an IP with a port)",
            "vitrine.toml:4:1: `http.threads`: \"99\" is not a whole number from 0 to 64 (out of range)",
        ],
    );
}

#[test]
fn a_value_of_another_type_is_refused_even_where_its_text_would_do() {
    check(
        "[http]\nthreads = \"4\"\n",
        &["vitrine.toml:2:1: `http.threads`: \"4\" (string) is not a whole number from 0 to 64"],
    );
    check("[http]\ndrills = 1\n", &["vitrine.toml:2:1: `http.drills`: 1 (integer) is not true or false"]);
    check("site = true\n", &["vitrine.toml:1:1: `site`: true (boolean) is not a folder"]);
    check(
        "[cv]\nshow = [1]\n",
        &["vitrine.toml:2:1: `cv.show`: [1] (array) is not a list of phone, address, birth_date"],
    );
    check("workers = \"auto\"\n[cv]\nshow = [\"phone\"]\n[store.logs]\nmax_bytes = 67108864\n", &[]);
}

#[test]
fn lists_of_tables_are_read() {
    let (_dir, path) = file(
        "[[logs.file]]\npath = \"/var/log/nginx/*.log\"\ntag = \"nginx\"\nformat = \"access\"\nfrom = \"start\"\n\
         [[logs.file]]\npath = \"/a.log\"\n[[logs.journal]]\nunits = [\"ssh.service\"]\n[[logs.journal]]\n",
    );
    let logs = load(&layers(Some(&path), &[], &[])).unwrap().config.logs;
    let file = |path: &str, tag: Option<&str>, format, from| tail::FileSource {
        path: path.into(),
        tag: tag.map(str::to_string),
        format,
        from,
    };
    assert_eq!(
        logs.files,
        [
            file("/var/log/nginx/*.log", Some("nginx"), tail::Format::Access, tail::StartAt::Start),
            file("/a.log", None, tail::Format::Auto, tail::StartAt::End)
        ]
    );
    let units: Vec<Vec<String>> = logs.journals.into_iter().map(|journal| journal.units).collect();
    assert_eq!(units, [vec!["ssh.service".to_string()], vec![]]);
}

#[test]
fn wrong_lists_of_tables_are_all_reported() {
    check(
        "[[logs.file]]\npath = \"relative.log\"\nformat = \"xml\"\nfrom = 1\ntags = \"x\"\n[[logs.file]]\ntag = \"\"\n\
         [[logs.journal]]\nunits = [\"a b\"]\n",
        &[
            "vitrine.toml:5:1: `logs.file.tags` is not a setting; did you mean `logs.file.tag`?",
            "vitrine.toml:2:1: `logs.file.path`: \"relative.log\" is not an absolute path, in which * ? and [] stand \
             for parts of names (it does not begin with /)",
            "vitrine.toml:3:1: `logs.file.format`: \"xml\" is not auto, text, json or access",
            "vitrine.toml:4:1: `logs.file.from`: 1 is not end or start (integer)",
            "vitrine.toml:7:1: `logs.file.path` is missing: set it to an absolute path, in which * ? and [] stand for \
             parts of names",
            "vitrine.toml:7:1: `logs.file.tag`: \"\" is not a text of 1 to 256 bytes",
            "vitrine.toml:9:1: `logs.journal.units`: [\"a b\"] is not a list of up to 64 units such as \
             [\"nginx.service\"]",
        ],
    );
    check(
        "[logs]\nfile = \"/var/log/x.log\"\n",
        &[
            "vitrine.toml:2:1: `logs.file`: \"/var/log/x.log\" is not a list of tables, each headed [[logs.file]]",
        ],
    );
    check(
        "[[logs.files]]\npath = \"/x\"\n",
        &["vitrine.toml:1:8: `logs.files` is not a setting; did you mean `logs.file`?"],
    );
}

#[test]
fn rules_are_read_into_groups_and_files_beside_them() {
    let (dir, path) = file("");
    let rules = dir.path().join("a.yml");
    std::fs::write(&rules, "groups: [{name: g, interval: 5m, rules: [{record: x, expr: up}]}]").unwrap();
    let text = format!(
        "rule_files = [{:?}]\nevaluation_interval = \"30s\"\n[[rules]]\nalert = \"Down\"\nexpr = \"up == 0\"\nfor = \"5m\"\n\
         labels = {{severity = \"page\"}}\n[[rules]]\nrecord = \"y\"\nexpr = \"up\"\ngroup = \"own\"\ninterval = \"10s\"\n\
         [[rules]]\nrecord = \"z\"\nexpr = \"1\"\n[rules.labels]\nteam = \"a\"\n",
        dir.path().join("*.yml")
    );
    std::fs::write(&path, text).unwrap();
    let groups = load(&layers(Some(&path), &[], &[])).unwrap().config.rules.groups;
    let shown: Vec<String> = groups
        .iter()
        .map(|group| {
            let names: Vec<&str> = group.rules.iter().map(|rule| rule.name.as_str()).collect();
            format!("{} {:?} {}", group.name, group.interval, names.join(","))
        })
        .collect();
    assert_eq!(shown, ["rules 30s Down,z", "own 10s y", "g 300s x"]);
    assert_eq!(groups[0].rules[1].written_labels().to_string(), "{team=\"a\"}");
    assert_eq!(groups[2].file, rules.display().to_string());
}

#[test]
fn wrong_rules_are_all_reported() {
    check(
        "[[rules]]\nalert = \"A\"\nexpr = \"sum(\"\nfor = 5\n[[rules]]\nrecord = \"x\"\nexpr = \"up\"\ninterval = \"10s\"\nfo = \"1m\"\n\
         [[rules]]\nrecord = \"x\"\nexpr = \"up\"\ninterval = \"20s\"\nlabels = \"a\"\n",
        &[
            "vitrine.toml:4:1: `rules.for`: 5 is not a text (integer)",
            "vitrine.toml:9:1: `rules.fo` is not a setting; did you mean `rules.for`?",
            "vitrine.toml:14:1: `rules.labels`: \"a\" is not a table of texts",
            "vitrine.toml:13:1: `rules.interval`: \"20s\" is not \"10s\", which the group \"rules\" has already",
            "vitrine.toml:3:1: group \"rules\", rule 1, \"A\": `expr`: could not parse expression: 1:5: parse error: unclosed left parenthesis",
        ],
    );
    check("rules = 1", &["vitrine.toml:1:1: `rules`: 1 is not a list of tables, each headed [[rules]]"]);
}

#[test]
fn broken_toml_names_line_and_column() {
    let (dir, path) = file("site = \"a\"\nlisten = \n");
    let problems = load(&layers(Some(&path), &[], &[])).unwrap_err();
    let place = format!("{}/vitrine.toml:2:", dir.path().display());
    assert!(problems.to_string().starts_with(&place), "{problems}");
}

#[test]
fn a_named_file_that_is_missing_is_a_problem() {
    let problems = load(&layers(Some(Path::new("/nowhere/vitrine.toml")), &[], &[])).unwrap_err();
    assert!(
        problems.to_string().contains("/nowhere/vitrine.toml: read the file: No such file"),
        "{problems}"
    );
}

#[test]
fn a_password_that_cannot_be_used_is_named_by_its_variable_and_never_shown() {
    let problems = load(&layers(None, &[("VITRINE_ADMIN_PASSWORD", "secret")], &[])).unwrap_err().to_string();
    assert!(problems.starts_with("environment variable VITRINE_ADMIN_PASSWORD: "), "{problems}");
    assert!(!problems.contains("secret"), "{problems}");
    let unset = layers(None, &[("VITRINE_ADMIN_PASSWORD", "")], &[]);
    assert!(load(&unset).is_ok() && unset.admin_password().is_none());
}

#[test]
fn a_shared_key_is_shown_nowhere() {
    let named = "VITRINE_FORWARD_SHARED_KEY";
    let loaded = load(&layers(None, &[(named, "wonderful")], &[])).unwrap();
    let setting = settings::find("forward.shared_key").unwrap();
    assert_eq!(setting.value(&loaded.config), value::MASK);
    assert!(!format!("{loaded:?}").contains("wonderful"));
    let short = load(&layers(None, &[(named, "hush")], &[])).unwrap_err().to_string();
    assert!(short.contains(named) && !short.contains("hush"), "{short}");
    let (_dir, path) = file("[forward]\nshared_key = [\"wonderful\"]");
    let listed = load(&layers(Some(&path), &[], &[])).unwrap_err().to_string();
    assert!(listed.contains("forward.shared_key") && !listed.contains("wonderful"), "{listed}");
}

#[test]
fn a_value_that_is_not_utf8_is_refused_and_not_passed_over() {
    let layers = Layers { unreadable: vec!["VITRINE_ADMIN_PASSWORD".into()], ..Layers::default() };
    assert!(
        load(&layers).unwrap_err().to_string().contains("VITRINE_ADMIN_PASSWORD: its value is not UTF-8")
    );
}

#[test]
fn unknown_environment_variable_is_a_warning_only() {
    let loaded = load(&layers(None, &[("VITRINE_LISTN", "x")], &[])).unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(Problem::to_string).collect();
    assert_eq!(
        warnings,
        [
            "environment variable VITRINE_LISTN: `VITRINE_LISTN` is not a setting; did you mean `VITRINE_LISTEN`?"
        ]
    );
}

#[test]
fn every_default_reads_back_and_every_key_is_reachable_from_the_environment() {
    for setting in SETTINGS {
        let mut config = Config::default();
        let shown = setting.default_value();
        // An absent value is shown as nothing, and nothing reads back as absent.
        (setting.set)(&mut config, &shown).unwrap_or_else(|fault| panic!("{}: {fault}", setting.key));
        assert_eq!(config, Config::default(), "{}", setting.key);
        assert!(env_name(setting.key).starts_with(ENV_PREFIX));
    }
}

#[test]
fn only_keys_that_need_a_restart_are_listed() {
    let old = Config::default();
    let mut new = old.clone();
    new.site = "/elsewhere".into();
    assert!(restart_needed(&old, &new).is_empty());
    new.data = "/elsewhere".into();
    let keys: Vec<&str> = restart_needed(&old, &new).iter().map(|(setting, _, _)| setting.key).collect();
    assert_eq!(keys, ["data"]);
}

#[test]
fn an_installations_file_is_taken_when_there_is_no_nearer_one() {
    let dir = tempfile::tempdir().unwrap();
    let installed = dir.path().join("installed.toml");
    let check = |layers: Layers, expect: Option<&Path>| {
        assert_eq!(layers.or_installed(&installed).file.as_deref(), expect);
    };
    let named = Layers { file: Some("mine.toml".into()), ..Layers::default() };
    let by_environment =
        Layers { environment: vec![("VITRINE_CONFIG".into(), "mine.toml".into())], ..Layers::default() };
    check(Layers::default(), None);
    std::fs::write(&installed, "").unwrap();
    check(Layers::default(), Some(&installed));
    check(named, Some(Path::new("mine.toml")));
    check(by_environment, None);
}

#[test]
fn every_setting_says_in_every_language_what_it_is_for() {
    let typed = |text: &str| {
        let mut parts: Vec<String> = text.split('`').skip(1).step_by(2).map(str::to_string).collect();
        parts.sort();
        parts
    };
    for lang in [Lang::Ru] {
        for setting in SETTINGS {
            let meaning = meaning(lang, setting.key).unwrap_or_else(|| panic!("{lang:?}: {}", setting.key));
            assert_eq!(typed(meaning), typed(setting.meaning), "{lang:?}: {}", setting.key);
        }
    }
}
