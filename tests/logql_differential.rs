//! The same lines and the same queries to a real Loki and to vitrine.
//!
//! Needs Loki 3 (`LOKI_BIN` or in the path); without one it says that it skips. The written queries
//! are asked always. `VITRINE_LOGQL_DIFFERENTIAL` is how many generated ones follow, 500 unless set,
//! and `VITRINE_LOGQL_DIFFERENTIAL_SEED` where they begin: each failure names its own seed.
//! `VITRINE_LOGQL_DIFFERENTIAL_SELF=1` puts a second Loki in vitrine's place: what differs then is
//! Loki's own doing, or this test's. `VITRINE_LOGQL_DIFFERENTIAL_TEXTS=1` prints how both refuse,
//! where the words are not the same.

#[path = "logql_differential/compare.rs"]
mod compare;
#[path = "logql_differential/data.rs"]
mod data;
#[path = "logql_differential/queries.rs"]
mod queries;
#[path = "logql_differential/random.rs"]
mod random;

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::differential::random::Random;
use crate::harness::{Folders, PATIENCE, Vitrine, basic_auth, number_of_run};
use crate::observers::{Peer, start_loki};
use crate::stack::LOKI;
use compare::{Answer, Asked};

/// Lines that a written query asks for, forward and backward: enough to meet each form of a line
/// some times, and few enough to be compared by a build for tests.
const LIMITS: [usize; 2] = [400, 200];

/// The seed of the lines.
const LINES_SEED: u64 = 1;

/// Questions on their way at once: one for each side's processor, and one for ours.
const N_THREADS: usize = 3;

/// Differences that are told of; what is wrong with the first is often wrong with the others.
const TOLD_MAX: usize = 20;

/// A Loki whose answers depend on nothing but what was pushed: one process, no cache, no splitting,
/// no sharding, all lines in memory, and no labels but those that came.
fn config(dir: &str, port: u16, grpc_port: u16) -> String {
    format!(
        r#"
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {port}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {grpc_port}
  log_level: error
  grpc_server_max_recv_msg_size: 67108864
  grpc_server_max_send_msg_size: 67108864
common:
  instance_addr: 127.0.0.1
  path_prefix: {dir}
  replication_factor: 1
  ring: {{kvstore: {{store: inmemory}}}}
  storage: {{filesystem: {{chunks_directory: {dir}/chunks, rules_directory: {dir}/rules}}}}
schema_config:
  configs:
    - from: "2024-04-01"
      store: tsdb
      object_store: filesystem
      schema: v13
      index: {{prefix: index_, period: 24h}}
ingester:
  chunk_idle_period: 24h
  max_chunk_age: 24h
  wal: {{enabled: false}}
# Its parts look for one another each second; else a start takes ten.
frontend: {{scheduler_dns_lookup_period: 1s}}
frontend_worker: {{dns_lookup_duration: 1s}}
querier:
  query_ingesters_within: 0
  max_concurrent: 8
query_range:
  cache_results: false
  cache_instant_metric_results: false
  parallelise_shardable_queries: false
  max_retries: 1
limits_config:
  allow_structured_metadata: true
  discover_service_name: []
  discover_log_levels: true
  volume_enabled: true
  reject_old_samples: false
  max_query_length: 0
  max_query_series: 100000
  max_entries_limit_per_query: 5000
  split_queries_by_interval: 0
  split_instant_metric_queries_by_interval: 0
  ingestion_rate_mb: 100
  ingestion_burst_size_mb: 100
  per_stream_rate_limit: 100MB
  per_stream_rate_limit_burst: 100MB
  query_timeout: 30s
analytics:
  reporting_enabled: false
"#
    )
}

/// A difference that is meant.
struct Meant {
    /// Why it is.
    #[expect(dead_code, reason = "it is read by people")]
    reason: &'static str,
    is_it: fn(&Question) -> bool,
}

/// Where vitrine does not answer as Loki does, and is not to.
const MEANT: &[Meant] = &[
    Meant {
        reason: "Loki asks filters of the line before it takes its colours away",
        is_it: |question| question.shown.contains("decolorize |"),
    },
    Meant {
        reason: "Loki's front end writes the query again, and a size in KiB becomes one in kB",
        is_it: |question| question.shown.contains("KiB"),
    },
    Meant {
        reason: "Loki counts by sketches, which it can do at one moment only",
        is_it: |question| question.shown.contains("query_range approx_topk"),
    },
    Meant {
        reason: "Loki keeps the categories of the first line that had the same labels for all of them",
        is_it: |question| {
            let has = |text: &str| question.shown.contains(text);
            let is_of_meta = has("meta") || has("env=\"prod\"") || has("severity=") || has("job=~\".+\"");
            question.is_categorised && is_of_meta && ["logfmt", "json", "unpack"].iter().any(|word| has(word))
        },
    },
    Meant {
        reason: "Loki takes addresses that are none where filters stand in one another",
        is_it: |question| question.shown.contains("ip(\"x\")"),
    },
    Meant {
        reason: "Loki finds no line that has a text or the empty one",
        is_it: |question| question.shown.contains("or \"\"") || question.shown.contains("\"\" or "),
    },
    Meant {
        reason: "Loki reads 0B as the beginning of a binary number",
        is_it: |question| question.shown.contains(" 0B"),
    },
    Meant {
        reason: "Loki asks a filter when a parser finds the label, though it is formatted before the filter",
        is_it: |question| {
            question.shown.contains("| label_format status=") && question.shown.contains("| status >")
        },
    },
];

