//! What a LogQL text means.
//!
//! A query is either a selection of lines with stages behind it, or numbers made of such. Stages
//! are kept as they were written and compiled when they are run.

pub use super::extract::{Extraction, LogfmtFlags};
pub use crate::query::algebra::aggregate::Grouping;
pub use crate::query::algebra::arithmetic::BinaryOp;
pub use crate::query::algebra::matching::{Cardinality, Matching};
use crate::query::promql::functions::labels::LabelReplace;
use crate::record::read::Matcher;

/// A query.
#[derive(Clone, Debug)]
pub enum Expr {
    /// Lines: `{job="access"} |= "GET"`
    Log(LogExpr),
    /// Numbers: `rate({job="access"}[5m])`
    Metric(Box<Metric>),
}

/// A selection of lines and what is done to them.
#[derive(Clone, Debug)]
pub struct LogExpr {
    /// All must accept the stream.
    pub matchers: Vec<Matcher>,
    /// What is done to each line, in order.
    pub stages: Vec<Stage>,
}

/// A step of a pipeline.
#[derive(Clone, Debug)]
pub enum Stage {
    /// `|= "a" or "b"`
    Line(LineFilter),
    /// `| json`
    Json,
    /// `| json a="b.c", d`
    JsonLabels(Vec<Extraction>),
    /// `| logfmt --strict`
    Logfmt(LogfmtFlags),
    /// `| logfmt a="b", c`
    LogfmtLabels(LogfmtFlags, Vec<Extraction>),
    /// `` | regexp `(?P<status>\d+)` ``
    Regexp(String),
    /// `| pattern "<ip> - <_>"`
    Pattern(String),
    /// `| unpack`
    Unpack,
    /// `| status >= 500 and path = "/"`
    Label(LabelFilter),
    /// `| line_format "{{.path}}"`
    LineFormat(String),
    /// `| label_format a=b, c="{{.d}}"`
    LabelFormat(Vec<LabelFormat>),
    /// `| decolorize`
    Decolorize,
    /// `| drop a, b="c"`
    Drop(Vec<Named>),
    /// `| keep a, b="c"`
    Keep(Vec<Named>),
}

impl Stage {
    /// Returns true for a stage that finds labels in the text of a line.
    pub fn parses(&self) -> bool {
        matches!(
            self,
            Stage::Json
                | Stage::JsonLabels(_)
                | Stage::Logfmt(_)
                | Stage::LogfmtLabels(..)
                | Stage::Regexp(_)
                | Stage::Pattern(_)
                | Stage::Unpack
        )
    }
}

/// The operator of a line filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    ContainsNot,
    /// `|~`
    Matches,
    /// `!~`
    MatchesNot,
    /// `|>`
    Pattern,
    /// `!>`
    PatternNot,
}

impl LineOp {
    /// Returns the operator as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            LineOp::Contains => "|=",
            LineOp::ContainsNot => "!=",
            LineOp::Matches => "|~",
            LineOp::MatchesNot => "!~",
            LineOp::Pattern => "|>",
            LineOp::PatternNot => "!>",
        }
    }

    /// Returns true for those that keep the lines that do not match.
    pub fn is_negative(self) -> bool {
        matches!(self, LineOp::ContainsNot | LineOp::MatchesNot | LineOp::PatternNot)
    }
}

/// A condition on the line itself.
#[derive(Clone, Debug)]
pub struct LineFilter {
    /// How the line is compared.
    pub op: LineOp,
    /// With what; one match is enough, and for a negative operator one too many.
    pub alternatives: Vec<LineMatch>,
}

/// What a line is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineMatch {
    /// A text, an expression or a pattern, as the operator wants it.
    Text(String),
    /// `ip("10.0.0.0/8")`
    Ip(String),
}

/// A condition on labels.
#[derive(Clone, Debug)]
pub enum LabelFilter {
    /// `path =~ "/cv.*"`
    Text(Matcher),
    /// `status >= 500`, `took > 250ms`, `size < 1KB`
    Number(NumberFilter),
    /// `addr = ip("10.0.0.0/8")`
    Ip {
        /// The label.
        name: String,
        /// `!=` rather than `=`.
        is_negative: bool,
        /// The addresses.
        addresses: String,
    },
    /// Both hold.
    And(Box<LabelFilter>, Box<LabelFilter>),
    /// One of the two holds.
    Or(Box<LabelFilter>, Box<LabelFilter>),
}

/// A comparison of a label with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberFilter {
    /// The label.
    pub name: String,
    /// The comparison.
    pub op: BinaryOp,
    /// What it is compared with, and how the label is read.
    pub number: Quantity,
}

