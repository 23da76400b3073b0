//! What is asked, in LogQL and, of VictoriaLogs, in LogsQL.

use std::ops::Range;

use serde_json::Value;

use super::lines::{JOB, NEEDLE, SUBSTRING, Told};

/// The language of a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Language {
    LogQl,
    LogsQl,
}

/// What a question is for.
pub enum Kind {
    /// All lines of a filter, up to so many.
    Lines { limit: usize },
    /// How many lines there are in the whole range.
    Count,
    /// Lines by level, in steps of five minutes.
    Levels,
    /// So many pages of fifty lines before a moment in the middle, and as many after it.
    Pages { n_pages: usize },
}

/// A question, and what its answer must be.
pub struct Question {
    pub what: &'static str,
    pub kind: Kind,
    logql: String,
    logsql: String,
    /// What the generator knows of the answer's number, where it does.
    pub expect: fn(&Told) -> Option<u64>,
    /// Of cold and warm answers over 1 GB, by DESIGN.md, in ms.
    pub budget_ms: Option<(u64, u64)>,
}

/// Lines of one page, as a log view asks for around a line.
const PAGE: usize = 50;

/// Steps of counts by level.
const STEP: &str = "5m";

/// Everything that is asked.
pub fn all() -> [Question; 7] {
    [
        Question {
            what: "a rare whole word",
            kind: Kind::Lines { limit: 1_000 },
            logql: format!(r#"{{job="{JOB}"}} |= "{NEEDLE}""#),
            logsql: format!(r#"{{job="{JOB}"}} {NEEDLE}"#),
            expect: |told| Some(told.n_needles),
            budget_ms: Some((140, 30)),
        },
        Question {
            what: "a part of words, counted",
            kind: Kind::Count,
            logql: format!(r#"{{job="{JOB}"}} |= "{SUBSTRING}""#),
            logsql: format!(r#"{{job="{JOB}"}} ~"{SUBSTRING}""#),
            expect: |told| Some(told.n_substrings),
            budget_ms: Some((1_100, 1_100)),
        },
        Question {
            what: "a regular expression, counted",
            kind: Kind::Count,
            logql: format!(r#"{{job="{JOB}"}} |~ "time[a-z]+ .*in [0-9]{{4}} ms""#),
            logsql: format!(r#"{{job="{JOB}"}} ~"time[a-z]+ .*in [0-9]{{4}} ms""#),
            expect: |_| None,
            budget_ms: None,
        },
        Question {
            what: "json, status >= 500, counted",
            kind: Kind::Count,
            logql: format!(r#"{{job="{JOB}"}} | json | status >= 500 | __error__="""#),
            logsql: format!(r#"{{job="{JOB}"}} | unpack_json fields (status) | filter status:>=500"#),
            expect: |_| None,
            budget_ms: Some((1_500, 1_500)),
        },
        Question {
            what: "counts by level",
            kind: Kind::Levels,
            // What vitrine logs of the benchmark itself is not asked for.
            logql: r#"{job=~".+", service_name!="vitrine"}"#.into(),
            logsql: "*".into(),
            expect: |told| Some(told.n_lines),
            budget_ms: None,
        },
        Question {
            what: "the last 100 of a busy stream",
            kind: Kind::Lines { limit: 100 },
            logql: format!(r#"{{job="{JOB}",service_name="app-1"}}"#),
            logsql: format!(r#"{{job="{JOB}",service_name="app-1"}}"#),
            expect: |_| Some(100),
            budget_ms: None,
        },
        Question {
            what: "ten pages of context each way",
            kind: Kind::Pages { n_pages: 10 },
            logql: format!(r#"{{job="{JOB}",service_name="json-2"}}"#),
            logsql: format!(r#"{{job="{JOB}",service_name="json-2"}}"#),
            expect: |_| None,
            budget_ms: None,
        },
    ]
}

impl Question {
    /// Asks by `get`, which takes a path with its query and returns the body; returns how many lines
    /// there are or were counted.
    pub fn ask(&self, language: Language, range_ns: &Range<i64>, get: &dyn Fn(&str) -> String) -> u64 {
        let Range { start, end } = *range_ns;
        match &self.kind {
            Kind::Lines { limit } => {
                times(language, &get(&self.page(language, start..end, *limit, Way::Backward))).len() as u64
            }
            Kind::Count => self.count(language, start..end, get),
            Kind::Levels => self.levels(language, start..end, get),
            Kind::Pages { n_pages } => {
                let middle = start + (end - start) / 2;
                let back = self.pages(language, start..middle, *n_pages, Way::Backward, get);
                back + self.pages(language, middle..end, *n_pages, Way::Forward, get)
            }
        }
    }

    fn count(&self, language: Language, range: Range<i64>, get: &dyn Fn(&str) -> String) -> u64 {
        match language {
            Language::LogQl => {
                let seconds = (range.end - range.start) / 1_000_000_000 + 1;
                let query = format!("sum(count_over_time({} [{seconds}s]))", self.logql);
                let form = [("query", query), ("time", range.end.to_string())];
                sum(&parsed(&get(&path("/loki/api/v1/query", &form)))["data"]["result"])
            }
            Language::LogsQl => {
                let answer = get(&logsql(&format!("{} | stats count() n", self.logsql), &range));
                lines_of(&answer).map(|line| number(&line["n"])).sum()
            }
        }
    }

    fn levels(&self, language: Language, range: Range<i64>, get: &dyn Fn(&str) -> String) -> u64 {
        match language {
            Language::LogQl => {
                let query = format!("sum by (level) (count_over_time({} [{STEP}]))", self.logql);
                // The first window ends a step after the first line, the last one after the last.
                let step_ns = 300_000_000_000;
                let end = range.start + ((range.end - range.start) / step_ns + 1) * step_ns;
                let form = [
                    ("query", query),
                    ("start", (range.start + step_ns).to_string()),
                    ("end", end.to_string()),
                    ("step", STEP.into()),
                ];
                sum(&parsed(&get(&path("/loki/api/v1/query_range", &form)))["data"]["result"])
            }
            Language::LogsQl => {
                let query = format!("{} | stats by (_time:{STEP}, level) count() n", self.logsql);
                lines_of(&get(&logsql(&query, &range))).map(|line| number(&line["n"])).sum()
            }
        }
    }

    /// Each page begins where the last one ended.
    fn pages(
        &self,
        language: Language,
        mut range: Range<i64>,
        n_pages: usize,
        way: Way,
        get: &dyn Fn(&str) -> String,
    ) -> u64 {
        let mut n_lines = 0;
        for _ in 0..n_pages {
            let times = times(language, &get(&self.page(language, range.clone(), PAGE, way)));
            n_lines += times.len() as u64;
            match way {
                Way::Backward => range.end = times.into_iter().min().unwrap_or(range.start),
                Way::Forward => range.start = times.into_iter().max().map_or(range.end, |last| last + 1),
            }
        }
        n_lines
    }

    fn page(&self, language: Language, range: Range<i64>, limit: usize, way: Way) -> String {
        match language {
            Language::LogQl => {
                let direction = if way == Way::Forward { "forward" } else { "backward" };
                let form = [
                    ("query", self.logql.to_string()),
                    ("start", range.start.to_string()),
                    ("end", range.end.to_string()),
                    ("limit", limit.to_string()),
                    ("direction", direction.into()),
                ];
                path("/loki/api/v1/query_range", &form)
            }
            Language::LogsQl => {
                let order = if way == Way::Forward { "" } else { " desc" };
                logsql(&format!("{} | sort by (_time{order}) limit {limit}", self.logsql), &range)
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Backward,
}

fn path(path: &str, form: &[(&str, String)]) -> String {
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    form.iter().for_each(|(name, value)| _ = encoded.append_pair(name, value));
    format!("{path}?{}", encoded.finish())
}

/// VictoriaLogs takes the end as the last moment that is wanted.
fn logsql(query: &str, range: &Range<i64>) -> String {
    let form = [
        ("query", query.to_string()),
        ("start", range.start.to_string()),
        ("end", (range.end - 1).to_string()),
    ];
    path("/select/logsql/query", &form)
}

fn parsed(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|_| panic!("no JSON: {answer}"))
}

/// The objects of an answer with one on each line.
fn lines_of(answer: &str) -> impl Iterator<Item = Value> + '_ {
    answer.lines().map(parsed)
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no number: {value}"));
    text.parse::<f64>().unwrap_or_else(|_| panic!("no number: {text}")) as u64
}

/// Adds up all values of a vector or a matrix.
fn sum(result: &Value) -> u64 {
    let of_series = |series: &Value| {
        let many = series["values"].as_array().into_iter().flatten();
        let one = std::iter::once(&series["value"]).filter(|value| !value.is_null());
        many.chain(one).map(|point| number(&point[1])).sum::<u64>()
    };
    result.as_array().into_iter().flatten().map(of_series).sum()
}

/// When the lines of an answer were said, in nanoseconds.
fn times(language: Language, answer: &str) -> Vec<i64> {
    match language {
        Language::LogQl => {
            let answer = parsed(answer);
            let streams = answer["data"]["result"].as_array().into_iter().flatten();
            let values = streams.flat_map(|stream| stream["values"].as_array().into_iter().flatten());
            values.map(|value| number_of_ns(value[0].as_str())).collect()
        }
        Language::LogsQl => lines_of(answer)
            .map(|line| {
                let time: jiff::Timestamp = line["_time"].as_str().unwrap().parse().unwrap();
                time.as_nanosecond() as i64
            })
            .collect(),
    }
}

fn number_of_ns(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no time: {text:?}"))
}