/// One of the two that are asked.
struct Side {
    agent: ureq::Agent,
    url: String,
}

impl Side {
    fn new(url: String) -> Side {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
        Side { agent: config.build().into(), url: format!("{url}/loki/api/v1") }
    }

    fn push(&self, body: &[u8]) {
        let request = self.agent.post(format!("{}/push", self.url)).header("authorization", basic_auth());
        let mut answer = request.content_type("application/json").send(body).unwrap();
        let told = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status(), 204, "{}: {told}", self.url);
    }

    fn ask(&self, question: &Question) -> Answer {
        let mut request = self.agent.get(format!("{}/{}", self.url, question.path));
        if question.is_categorised {
            request = request.header("x-loki-response-encoding-flags", "categorize-labels");
        }
        let answered = request.header("authorization", basic_auth()).call().and_then(|mut answer| {
            let text = answer.body_mut().with_config().limit(64 << 20).read_to_vec()?;
            Ok(Answer { status: answer.status().as_u16(), text: String::from_utf8_lossy(&text).into_owned() })
        });
        answered.unwrap_or_else(|fault| Answer { status: compare::NO_ANSWER, text: fault.to_string() })
    }
}

/// What is asked of both.
#[derive(Clone)]
struct Question {
    /// Which it is: `written`, or its seed.
    name: String,
    /// Behind `/loki/api/v1/`, with its parameters.
    path: String,
    /// The path as a person reads it.
    shown: String,
    is_categorised: bool,
    asked: Asked,
}

impl Question {
    fn new(
        name: impl ToString,
        path: &str,
        query: &str,
        parameters: &[(&str, String)],
        asked: Asked,
    ) -> Question {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", query);
        parameters.iter().for_each(|(name, value)| _ = form.append_pair(name, value));
        let parameters: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Question {
            name: name.to_string(),
            path: format!("{path}?{}", form.finish()),
            shown: format!("{path} {query}\n    with {}", parameters.join(" ")),
            is_categorised: false,
            asked,
        }
    }

    /// For lines from one moment until another.
    fn lines(name: impl ToString, query: &str, [start, end]: [i64; 2], asked: Asked) -> Question {
        let direction = if asked.is_forward { "forward" } else { "backward" };
        let parameters = [
            ("start", start.to_string()),
            ("end", end.to_string()),
            ("limit", asked.limit.to_string()),
            ("direction", direction.into()),
        ];
        Question::new(name, "query_range", query, &parameters, asked)
    }

    /// For numbers at one moment.
    fn instant(name: impl ToString, query: &str, at: i64) -> Question {
        Question::new(name, "query", query, &[("time", at.to_string())], NO_LINES)
    }

    /// For numbers at many moments.
    fn range(name: impl ToString, query: &str, [start, end]: [i64; 2], step: &str) -> Question {
        let parameters = [("start", start.to_string()), ("end", end.to_string()), ("step", step.into())];
        Question::new(name, "query_range", query, &parameters, NO_LINES)
    }

    fn categorised(self) -> Question {
        Question { is_categorised: true, ..self }
    }
}

/// Of a question for numbers.
const NO_LINES: Asked = Asked { limit: usize::MAX, is_forward: false };

/// Every written query in each way that it can be asked.
fn written(first_ns: i64) -> Vec<Question> {
    let all = [first_ns, first_ns + data::SPAN_NS];
    let half = [first_ns + data::SPAN_NS / 3, first_ns + data::SPAN_NS / 6 * 5];
    let forward = Asked { limit: LIMITS[0], is_forward: true };
    let backward = Asked { limit: LIMITS[1], is_forward: false };
    let mut res = Vec::new();
    for query in queries::lines() {
        res.push(Question::lines("written", &query, all, forward).categorised());
        res.push(Question::lines("written", &query, half, backward));
    }
    let template = Asked { limit: LIMITS[1], is_forward: true };
    res.extend(queries::templates().iter().map(|query| Question::lines("template", query, all, template)));
    for query in queries::numbers() {
        res.push(Question::range("written", &query, all, "300"));
        res.push(Question::instant("written", &query, half[1]));
    }
    for query in queries::WRONG {
        res.push(Question::lines("refused", query, half, backward));
        res.push(Question::instant("refused", query, half[1]));
    }
    for parameters in queries::PARAMETERS {
        res.push(with_parameters(parameters, first_ns));
    }
    res
}