/// A number with what it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A number without a unit.
    Plain(f64),
    /// A duration in nanoseconds.
    Duration(i64),
    /// A size in bytes.
    Bytes(u64),
}

/// One setting of `label_format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelFormat {
    /// The label that is set.
    pub name: String,
    /// What it becomes.
    pub value: LabelSource,
}

/// Where `label_format` takes a value from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// Another label, which is gone afterwards.
    Label(String),
    /// A template.
    Template(String),
}

/// A label of `drop` or `keep`.
#[derive(Clone, Debug)]
pub enum Named {
    /// The label by its name.
    Name(String),
    /// The label where it has such a value.
    Matching(Matcher),
}

impl Named {
    /// Returns the label's name.
    pub fn name(&self) -> &str {
        match self {
            Named::Name(name) => name,
            Named::Matching(matcher) => &matcher.name,
        }
    }
}

/// Numbers over lines.
#[derive(Clone, Debug)]
pub enum Metric {
    /// `rate({job="access"}[5m])`
    Range(RangeAggregation),
    /// `sum by (level) (inner)`
    Aggregate(Aggregate),
    /// `lhs / rhs`
    Binary(Box<Binary>),
    /// `1.5`
    Number(f64),
    /// `vector(1)`
    Vector(f64),
    /// `label_replace(inner, "to", "$1", "from", "(.*)")`
    LabelReplace(Replace),
}

/// Lines of a range, with the numbers they stand for.
#[derive(Clone, Debug)]
pub struct LogRange {
    /// The lines.
    pub log: LogExpr,
    /// What number a line stands for; none counts lines or their bytes.
    pub unwrap: Option<Unwrap>,
    /// The length of the range in nanoseconds.
    pub range_ns: i64,
    /// How far into the past, in nanoseconds; less than none into the future.
    pub offset_ns: i64,
}

/// `| unwrap duration(took) | __error__=""`
#[derive(Clone, Debug)]
pub struct Unwrap {
    /// The label with the number.
    pub label: String,
    /// How it is read.
    pub conversion: Conversion,
    /// All must accept the line afterwards.
    pub filters: Vec<LabelFilter>,
}

/// How `unwrap` reads a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// As a number.
    Plain,
    /// As a size, in bytes.
    Bytes,
    /// As a duration, in seconds: `duration`.
    Duration,
    /// The same: `duration_seconds`.
    DurationSeconds,
}

impl Conversion {
    /// Returns the function's name, `""` for a plain number.
    pub fn as_str(self) -> &'static str {
        match self {
            Conversion::Plain => "",
            Conversion::Bytes => "bytes",
            Conversion::Duration => "duration",
            Conversion::DurationSeconds => "duration_seconds",
        }
    }
}

/// What is made of the lines of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOp {
    /// `count_over_time`
    Count,
    /// `rate`
    Rate,
    /// `rate_counter`
    RateCounter,
    /// `bytes_over_time`
    Bytes,
    /// `bytes_rate`
    BytesRate,
    /// `avg_over_time`
    Avg,
    /// `sum_over_time`
    Sum,
    /// `min_over_time`
    Min,
    /// `max_over_time`
    Max,
    /// `stdvar_over_time`
    Stdvar,
    /// `stddev_over_time`
    Stddev,
    /// `quantile_over_time`
    Quantile,
    /// `first_over_time`
    First,
    /// `last_over_time`
    Last,
    /// `absent_over_time`
    Absent,
}

impl RangeOp {
    /// All of them.
    pub const ALL: [RangeOp; 15] = [
        RangeOp::Count,
        RangeOp::Rate,
        RangeOp::RateCounter,
        RangeOp::Bytes,
        RangeOp::BytesRate,
        RangeOp::Avg,
        RangeOp::Sum,
        RangeOp::Min,
        RangeOp::Max,
        RangeOp::Stdvar,
        RangeOp::Stddev,
        RangeOp::Quantile,
        RangeOp::First,
        RangeOp::Last,
        RangeOp::Absent,
    ];

