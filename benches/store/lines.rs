//! Generated log lines of the kinds that a small server has.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use vitrine::clock::UnixNanos;
use vitrine::record::{Labels, LogRecord, Severity};

use super::random::{Random, Zipf};
use super::words::{ENDINGS, MODULES, REFERRERS, SECTIONS, SMALL, STEMS, SYSTEM, USER_AGENTS, USERS};

/// What kind of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineKind {
    /// The program's own access records: a line and structured metadata, two ids among them.
    Access,
    /// A web server's access log as another program's file has it, without metadata.
    AccessText,
    /// Sentences with numbers, most of them from templates.
    App,
    /// Objects with a request id, a level, a latency and a message.
    Json,
    /// What the programs of a system write.
    System,
    /// Access, app, json and system in turn.
    Mixed,
}

/// Lines per second of simulated time.
pub const LINES_PER_SECOND: i64 = 1_000;

/// A whole word that [`Lines`] puts into a few lines of one stream and no other.
pub const NEEDLE: &str = "palimpsest";

/// A word that occurs nowhere.
pub const ABSENT: &str = "quixotically";

/// A part of words that are common.
pub const SUBSTRING: &str = "onnecti";

/// The service whose lines the needle is in.
pub const NEEDLE_SERVICE: &str = "app-1";

/// Services of each kind: one stream each, and one for each level of access records.
const SERVICES: usize = 4;

/// Processes of one host that log at the same time.
const PROCESSES: usize = 3;

/// The label that all generated streams have in common.
pub const JOB: &str = "bench";

/// What was generated so far, to check answers by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Lines.
    pub n_lines: u64,
    /// Bytes of text, each with its line end.
    pub text_bytes: u64,
    /// The same and the values of the metadata.
    pub raw_bytes: u64,
    /// Lines by level, in the order of the levels.
    pub by_level: [u64; 7],
    /// Lines with [`NEEDLE`].
    pub n_needles: u64,
    /// Lines with [`SUBSTRING`].
    pub n_substrings: u64,
    /// The trace id of one access record about in the middle.
    pub trace_id: String,
}

/// An endless log.
pub struct Lines {
    kind: LineKind,
    random: Random,
    start: UnixNanos,
    needle_every: u64,
    needle_due: u64,
    texts: Texts,
    /// Those that are in the middle of what they have to say, by service.
    processes: [[Process; PROCESSES]; SERVICES],
    streams: Vec<(String, Severity, Labels)>,
    told: Told,
}

impl Lines {
    /// Begins at a time; after so many lines the next of [`NEEDLE_SERVICE`] has the needle.
    pub fn new(kind: LineKind, seed: u64, start: UnixNanos, needle_every: u64) -> Self {
        Lines {
            kind,
            random: Random::new(seed, "lines"),
            start,
            needle_every,
            needle_due: needle_every,
            texts: Texts::new(seed),
            processes: Default::default(),
            streams: Vec::new(),
            told: Told::default(),
        }
    }

    /// Returns what was generated so far.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Returns the time of the next line, but for what is below a millisecond.
    pub fn now(&self) -> UnixNanos {
        UnixNanos(self.start.0 + self.told.n_lines as i64 * (1_000_000_000 / LINES_PER_SECOND))
    }

    /// Returns the next line.
    pub fn next(&mut self) -> LogRecord {
        const IN_TURN: [LineKind; 4] = [LineKind::Access, LineKind::App, LineKind::Json, LineKind::System];
        let kind = match self.kind {
            LineKind::Mixed => IN_TURN[self.told.n_lines as usize % IN_TURN.len()],
            kind => kind,
        };
        let at_ns = self.random.below(1_000_000) as i64;
        // Clocks of other programs are often coarser than ours.
        let at_ns = match kind {
            LineKind::Json => 0,
            LineKind::System => at_ns / 1_000 * 1_000,
            _ => at_ns,
        };
        let at = UnixNanos(self.now().0 + at_ns);
        let service = self.random.below(SERVICES as u64) as usize;
        let Line { severity, mut body, metadata } = match kind {
            LineKind::Access => self.texts.access(&mut self.random, at),
            LineKind::AccessText => Line { metadata: Vec::new(), ..self.texts.access(&mut self.random, at) },
            LineKind::App => self.texts.app(&mut self.random),
            LineKind::Json => self.texts.json(&mut self.random),
            LineKind::System | LineKind::Mixed => {
                let running = self.random.below(PROCESSES as u64) as usize;
                let process = &mut self.processes[service][running];
                if process.is_over() {
                    *process = self.texts.process(&mut self.random, at);
                }
                self.texts.system(&mut self.random, process, at)
            }
        };
        let stream = self.stream(kind, service, severity);
        let has_needle = self.told.n_lines >= self.needle_due && stream.get("service_name") == NEEDLE_SERVICE;
        if has_needle {
            write!(body, " {NEEDLE}").unwrap();
            self.needle_due += self.needle_every;
        }
        let record = LogRecord { at, severity, stream, metadata, body };
        self.note(&record, has_needle);
        record
    }