/// A question for which what is not the query matters.
fn with_parameters(text: &str, first_ns: i64) -> Question {
    let encoded = |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let shown =
        text.replace("FIRST", &first_ns.to_string()).replace("LAST", &(first_ns + data::SPAN_NS).to_string());
    let path = shown
        .replace("LINES", &encoded(r#"{job="api"} |= "info""#))
        .replace("COUNT", &encoded(r#"sum by (env) (count_over_time({job="api"}[5m]))"#))
        .replace('{', "%7B")
        .replace('}', "%7D")
        .replace('"', "%22")
        .replace('|', "%7C")
        .replace('>', "%3E");
    let value_of = |name: &str| text.split(['?', '&']).find_map(|pair| pair.strip_prefix(name));
    let limit = value_of("limit=").and_then(|limit| limit.parse().ok()).unwrap_or(100);
    let is_forward =
        value_of("direction=").is_some_and(|direction| direction.eq_ignore_ascii_case("forward"));
    let asked = Asked { limit, is_forward };
    Question { name: "parameters".into(), path, shown: text.into(), is_categorised: false, asked }
}

/// The query of a seed, with when it is asked for.
fn generated(seed: u64, first_ns: i64) -> Question {
    let mut random = Random(seed);
    let (query, is_lines) = random::query(&mut random);
    let within = |random: &mut Random| first_ns + (random.share() * 0.95 * data::SPAN_NS as f64) as i64;
    // A whole second now and then, so that windows and lines meet.
    let second = |random: &mut Random, ns: i64| {
        if random.once_in(2) { ns / 1_000_000_000 * 1_000_000_000 } else { ns }
    };
    let start = within(&mut random);
    let start = second(&mut random, start);
    let end = start + (random.share() * 0.6 * data::SPAN_NS as f64) as i64;
    if is_lines {
        let limit = [100, 500, 10, 1][random.below(4)];
        let question =
            Question::lines(seed, &query, [start, end], Asked { limit, is_forward: random.once_in(2) });
        return if random.once_in(2) { question.categorised() } else { question };
    }
    if random.once_in(3) {
        return Question::instant(seed, &query, start);
    }
    let step = random.of(&["60", "300", "7", "15s", "1m", "61.5", "1234ms"]);
    // As many steps as a question may have are no better than a few.
    let end = end.min(start + 1_200_000_000_000);
    Question::range(seed, &query, [start, end], step)
}

/// What came of a question.
#[derive(Default)]
struct Found {
    n_asked: usize,
    n_refused: usize,
    /// Answered with nothing.
    n_empty: usize,
    n_meant: usize,
    differences: Vec<String>,
    texts: BTreeSet<(String, String)>,
    /// The question that took longest, of each side.
    slowest: [(Duration, String); 2],
}

impl Found {
    fn of<'q>(sides: &[Side; 2], questions: impl Iterator<Item = &'q Question>) -> Found {
        let mut res = Found::default();
        for question in questions {
            let [reference, ours] = [0, 1].map(|idx| {
                let began = Instant::now();
                let answer = sides[idx].ask(question);
                res.slowest[idx] =
                    std::mem::take(&mut res.slowest[idx]).max((began.elapsed(), question.shown.clone()));
                answer
            });
            res.n_asked += 1;
            res.n_refused += usize::from(reference.status >= 400);
            res.n_empty += usize::from(reference.text.contains(r#""result":[]"#));
            if let Some(texts) = compare::refusals(&reference, &ours) {
                res.texts.insert(texts);
            }
            let difference = compare::difference(&reference, &ours, question.asked);
            let is_meant = |question: &Question| MEANT.iter().any(|meant| (meant.is_it)(question));
            let unmeant = match difference {
                Some(_) if is_meant(question) => {
                    res.n_meant += 1;
                    // Where the categories of labels are excused, the labels themselves are not.
                    let plain = Question { is_categorised: false, ..question.clone() };
                    let ask_plain = question.is_categorised && !is_meant(&plain);
                    let answers = ask_plain.then(|| [0, 1].map(|idx| sides[idx].ask(&plain)));
                    answers.and_then(|[reference, ours]| compare::difference(&reference, &ours, plain.asked))
                }
                difference => difference,
            };
            res.differences.extend(
                unmeant.map(|difference| format!("{}: {}\n    {difference}", question.name, question.shown)),
            );
        }
        res
    }

    fn join(mut self, other: Found) -> Found {
        self.n_asked += other.n_asked;
        self.n_refused += other.n_refused;
        self.n_empty += other.n_empty;
        self.n_meant += other.n_meant;
        self.differences.extend(other.differences);
        self.texts.extend(other.texts);
        for (mine, other) in self.slowest.iter_mut().zip(other.slowest) {
            *mine = std::mem::take(mine).max(other);
        }
        self
    }
}

/// Asks everything of both, several questions at a time.
fn ask_all(sides: &[Side; 2], questions: &[Question]) -> Found {
    std::thread::scope(|scope| {
        let every = |nth: usize| questions.iter().skip(nth).step_by(N_THREADS);
        let running: Vec<_> =
            (0..N_THREADS).map(|nth| scope.spawn(move || Found::of(sides, every(nth)))).collect();
        running.into_iter().map(|one| one.join().unwrap()).fold(Found::default(), Found::join)
    })
}

/// Who is compared with Loki.
enum Other {
    Vitrine(Vitrine),
    Loki(Peer),
}

impl Other {
    fn start(program: &std::path::Path) -> Other {
        if is_set("VITRINE_LOGQL_DIFFERENTIAL_SELF") {
            return Other::Loki(start_loki(program, config));
        }
        Other::serve(Folders::new())
    }

    fn serve(dir: Folders) -> Other {
        let mut command = dir.serve();
        command.env("VITRINE_PUSH_BYTES_PER_SECOND", "0").env("VITRINE_HTTP_REQUESTS_PER_SECOND", "0");
        Other::Vitrine(Vitrine::spawn(command, dir))
    }

    /// Starts it again on the same store: its lines are in sealed blocks then, one more of each stream.
    fn restart(self) -> Other {
        match self {
            Other::Vitrine(vitrine) => Other::serve(vitrine.stop()),
            loki @ Other::Loki(_) => loki,
        }
    }

    fn url(&self) -> String {
        match self {
            Other::Vitrine(vitrine) => vitrine.url(""),
            Other::Loki(peer) => peer.url.clone(),
        }
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| !value.is_empty() && value != "0")
}

#[test]
fn log_queries_answer_as_a_real_loki_does() {
    let Some(program) = LOKI.find() else { return };
    let loki = start_loki(&program, config);
    let mut other = Other::start(&program);
    let mut sides = [Side::new(loki.url.clone()), Side::new(other.url())];
    let now_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    // A whole minute, so that steps and lines meet now and then; and so long ago that what vitrine
    // logs itself comes later than anything that is asked for.
    let first_ns = (now_ns / 60_000_000_000 - 200) * 60_000_000_000;
    let requests = data::push_requests(&data::streams(LINES_SEED), first_ns);
    for (idx, body) in requests.iter().enumerate() {
        if idx == requests.len() / 2 {
            other = other.restart();
            sides[1] = Side::new(other.url());
        }
        sides.iter().for_each(|side| side.push(body));
    }
    let (first_seed, n_generated) = (
        number_of_run("VITRINE_LOGQL_DIFFERENTIAL_SEED", 1),
        number_of_run("VITRINE_LOGQL_DIFFERENTIAL", 500),
    );
    let mut questions = written(first_ns);
    let n_written = questions.len();
    questions.extend((first_seed..first_seed + n_generated).map(|seed| generated(seed, first_ns)));
    let began = Instant::now();
    // Half of the lines are in blocks that are open the first time.
    let found = ask_all(&sides, &questions);
    other = other.restart();
    sides[1] = Side::new(other.url());
    let found = found.join(ask_all(&sides, &questions));
    if is_set("VITRINE_LOGQL_DIFFERENTIAL_TEXTS") {
        found.texts.iter().for_each(|(reference, ours)| println!("Loki: {reference}\n  ours: {ours}"));
    }
    let n_equal = found.n_asked - found.differences.len() - found.n_meant;
    println!(
        "{n_equal} of {} questions ({n_written} written, {n_generated} generated) answered as Loki does in {} s: {} \
         refused, {} of them in other words, and {} without a result; {} meant otherwise",
        found.n_asked,
        began.elapsed().as_secs(),
        found.n_refused,
        found.texts.len(),
        found.n_empty,
        found.n_meant,
    );
    for ((took, shown), who) in found.slowest.iter().zip(["Loki", "the other"]) {
        println!("longest for {who}: {} ms for {shown}", took.as_millis());
    }
    let told = &found.differences[..found.differences.len().min(TOLD_MAX)];
    assert!(told.is_empty(), "{} differ:\n{}", found.differences.len(), told.join("\n"));
}
