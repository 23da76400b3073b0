//! Queries written again, as Loki does: in one line, or over several when that is long.

use std::fmt::{self, Display, Formatter};

use super::ast::{
    Aggregate, Binary, Cardinality, Conversion, Expr, Extraction, Grouping, LabelFilter, LabelSource,
    LineFilter, LineMatch, LogExpr, LogRange, LogfmtFlags, Metric, Named, NumberFilter, Quantity,
    RangeAggregation, Stage, Unwrap,
};
use super::{bytes, go_duration};
use crate::query::number;
use crate::query::promql::format_duration;
use crate::query::quote::quoted;
use crate::record::read::{MatchOp, Matcher};

/// Longer expressions are put over several lines.
const LINE_MAX_CHARS: usize = 100;

/// Returns a query in lines that fit.
pub fn pretty(expr: &Expr) -> String {
    let mut res = String::new();
    match expr {
        Expr::Log(log) => push_log(&mut res, log, 0),
        Expr::Metric(metric) => push_metric(&mut res, metric, 0),
    }
    res
}

fn push_indent(res: &mut String, level: usize) {
    res.extend(std::iter::repeat_n("  ", level));
}

/// Writes an expression in one line if it fits, and returns whether it did.
fn push_short(res: &mut String, shown: &impl Display, level: usize) -> bool {
    push_indent(res, level);
    let text = shown.to_string();
    let fits = text.chars().count() <= LINE_MAX_CHARS;
    if fits {
        res.push_str(&text);
    }
    fits
}

fn push_log(res: &mut String, log: &LogExpr, level: usize) {
    if push_short(res, log, level) {
        return;
    }
    res.push_str(&Selector(&log.matchers).to_string());
    for stage in &log.stages {
        res.push('\n');
        push_indent(res, level + 1);
        res.push_str(&stage.to_string());
    }
}

fn push_metric(res: &mut String, metric: &Metric, level: usize) {
    if push_short(res, metric, level) {
        return;
    }
    let close = |res: &mut String| {
        res.push('\n');
        push_indent(res, level);
        res.push(')');
    };
    match metric {
        Metric::Range(RangeAggregation { op, parameter, range, grouping }) => {
            res.push_str(op.as_str());
            res.push_str("(\n");
            if let Some(parameter) = parameter {
                push_indent(res, level + 1);
                res.push_str(&number::plain(*parameter));
                res.push_str(",\n");
            }
            push_log(res, &range.log, level + 1);
            res.push_str(&Behind(range).to_string());
            close(res);
            grouping.iter().for_each(|grouping| res.push_str(&Groups(grouping).to_string()));
        }
        Metric::Aggregate(aggregate) => {
            res.push_str(&Head(aggregate).to_string());
            res.push_str("(\n");
            if aggregate.op.picks() {
                push_indent(res, level + 1);
                res.push_str(&format!("{},\n", aggregate.n_picked));
            }
            push_metric(res, &aggregate.inner, level + 1);
            close(res);
        }
        Metric::Binary(binary) => {
            res.truncate(res.len() - 2 * level);
            push_metric(res, &binary.lhs, level + 1);
            res.push('\n');
            push_indent(res, level);
            res.push_str(&Between(binary).to_string());
            res.push('\n');
            push_metric(res, &binary.rhs, level + 1);
        }
        Metric::LabelReplace(replace) => {
            res.push_str("label_replace(\n");
            push_metric(res, &replace.inner, level + 1);
            for arg in &replace.args {
                res.push_str(",\n");
                push_indent(res, level + 1);
                res.push_str(&quoted(arg));
            }
            close(res);
        }
        short => res.push_str(&short.to_string()),
    }
}

fn separated<T: Display>(
    f: &mut Formatter<'_>,
    between: &str,
    all: impl IntoIterator<Item = T>,
) -> fmt::Result {
    for (idx, one) in all.into_iter().enumerate() {
        write!(f, "{}{one}", if idx == 0 { "" } else { between })?;
    }
    Ok(())
}

/// A matcher as it stands in braces.
struct Shown<'a>(&'a Matcher);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Matcher { name, op } = self.0;
        let (sign, value) = match op {
            MatchOp::Equal(value) => ("=", value.as_str()),
            MatchOp::NotEqual(value) => ("!=", value.as_str()),
            MatchOp::Matches(pattern) => ("=~", pattern.as_str()),
            MatchOp::MatchesNot(pattern) => ("!~", pattern.as_str()),
        };
        write!(f, "{name}{sign}{}", quoted(value))
    }
}

struct Selector<'a>(&'a [Matcher]);

impl Display for Selector<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        separated(f, ", ", self.0.iter().map(Shown))?;
        f.write_str("}")
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Log(log) => log.fmt(f),
            Expr::Metric(metric) => metric.fmt(f),
        }
    }
}

impl Display for LogExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Selector(&self.matchers).fmt(f)?;
        self.stages.iter().try_for_each(|stage| write!(f, " {stage}"))
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Line(filter) => filter.fmt(f),
            Stage::Json => f.write_str("| json"),
            Stage::JsonLabels(labels) => {
                f.write_str("| json ")?;
                separated(f, ",", labels)
            }
            Stage::Logfmt(flags) => write!(f, "| logfmt{flags}"),
            Stage::LogfmtLabels(flags, labels) => {
                write!(f, "| logfmt{flags} ")?;
                separated(f, ",", labels)
            }
            Stage::Regexp(pattern) => write!(f, "| regexp {}", quoted(pattern)),
            Stage::Pattern(pattern) => write!(f, "| pattern {}", quoted(pattern)),
            Stage::Unpack => f.write_str("| unpack"),
            Stage::Label(filter) => write!(f, "| {filter}"),
            Stage::LineFormat(template) => write!(f, "| line_format {}", quoted(template)),
            Stage::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                separated(
                    f,
                    ",",
                    formats.iter().map(|format| match &format.value {
                        LabelSource::Label(label) => format!("{}={label}", format.name),
                        LabelSource::Template(template) => format!("{}={}", format.name, quoted(template)),
                    }),
                )
            }
            Stage::Decolorize => f.write_str("| decolorize"),
            Stage::Drop(names) => {
                f.write_str("| drop ")?;
                separated(f, ",", names)
            }
            Stage::Keep(names) => {
                f.write_str("| keep ")?;
                separated(f, ",", names)
            }
        }
    }
}