    fn note(&mut self, record: &LogRecord, has_needle: bool) {
        let told = &mut self.told;
        let idx = told.n_lines;
        let text_bytes = record.body.len() as u64 + 1;
        told.n_lines += 1;
        told.text_bytes += text_bytes;
        told.raw_bytes +=
            text_bytes + record.metadata.iter().map(|(_, value)| value.len() as u64).sum::<u64>();
        told.by_level[record.severity as usize] += 1;
        told.n_needles += u64::from(has_needle);
        told.n_substrings += u64::from(record.body.contains(SUBSTRING));
        // At least half of the lines come before the last power of two.
        let id = record.metadata("trace_id");
        if idx.is_power_of_two() && !id.is_empty() {
            told.trace_id = id.to_string();
        }
    }

    fn stream(&mut self, kind: LineKind, service: usize, severity: Severity) -> Labels {
        let prefix = match kind {
            LineKind::Access => "access",
            LineKind::AccessText => "web",
            LineKind::App => "app",
            LineKind::Json => "json",
            LineKind::System | LineKind::Mixed => "host",
        };
        // Only the program's own lines have the level among their labels.
        let level = if kind == LineKind::Access { severity } else { Severity::Unspecified };
        let name = format!("{prefix}-{service}");
        if let Some((.., labels)) =
            self.streams.iter().find(|(known, its, _)| *known == name && *its == level)
        {
            return labels.clone();
        }
        let labels = Labels::new([("job", JOB), ("service_name", &name), ("level", level.as_str())]);
        self.streams.push((name, level, labels.clone()));
        labels
    }
}

struct Line {
    severity: Severity,
    body: String,
    metadata: Vec<(Cow<'static, str>, String)>,
}

/// A process of a system: what it says, how far it is, and what is put in.
#[derive(Default)]
struct Process {
    lines: &'static [&'static str],
    next: usize,
    values: Vec<(&'static str, String)>,
}

impl Process {
    fn is_over(&self) -> bool {
        self.next == self.lines.len()
    }
}

/// What lines are made of.
struct Texts {
    words: Vec<String>,
    word_ranks: Zipf,
    templates: Vec<String>,
    template_ranks: Zipf,
    paths: Vec<String>,
    path_ranks: Zipf,
    addresses: Vec<String>,
    address_ranks: Zipf,
    agent_ranks: Zipf,
    referrer_ranks: Zipf,
    user_ranks: Zipf,
    system_ranks: Zipf,
}

/// Words that are more frequent than those of the vocabulary.
const WORDS_LEFT_OUT: usize = 12;

/// Pages of the imitated site, and templates of the imitated program.
const N_PATHS: usize = 600;
const N_TEMPLATES: usize = 300;

/// Addresses that come again; one request in twenty comes from elsewhere.
const N_ADDRESSES: usize = 3_000;

impl Texts {
    fn new(seed: u64) -> Self {
        let random = &mut Random::new(seed, "texts");
        let words = ENDINGS.iter().flat_map(|ending| STEMS.iter().map(move |stem| format!("{stem}{ending}")));
        let words: Vec<String> = words.collect();
        let word_ranks = Zipf::flattened(words.len(), WORDS_LEFT_OUT);
        let mut known = HashSet::new();
        let mut paths = Vec::new();
        while paths.len() < N_PATHS {
            let section = random.pick(SECTIONS);
            let path = format!("/{section}/{}-{}", random.pick(STEMS), random.pick(STEMS));
            if known.insert(path.clone()) {
                paths.push(path);
            }
        }
        paths[0] = "/".into();
        let templates = (0..N_TEMPLATES).map(|_| template(random, &words, &word_ranks)).collect();
        Texts {
            templates,
            template_ranks: Zipf::new(N_TEMPLATES),
            path_ranks: Zipf::new(N_PATHS),
            addresses: (0..N_ADDRESSES).map(|_| address(random)).collect(),
            address_ranks: Zipf::new(N_ADDRESSES),
            agent_ranks: Zipf::new(USER_AGENTS.len()),
            referrer_ranks: Zipf::new(REFERRERS.len()),
            user_ranks: Zipf::new(USERS.len()),
            system_ranks: Zipf::new(SYSTEM.len()),
            words,
            word_ranks,
            paths,
        }
    }

