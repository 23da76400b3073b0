//! What is shipped around the binary agrees with the binary.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use saphyr_parser::{Event, Parser};
use vitrine::app::STOP_BUDGET;
use vitrine::clock::{Clock, UnixNanos};
use vitrine::config::settings::SETTINGS;
use vitrine::record::access::{JOB_ACCESS, JOB_APP, own_stream};
use vitrine::record::{Labels, LogRecord, Severity};
use vitrine::release::install::units::SERVICE;
use vitrine::telemetry;

use crate::harness::run;
use crate::systemd;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("read {path}: {err}"))
}

/// Yields each scalar of a YAML file with its path, such as `services.loki.image` or
/// `ports.0`; fails on a file that is not YAML or names a key twice.
pub fn yaml(path: &str) -> BTreeMap<String, String> {
    enum Level {
        List(usize),
        Map(Option<String>),
    }
    let text = read(path);
    let mut res = BTreeMap::new();
    let mut levels: Vec<Level> = Vec::new();
    for event in Parser::new_from_str(&text) {
        let (event, place) = event.unwrap_or_else(|err| panic!("{path}: {err}"));
        match event {
            Event::Scalar(value, ..) => match levels.last_mut() {
                Some(Level::Map(key @ None)) => {
                    *key = Some(value.into_owned());
                    continue;
                }
                _ => {
                    let at = levels.iter().map(|level| match level {
                        Level::List(idx) => idx.to_string(),
                        Level::Map(key) => key.clone().unwrap(),
                    });
                    let at = at.collect::<Vec<_>>().join(".");
                    let twice = res.insert(at.clone(), value.into_owned());
                    assert!(twice.is_none(), "{path} names {at} twice, line {}", place.start.line());
                }
            },
            Event::SequenceStart(..) => {
                levels.push(Level::List(0));
                continue;
            }
            Event::MappingStart(..) => {
                levels.push(Level::Map(None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                levels.pop();
            }
            _ => continue,
        }
        // A value ended: the next one of a list, or the next key of a map.
        match levels.last_mut() {
            Some(Level::List(idx)) => *idx += 1,
            Some(Level::Map(key)) => *key = None,
            None => {}
        }
    }
    res
}

fn values<'a>(yaml: &'a BTreeMap<String, String>, at: &str) -> Vec<&'a str> {
    let below = format!("{at}.");
    yaml.iter().filter(|(path, _)| path.starts_with(&below)).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn the_yaml_reader_knows_lists_maps_and_both() {
    let compose = yaml("docker-compose.yml");
    assert_eq!(compose["name"], "vitrine");
    assert_eq!(compose["services.vitrine.ports.0"], "${VITRINE_PUBLISH:-2727}:2727");
    assert_eq!(compose["services.vitrine.volumes.1.bind.create_host_path"], "true");
}

#[test]
fn every_yaml_file_is_yaml() {
    for path in [
        "docker-compose.yml",
        "grafana/prometheus.yml",
        "grafana/loki.yml",
        "grafana/provisioning/datasources/vitrine.yml",
        "grafana/provisioning/dashboards/vitrine.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/ship.yml",
        ".github/workflows/release.yml",
    ] {
        assert!(!yaml(path).is_empty(), "{path}");
    }
}

#[test]
fn a_stop_may_take_longer_than_its_budgets() {
    let grace = &yaml("docker-compose.yml")["services.vitrine.stop_grace_period"];
    assert!(humantime::parse_duration(grace).unwrap() > STOP_BUDGET, "compose grants {grace}");
    let timeout = systemd::setting(SERVICE, "TimeoutStopSec").expect("the unit bounds its stop");
    assert!(Duration::from_secs(timeout.parse().unwrap()) > STOP_BUDGET, "systemd grants {timeout} s");
}

#[test]
fn one_rust_version_builds_everywhere() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let version = version.trim_matches('"');
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.contains(&format!("ARG BUILDER=rust:{version}-")), "rust-version is {version}");
    let image = &yaml(".github/workflows/ci.yml")["jobs.check.container"];
    assert!(image.starts_with(&format!("rust:{version}-")), "the workflow builds with {image}");
}