    /// Returns the function's name.
    pub fn as_str(self) -> &'static str {
        match self {
            RangeOp::Count => "count_over_time",
            RangeOp::Rate => "rate",
            RangeOp::RateCounter => "rate_counter",
            RangeOp::Bytes => "bytes_over_time",
            RangeOp::BytesRate => "bytes_rate",
            RangeOp::Avg => "avg_over_time",
            RangeOp::Sum => "sum_over_time",
            RangeOp::Min => "min_over_time",
            RangeOp::Max => "max_over_time",
            RangeOp::Stdvar => "stdvar_over_time",
            RangeOp::Stddev => "stddev_over_time",
            RangeOp::Quantile => "quantile_over_time",
            RangeOp::First => "first_over_time",
            RangeOp::Last => "last_over_time",
            RangeOp::Absent => "absent_over_time",
        }
    }

    /// Returns true when `by` or `without` may stand behind it.
    pub fn can_group(self) -> bool {
        use RangeOp::{Avg, First, Last, Max, Min, Quantile, Stddev, Stdvar};
        matches!(self, Avg | Stddev | Stdvar | Quantile | Max | Min | First | Last)
    }

    /// Returns true when it takes numbers that were unwrapped.
    pub fn takes_numbers(self) -> bool {
        !matches!(self, RangeOp::Count | RangeOp::Bytes | RangeOp::BytesRate)
    }

    /// Returns true when it takes lines.
    pub fn takes_lines(self) -> bool {
        use RangeOp::{Absent, Bytes, BytesRate, Count, Rate};
        matches!(self, Bytes | BytesRate | Count | Rate | Absent)
    }
}

/// A range of lines as one number per label set.
#[derive(Clone, Debug)]
pub struct RangeAggregation {
    /// What is made of the lines.
    pub op: RangeOp,
    /// The quantile of `quantile_over_time`.
    pub parameter: Option<f64>,
    /// The lines.
    pub range: LogRange,
    /// `by` or `without`, if it was written.
    pub grouping: Option<Grouping>,
}

/// What is made of the numbers of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorOp {
    /// `sum`
    Sum,
    /// `avg`
    Avg,
    /// `count`
    Count,
    /// `max`
    Max,
    /// `min`
    Min,
    /// `stddev`
    Stddev,
    /// `stdvar`
    Stdvar,
    /// `bottomk`
    Bottomk,
    /// `topk`
    Topk,
    /// `approx_topk`, which is exact here
    ApproxTopk,
    /// `sort`
    Sort,
    /// `sort_desc`
    SortDesc,
}

impl VectorOp {
    /// All of them.
    pub const ALL: [VectorOp; 12] = [
        VectorOp::Sum,
        VectorOp::Avg,
        VectorOp::Count,
        VectorOp::Max,
        VectorOp::Min,
        VectorOp::Stddev,
        VectorOp::Stdvar,
        VectorOp::Bottomk,
        VectorOp::Topk,
        VectorOp::ApproxTopk,
        VectorOp::Sort,
        VectorOp::SortDesc,
    ];

    /// Returns the operator's name.
    pub fn as_str(self) -> &'static str {
        match self {
            VectorOp::Sum => "sum",
            VectorOp::Avg => "avg",
            VectorOp::Count => "count",
            VectorOp::Max => "max",
            VectorOp::Min => "min",
            VectorOp::Stddev => "stddev",
            VectorOp::Stdvar => "stdvar",
            VectorOp::Bottomk => "bottomk",
            VectorOp::Topk => "topk",
            VectorOp::ApproxTopk => "approx_topk",
            VectorOp::Sort => "sort",
            VectorOp::SortDesc => "sort_desc",
        }
    }

    /// Returns true when it picks the first ones of an order.
    pub fn picks(self) -> bool {
        matches!(self, VectorOp::Bottomk | VectorOp::Topk | VectorOp::ApproxTopk)
    }
}

/// An aggregation over label sets.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// What is made of a group.
    pub op: VectorOp,
    /// How many are picked, more than none.
    pub n_picked: usize,
    /// The groups, if they were written.
    pub grouping: Option<Grouping>,
    /// The numbers.
    pub inner: Box<Metric>,
}

/// An operator between two.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The operator.
    pub op: BinaryOp,
    /// `bool`: answer 0 or 1 rather than filter.
    pub is_bool: bool,
    /// How label sets meet.
    pub matching: Matching,
    /// The left side.
    pub lhs: Metric,
    /// The right side.
    pub rhs: Metric,
}

/// A label made of another.
#[derive(Clone, Debug)]
pub struct Replace {
    /// The numbers.
    pub inner: Box<Metric>,
    /// What is replaced, ready to be applied.
    pub replace: LabelReplace,
    /// The arguments as they were written: destination, replacement, source, expression.
    pub args: [String; 4],
}

impl Metric {
    /// Hands over every range that the expression reads.
    pub fn each_range<'m>(&'m self, visit: &mut dyn FnMut(&'m LogRange)) {
        match self {
            Metric::Range(aggregation) => visit(&aggregation.range),
            Metric::Aggregate(aggregate) => aggregate.inner.each_range(visit),
            Metric::LabelReplace(replace) => replace.inner.each_range(visit),
            Metric::Binary(binary) => {
                binary.lhs.each_range(visit);
                binary.rhs.each_range(visit);
            }
            Metric::Number(_) | Metric::Vector(_) => {}
        }
    }
}