    /// Imitates the program's access records: the line of a web server's combined log, and the
    /// metadata of `record::access`.
    fn access(&self, random: &mut Random, at: UnixNanos) -> Line {
        let client = self.address(random);
        let method = if random.chance(0.94) { "GET" } else { "POST" };
        let path_idx = self.path_ranks.draw(random);
        let path = &self.paths[path_idx];
        let query = match random.below(10) {
            0 => format!("?page={}", 1 + random.below(30)),
            1 => format!("?q={}+{}", self.word(random), self.word(random)),
            2 => format!("?v={:08x}", (path_idx as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as u32),
            _ => String::new(),
        };
        let status = match random.below(1_000) {
            0..880 => 200,
            880..940 => 304,
            940..975 => 404,
            975..985 => 301,
            985..992 => 403,
            _ => 502,
        };
        // A page has one size most of the time, and takes its time.
        let full_bytes = 400 + (path_idx as u64).wrapping_mul(0x9e37_79b9) % 60_000;
        let body_bytes = match status {
            200 if random.chance(0.8) => full_bytes,
            200 => full_bytes + random.below(2_000),
            304 => 0,
            _ => 162,
        };
        let slowness = if random.chance(0.05) { 20 } else { 1 };
        let duration_us = (200 + random.below(2_000) + random.below(4_000) * random.below(2)) * slowness;
        let referrer = REFERRERS[self.referrer_ranks.draw(random)];
        let agent = USER_AGENTS[self.agent_ranks.draw(random)];
        let severity = match status {
            500.. => Severity::Error,
            404 => Severity::Info,
            400.. => Severity::Warn,
            _ => Severity::Info,
        };
        let trace_id = format!("{:016x}{:016x}", random.draw(), random.draw());
        let metadata = vec![
            ("http_request_method".into(), method.into()),
            ("url_path".into(), path.clone()),
            ("http_response_status_code".into(), status.to_string()),
            ("http_response_body_size".into(), body_bytes.to_string()),
            ("duration_ms".into(), format!("{}.{:03}", duration_us / 1_000, duration_us % 1_000)),
            ("trace_id".into(), trace_id),
            ("span_id".into(), format!("{:016x}", random.draw())),
            ("http_route".into(), format!("/{}/{{page}}", path.split('/').nth(1).unwrap_or_default())),
            ("worker_id".into(), random.below(4).to_string()),
            ("client_address".into(), client.to_string()),
            ("user_agent_original".into(), agent.into()),
        ];
        let body = format!(
            "{client} - - [{}] \"{method} {path}{query} HTTP/1.1\" {status} {body_bytes} \"{referrer}\" \"{agent}\" {}.{:03}",
            Time(at),
            duration_us / 1_000_000,
            duration_us / 1_000 % 1_000,
        );
        Line { severity, body, metadata }
    }

    /// Imitates a program's own log: mostly sentences that it says again and again with other
    /// numbers, and now and then one that is new.
    fn app(&self, random: &mut Random) -> Line {
        let template_idx = self.template_ranks.draw(random);
        // A sentence is always said in the same place, and matters always as much.
        let severity = level(template_idx);
        let module = MODULES[template_idx % MODULES.len()];
        let mut body = format!("{:<5} {module}: ", severity.as_str().to_uppercase());
        if random.chance(0.9) {
            self.fill(random, &self.templates[template_idx], &[], &mut body);
        } else {
            self.sentence(random, &mut body);
        }
        Line { severity, body, metadata: Vec::new() }
    }

    /// Imitates a service that logs objects.
    fn json(&self, random: &mut Random) -> Line {
        let template_idx = self.template_ranks.draw(random);
        let severity = level(template_idx);
        let (a, b) = (random.draw(), random.draw());
        let mut message = String::new();
        self.fill(random, &self.templates[template_idx], &[], &mut message);
        let latency_us = 300 + random.below(40_000) * (1 + random.below(4));
        let status = if severity == Severity::Error { 500 } else { 200 };
        let body = format!(
            r#"{{"level":"{severity}","request_id":"{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}","latency_ms":{}.{:03},"method":"{}","path":"{}","status":{status},"user":{},"message":"{message}"}}"#,
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0xfff,
            b & 0xffff_ffff_ffff,
            latency_us / 1_000,
            latency_us % 1_000,
            if random.chance(0.8) { "GET" } else { "PUT" },
            self.paths[self.path_ranks.draw(random)],
            random.below(20_000),
        );
        Line { severity, body, metadata: Vec::new() }
    }

    /// Begins what a process of a server on the internet has to say.
    fn process(&self, random: &mut Random, at: UnixNanos) -> Process {
        // Robots come in waves: for a minute most of the knocking is that of a few.
        let minute = (at.0 / 60_000_000_000) as usize;
        let ip = match random.below(10) {
            few @ 0..7 => self.addresses[(minute * 3 + few as usize % 3) % N_ADDRESSES].clone(),
            _ => self.address(random).to_string(),
        };
        let values = vec![
            ("pid", (400 + random.below(32_000)).to_string()),
            ("port", (32_768 + random.below(28_000)).to_string()),
            ("ip", ip),
            ("user", USERS[self.user_ranks.draw(random)].to_string()),
            ("queue", format!("{:010X}", random.draw() >> 24)),
            ("container", (0..4).map(|_| format!("{:016x}", random.draw())).collect()),
        ];
        Process { lines: SYSTEM[self.system_ranks.draw(random)], next: 0, values }
    }

    /// Imitates `/var/log/syslog`: the next line of one of the processes.
    fn system(&self, random: &mut Random, process: &mut Process, at: UnixNanos) -> Line {
        let text = process.lines[process.next];
        process.next += 1;
        let mut body = format!("{} web1 ", Time(at));
        self.fill(random, text, &process.values, &mut body);
        let severity = match text {
            text if text.contains("Out of memory") => Severity::Error,
            text if text.contains("ailed") || text.contains("denied") => Severity::Warn,
            _ => Severity::Info,
        };
        Line { severity, body, metadata: Vec::new() }
    }

    fn sentence(&self, random: &mut Random, out: &mut String) {
        for place in 0..5 + random.below(9) {
            let gap = if place == 0 { "" } else { " " };
            out.push_str(gap);
            match random.below(8) {
                0 => write!(out, "{}", number(random)).unwrap(),
                1 | 2 => out.push_str(random.pick(SMALL)),
                _ => out.push_str(self.word(random)),
            }
        }
    }

    /// Puts a value in the place of each `{…}`, one drawn anew where none is given.
    fn fill(&self, random: &mut Random, template: &str, values: &[(&str, String)], out: &mut String) {
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            out.push_str(text);
            let (name, after) = after.split_once('}').unwrap();
            match (name, values.iter().find(|(known, _)| *known == name)) {
                (_, Some((_, value))) => out.push_str(value),
                ("n", _) => write!(out, "{}", number(random)).unwrap(),
                ("small", _) => write!(out, "{}", random.below(64)).unwrap(),
                ("word", _) => out.push_str(self.word(random)),
                _ => panic!("nothing to put in the place of {name}"),
            }
            rest = after;
        }
        out.push_str(rest);
    }