/// The instructions of the image that ships, the last stage.
fn last_stage() -> Vec<String> {
    let dockerfile = read("Dockerfile").replace("\\\n", " ");
    let lines = dockerfile.lines().filter(|line| !line.trim_start().starts_with('#'));
    let stages: Vec<Vec<String>> = lines.fold(vec![Vec::new()], |mut stages, line| {
        if line.starts_with("FROM ") {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        stages
    });
    stages.last().unwrap().clone()
}

#[test]
fn the_image_checks_its_health_and_runs_as_nobody() {
    let stage = last_stage();
    let has = |wanted: &str| stage.iter().any(|line| line.contains(wanted));
    assert!(has(r#"CMD ["/usr/local/bin/vitrine", "health"]"#) && has("HEALTHCHECK "), "{stage:#?}");
    assert!(!has("--start-interval"), "Docker 20.10 of Debian 12 cannot build that");
    let user = stage.iter().find_map(|line| line.strip_prefix("USER ")).expect("the image names a user");
    let uid: u32 = user.split(':').next().unwrap().parse().expect("by number");
    assert!(uid > 0);
    assert!(has(&format!("--chown={user} /image/data /data")), "the data volume belongs to {user}");
    assert!(has("EXPOSE 2727") && has("STOPSIGNAL SIGTERM") && has("VITRINE_DATA=/data"));
    assert!(!stage.iter().any(|line| line.starts_with("RUN ")), "the runtime image has no shell");
}

#[test]
fn the_dependency_layer_comes_before_the_sources() {
    let dockerfile = read("Dockerfile");
    let at = |text: &str| dockerfile.find(text).unwrap_or_else(|| panic!("Dockerfile has {text}"));
    let (manifest, first_build) = (at("COPY Cargo.toml Cargo.lock"), at(" && .ci/build\n"));
    assert!(manifest < first_build && first_build < at("COPY src"));
    let ignore = read(".dockerignore");
    for needed in ["Cargo.toml", "Cargo.lock", "src", "assets", ".ci/build"] {
        assert!(ignore.lines().any(|line| line == format!("!{needed}")), ".dockerignore hides {needed}");
    }
}

/// Runs the step that stands in for the sources: what it leaves must be a package, with a file
/// for each target that the manifest names, or cargo does not even begin.
#[test]
fn the_dependency_layer_is_a_package() {
    let dockerfile = read("Dockerfile");
    let step = dockerfile.split("COPY Cargo.toml Cargo.lock ./\nRUN ").nth(1).unwrap();
    let step = step.split(" \\\n && .ci/build").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["Cargo.toml", "Cargo.lock"] {
        std::fs::write(dir.path().join(name), read(name)).unwrap();
    }
    let mut shell = Command::new("sh");
    shell.arg("-ec").arg(step).current_dir(dir.path());
    let made = run(shell);
    assert_eq!(made.code, 0, "{}", made.err);
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(dir.path());
    let metadata = run(metadata);
    assert_eq!(metadata.code, 0, "{}", metadata.err);
}

/// The services of the compose file.
fn services(compose: &BTreeMap<String, String>) -> BTreeSet<&str> {
    compose.keys().filter_map(|path| path.strip_prefix("services.")?.split('.').next()).collect()
}

#[test]
fn the_stack_is_pinned_checked_and_without_a_default_password() {
    let compose = yaml("docker-compose.yml");
    let is_optional = |service: &&str| compose.contains_key(&format!("services.{service}.profiles.0"));
    let (optional, always): (BTreeSet<&str>, BTreeSet<&str>) =
        services(&compose).into_iter().partition(is_optional);
    assert_eq!(always, BTreeSet::from(["grafana", "loki", "prometheus", "vitrine"]));
    assert_eq!(optional, BTreeSet::from(["balancer", "front", "vitrine-1", "vitrine-2", "vitrine-3"]));
    for service in services(&compose) {
        let of = |key: &str| compose.get(&format!("services.{service}.{key}")).map(String::as_str);
        if let Some(other) = of("extends") {
            assert!(other == "vitrine", "{service} is like {other}");
            continue;
        }
        assert_eq!(of("restart"), Some("unless-stopped"), "{service}");
        // It rotates; Docker's default driver keeps everything.
        assert_eq!(of("logging.driver"), Some("local"), "{service}");
        // The front is the same program.
        if of("build").is_none() && of("image") != Some(&compose["services.vitrine.image"]) {
            let image = of("image").unwrap();
            let tag = image.split_once(':').map(|(_, tag)| tag).unwrap_or_default();
            assert!(tag.split('.').count() == 3, "{image} is not pinned to a release");
            assert!(of("healthcheck.test.0").is_some(), "{service}; the image of vitrine has its own");
        }
        for mount in values(&compose, &format!("services.{service}.volumes")) {
            let Some((source, _)) = mount.split_once(':').filter(|(source, _)| source.starts_with("./"))
            else {
                continue;
            };
            assert!(root().join(source).exists() && mount.ends_with(":ro"), "{service} mounts {mount}");
        }
    }
    let password = &compose["services.grafana.environment.GF_SECURITY_ADMIN_PASSWORD"];
    assert!(password.starts_with("${GRAFANA_PASSWORD:?"), "{password}");
    assert_eq!(compose["services.vitrine.read_only"], "true");
    let published: BTreeSet<&str> =
        compose.iter().filter(|(path, _)| path.contains(".ports.")).map(|(_, port)| port.as_str()).collect();
    // The page, once more by the balancer and by the front, and Grafana for everyone; the forward
    // protocol, which asks for no credential, for this machine only.
    let expect = [
        "127.0.0.1:24224:24224/tcp",
        "127.0.0.1:24224:24224/udp",
        "2727:2727",
        "${VITRINE_PUBLISH:-2727}:2727",
        "${FRONT_PUBLISH:-2727}:2727",
        "3000:3000",
    ];
    assert_eq!(published, BTreeSet::from(expect));
    let home = &compose["services.grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
    let file = home.strip_prefix("/etc/grafana/dashboards/").expect("it is one of ours");
    assert!(root().join("grafana/dashboards").join(file).exists(), "{home}");
}

#[test]
fn the_balancer_knows_each_vitrine_behind_it() {
    let compose = yaml("docker-compose.yml");
    let balancer = read("grafana/haproxy.cfg");
    for service in services(&compose).into_iter().filter(|service| service.starts_with("vitrine-")) {
        let n_backends = balancer.matches(&format!("server {service} {service}:2727")).count();
        assert_eq!(n_backends, 2, "{service} serves pages, and stands in for /admin");
        assert!(
            compose.contains_key(&format!("services.balancer.depends_on.{service}.condition")),
            "{service}"
        );
    }
    // The process says so from the start of its drain.
    assert!(balancer.contains("option httpchk GET /ready"));
}

#[test]
fn the_shipped_prometheus_takes_what_vitrine_pushes_by_the_names_of_the_store() {
    let compose = yaml("docker-compose.yml");
    assert!(values(&compose, "services.prometheus.command").contains(&"--web.enable-otlp-receiver"));
    let prometheus = yaml("grafana/prometheus.yml");
    assert_eq!(prometheus["otlp.translation_strategy"], "UnderscoreEscapingWithSuffixes");
    assert_eq!(prometheus["otlp.keep_identifying_resource_attributes"], "true");
    let promoted = values(&prometheus, "otlp.promote_resource_attributes");
    assert_eq!(promoted, ["service.version", "deployment.environment.name"]);
    let window = humantime::parse_duration(&prometheus["storage.tsdb.out_of_order_time_window"]).unwrap();
    assert_eq!(window, Duration::from_secs(30 * 60));
}

#[test]
fn the_shipped_loki_keeps_lines_as_long_as_the_store() {
    let loki = yaml("grafana/loki.yml");
    assert_eq!(loki["limits_config.allow_structured_metadata"], "true");
    assert_eq!(loki["compactor.retention_enabled"], "true", "else nothing is ever deleted");
    let retention = humantime::parse_duration(&loki["limits_config.retention_period"]).unwrap();
    let setting = SETTINGS.iter().find(|setting| setting.key == "store.logs.max_age").unwrap();
    assert_eq!(retention, humantime::parse_duration(&setting.default_value()).unwrap());
}

#[test]
fn grafana_knows_both_pairs_of_data_sources_and_how_often_they_have_a_sample() {
    let sources = yaml("grafana/provisioning/datasources/vitrine.yml");
    let compose = yaml("docker-compose.yml");
    let of = |idx: usize, key: &str| sources.get(&format!("datasources.{idx}.{key}")).map(String::as_str);
    let found: Vec<_> =
        (0..).map_while(|idx| Some((of(idx, "uid")?, of(idx, "type")?, of(idx, "url")?))).collect();
    let expect = [
        ("prometheus", "prometheus", "http://prometheus:9090"),
        ("loki", "loki", "http://loki:3100"),
        ("vitrine-metrics", "prometheus", "http://vitrine:2727"),
        ("vitrine-logs", "loki", "http://vitrine:2727"),
    ];
    assert_eq!(found, expect);
    for idx in [2, 3] {
        assert_eq!((of(idx, "basicAuth"), of(idx, "basicAuthUser")), (Some("true"), Some("admin")));
        assert_eq!(of(idx, "secureJsonData.basicAuthPassword"), Some("$VITRINE_ADMIN_PASSWORD"));
    }
    // A shorter interval than the samples' leaves graphs of rates with holes.
    let interval = |idx: usize| humantime::parse_duration(of(idx, "jsonData.timeInterval").unwrap()).unwrap();
    let pushed = &compose["services.vitrine.environment.OTEL_METRIC_EXPORT_INTERVAL"];
    assert_eq!(interval(0), Duration::from_millis(pushed.parse().unwrap()));
    let sampled = SETTINGS.iter().find(|setting| setting.key == "telemetry.sample_interval").unwrap();
    assert_eq!(interval(2), humantime::parse_duration(&sampled.default_value()).unwrap());
}

#[test]
fn job_and_level_are_labels_in_the_shipped_loki_as_they_are_in_the_store() {
    let loki = yaml("grafana/loki.yml");
    let config = "limits_config.otlp_config.resource_attributes.attributes_config.0";
    assert_eq!(loki[&format!("{config}.action")], "index_label");
    let promoted = values(&loki, &format!("{config}.attributes"));
    assert!(promoted.contains(&"job") && promoted.contains(&"level"), "{promoted:?}");
}

/// The streams of our own lines: both jobs, each level.
pub fn own_streams() -> Vec<Labels> {
    let severities =
        [Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal];
    let streams = [JOB_APP, JOB_ACCESS].into_iter().flat_map(|job| severities.map(|s| own_stream(job, s)));
    streams.collect()
}

/// Takes one request, answers it with an empty success and returns its body.
fn receive(listener: &TcpListener) -> Vec<u8> {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let mut n_bytes = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            n_bytes = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; n_bytes];
    reader.read_exact(&mut body).unwrap();
    (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    body
}

#[test]
fn a_line_has_the_same_labels_in_the_shipped_loki_as_in_the_store() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = telemetry::Config::default();
    config.otlp.logs.endpoint = Some(format!("http://{}/otlp/v1/logs", listener.local_addr().unwrap()));
    let identity = telemetry::Identity { instance_id: "i".into(), version: "1".into(), release: "".into() };
    let (telemetry, _lines, _dispatch) =
        telemetry::Telemetry::assemble(config, identity, Clock::manual(UnixNanos(2))).unwrap();
    let records: Vec<LogRecord> = own_streams()
        .into_iter()
        .map(|stream| LogRecord {
            at: UnixNanos(1),
            severity: Severity::Info,
            stream,
            metadata: vec![],
            body: "a line".into(),
        })
        .collect();
    let far_end = std::thread::spawn(move || receive(&listener));
    telemetry.export_logs(&records);
    telemetry.shutdown(Duration::from_secs(10)).unwrap();
    let request = ExportLogsServiceRequest::decode(far_end.join().unwrap().as_slice()).unwrap();

    let loki = yaml("grafana/loki.yml");
    let attributes = "limits_config.otlp_config.resource_attributes";
    assert!(!loki.contains_key(&format!("{attributes}.ignore_defaults")), "then service.name is no label");
    let promoted = values(&loki, &format!("{attributes}.attributes_config.0.attributes"));
    // What Loki makes of a resource: a label of `service.name`, and of what is promoted.
    let mut arrived: Vec<Labels> = Vec::new();
    for resource in request.resource_logs.iter().map(|logs| logs.resource.as_ref().unwrap()) {
        let labels = resource.attributes.iter().filter_map(|attribute| {
            let name = attribute.key.as_str();
            let Some(Value::StringValue(value)) = attribute.value.as_ref()?.value.as_ref() else {
                return None;
            };
            let is_label = name == "service.name" || promoted.contains(&name);
            is_label.then(|| (name.replace('.', "_"), value.clone()))
        });
        arrived.push(Labels::new(labels));
    }
    let mut sent = own_streams();
    sent.sort();
    arrived.sort();
    assert_eq!(arrived, sent);
}