impl Display for Named {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Named::Name(name) => f.write_str(name),
            Named::Matching(matcher) => Shown(matcher).fmt(f),
        }
    }
}

impl Display for Extraction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.label, quoted(&self.path))
    }
}

impl Display for LogfmtFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_strict { " --strict" } else { "" })?;
        f.write_str(if self.keeps_empty { " --keep-empty" } else { "" })
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.op.as_str())?;
        separated(
            f,
            " or ",
            self.alternatives.iter().map(|one| match one {
                LineMatch::Text(text) => quoted(text),
                LineMatch::Ip(addresses) => format!("ip({})", quoted(addresses)),
            }),
        )
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            LabelFilter::Text(matcher) => Shown(matcher).fmt(f),
            LabelFilter::Number(filter) => filter.fmt(f),
            LabelFilter::Ip { name, is_negative, addresses } => {
                let sign = if *is_negative { "!=" } else { "=" };
                write!(f, "{name}{sign}ip({})", quoted(addresses))
            }
            LabelFilter::And(one, other) => write!(f, "( {one} , {other} )"),
            LabelFilter::Or(one, other) => write!(f, "( {one} or {other} )"),
        }
    }
}

impl Display for NumberFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.op.as_str())?;
        match self.number {
            Quantity::Plain(number) => f.write_str(&number::plain(number)),
            Quantity::Duration(ns) => f.write_str(&go_duration::format_duration(ns)),
            Quantity::Bytes(n_bytes) => f.write_str(&bytes::format_bytes(n_bytes)),
        }
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.conversion {
            Conversion::Plain => write!(f, "| unwrap {}", self.label)?,
            conversion => write!(f, "| unwrap {}({})", conversion.as_str(), self.label)?,
        }
        self.filters.iter().try_for_each(|filter| write!(f, " | {filter}"))
    }
}

/// What stands behind the lines of a range.
struct Behind<'a>(&'a LogRange);

impl Display for Behind<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(unwrap) = &self.0.unwrap {
            write!(f, " {unwrap}")?;
        }
        write!(f, "[{}]", format_duration(self.0.range_ns / 1_000_000))?;
        match self.0.offset_ns {
            0 => Ok(()),
            ns => write!(f, " offset {}", go_duration::format_duration(ns)),
        }
    }
}

/// A grouping with a blank before it.
struct Groups<'a>(&'a Grouping);

impl Display for Groups<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = if self.0.is_without { "without" } else { "by" };
        write!(f, " {word} ({})", self.0.names.join(","))
    }
}

/// An aggregation up to its parenthesis.
struct Head<'a>(&'a Aggregate);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.as_str())?;
        // To group by nothing is what happens without a grouping.
        let shown =
            self.0.grouping.as_ref().filter(|grouping| grouping.is_without || !grouping.names.is_empty());
        shown.map_or(Ok(()), |grouping| Groups(grouping).fmt(f))
    }
}

/// An operator with what is said about how its sides meet.
struct Between<'a>(&'a Binary);

impl Display for Between<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Binary { op, is_bool, matching, .. } = self.0;
        f.write_str(op.as_str())?;
        f.write_str(if *is_bool { " bool" } else { "" })?;
        if matching.is_on || !matching.labels.is_empty() {
            let word = if matching.is_on { "on" } else { "ignoring" };
            write!(f, " {word} ({})", matching.labels.join(","))?;
        }
        let group = match matching.cardinality {
            Cardinality::ManyToOne => "group_left",
            Cardinality::OneToMany => "group_right",
            Cardinality::OneToOne | Cardinality::ManyToMany => return Ok(()),
        };
        write!(f, " {group} ({})", matching.include.join(","))
    }
}

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Metric::Range(RangeAggregation { op, parameter, range, grouping }) => {
                write!(f, "{}(", op.as_str())?;
                if let Some(parameter) = parameter {
                    write!(f, "{},", number::plain(*parameter))?;
                }
                write!(f, "{}{})", range.log, Behind(range))?;
                grouping.as_ref().map_or(Ok(()), |grouping| Groups(grouping).fmt(f))
            }
            Metric::Aggregate(aggregate) => {
                write!(f, "{}(", Head(aggregate))?;
                if aggregate.op.picks() {
                    write!(f, "{},", aggregate.n_picked)?;
                }
                write!(f, "{})", aggregate.inner)
            }
            Metric::Binary(binary) => write!(f, "({} {} {})", binary.lhs, Between(binary), binary.rhs),
            Metric::Number(number) => f.write_str(&number::shortest(*number)),
            Metric::Vector(number) => write!(f, "vector({})", number::fixed(*number, 6)),
            Metric::LabelReplace(replace) => {
                write!(f, "label_replace({}", replace.inner)?;
                replace.args.iter().try_for_each(|arg| write!(f, ",{}", quoted(arg)))?;
                f.write_str(")")
            }
        }
    }
}