    fn word(&self, random: &mut Random) -> &str {
        &self.words[self.word_ranks.draw(random)]
    }

    fn address(&self, random: &mut Random) -> Cow<'_, str> {
        if random.chance(0.05) {
            return address(random).into();
        }
        self.addresses[self.address_ranks.draw(random)].as_str().into()
    }
}

fn template(random: &mut Random, words: &[String], ranks: &Zipf) -> String {
    let mut text = words[ranks.draw(random)].clone();
    for _ in 0..3 + random.below(9) {
        let word = match random.below(20) {
            0 | 1 => "{n}",
            2 => "{word}",
            3..7 => random.pick(SMALL),
            _ => &words[ranks.draw(random)],
        };
        text = text + " " + word;
    }
    let ending = if random.chance(0.4) { " in {n} ms" } else { "" };
    text + ending
}

fn address(random: &mut Random) -> String {
    let bits = random.draw();
    format!("{}.{}.{}.{}", 1 + (bits >> 24) % 223, bits >> 16 & 255, bits >> 8 & 255, bits & 255)
}

/// Returns a number as programs write them: as often of one digit as of five.
fn number(random: &mut Random) -> u64 {
    let magnitude = random.pick(&[10, 100, 1_000, 10_000, 100_000]);
    random.below(magnitude)
}

/// Returns the level of a sentence; about two lines in a hundred are errors.
fn level(template_idx: usize) -> Severity {
    match template_idx % 50 {
        7 => Severity::Error,
        3 | 13 | 23 | 33 => Severity::Warn,
        5 | 15 | 25 | 35 | 45 => Severity::Debug,
        _ => Severity::Info,
    }
}

/// Writes a time of day as access logs and the system's log do; the date is always the first of June.
struct Time(UnixNanos);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = self.0.0 / 1_000_000_000;
        write!(f, "Jun  1 {:02}:{:02}:{:02}", s / 3_600 % 24, s / 60 % 60, s % 60)
    }
}
