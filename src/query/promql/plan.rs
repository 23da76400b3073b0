//! From a tree to what has to be done: the moments of the query put in, what is the same at
//! every moment found, and each selector with just the range that it reads.
//!
//! An expression under `@` has one value at every moment. Prometheus evaluates the largest such
//! parts once, at the query's first moment, and gives that value to all moments; since the two
//! can differ (`predict_linear(x @ 0, 60)` is such a part, `timestamp(abs(x @ 0))` is none),
//! the same parts are found here.

use super::ast::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Expr, Matching, MatrixSelector, Span, Subquery, Type,
    VectorSelector,
};
use super::engine::Moments;
use super::signature::Function;
use crate::query::algebra::Grid;
use crate::query::algebra::aggregate::Grouping;
use crate::record::Labels;
use crate::record::labels::METRIC_NAME;
use crate::record::read::{MatchOp, Matcher};

/// Functions whose value depends on the moment, whatever their arguments are.
const MOMENT_FUNCTIONS: [&str; 15] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// Moments beyond these are as good as these, seven million years away: no offset leads from there
/// out of the range of a moment.
pub const FAR_MS: i64 = 1 << 57;

/// Returns true when a function's value depends on the moment of evaluation, whatever its
/// arguments are.
pub fn depends_on_moment(function: &str) -> bool {
    MOMENT_FUNCTIONS.contains(&function)
}

/// Something to evaluate.
pub(super) enum Node {
    Number(f64),
    Text(String),
    /// What is evaluated at the first moment only, and is the same at all.
    Once(Box<Node>),
    Negate(Box<Node>),
    /// An operator between two scalars.
    Numbers {
        op: BinaryOp,
        lhs: Box<Node>,
        rhs: Box<Node>,
    },
    /// An operator between a vector and a scalar.
    Mixed {
        op: BinaryOp,
        is_bool: bool,
        vector: Box<Node>,
        scalar: Box<Node>,
        is_scalar_left: bool,
    },
    /// An operator between two vectors.
    Vectors {
        op: BinaryOp,
        is_bool: bool,
        matching: Matching,
        lhs: Box<Node>,
        rhs: Box<Node>,
    },
    Aggregate(Box<Aggregation>),
    Select(Selector),
    /// `timestamp` of a selector: the times of the samples themselves.
    Timestamp(Selector),
    /// A function over values at a moment.
    Call {
        function: &'static Function,
        args: Vec<Arg>,
        span: Span,
        absent: Labels,
    },
    /// A function over values in a window of time.
    Window(Box<Window>),
    /// A range vector by itself, which only an instant query has at its top.
    Range(Range),
}

/// An argument, and where it stands.
pub(super) struct Arg {
    pub node: Node,
    pub span: Span,
}

pub(super) struct Aggregation {
    pub op: AggregateOp,
    pub grouping: Grouping,
    pub inner: Node,
    pub parameter: Option<Arg>,
}

/// Which series, and how far from the moment of evaluation they are read.
pub(super) struct Selector {
    pub matchers: Vec<Matcher>,
    pub time: Time,
}

/// The moment that a selector or a subquery reads at.
#[derive(Clone, Copy)]
pub(super) struct Time {
    /// The one moment of an `@`; none for the moment of evaluation.
    pub at_ms: Option<i64>,
    pub offset_ms: i64,
}

impl Time {
    /// Returns the moment that is read for a moment of evaluation.
    pub fn of(&self, moment_ms: i64) -> i64 {
        self.at_ms.unwrap_or(moment_ms).saturating_sub(self.offset_ms)
    }

    /// Returns the moments that are read for those of a grid; one alone under `@`.
    pub fn grid(&self, grid: Grid) -> Grid {
        let count = if self.at_ms.is_some() { 1 } else { grid.count };
        Grid { first_ms: self.of(grid.first_ms), count, ..grid }
    }
}

pub(super) struct Window {
    pub function: &'static Function,
    pub range: Range,
    /// Where the range vector stands.
    pub span: Span,
    /// The scalar arguments in their order.
    pub args: Vec<Arg>,
    /// The labels of `absent_over_time`.
    pub absent: Labels,
}

/// A range vector.
pub(super) enum Range {
    Selector { selector: Selector, range_ms: i64 },
    Subquery { inner: Box<Node>, range_ms: i64, step_ms: i64, time: Time },
}

/// What is known of a planned expression.
struct Planned {
    node: Node,
    /// It has the same value at every moment.
    is_constant: bool,
    /// It is worth evaluating once.
    is_worth_once: bool,
}

impl Planned {
    fn once(self) -> Node {
        if self.is_worth_once { Node::Once(Box::new(self.node)) } else { self.node }
    }
}

/// Plans a query at its moments; subqueries without a step take `subquery_step_ms`.
pub(super) fn plan(expr: &Expr, moments: Moments, subquery_step_ms: i64) -> Node {
    Planner { moments, subquery_step_ms }.plan(expr).once()
}

struct Planner {
    moments: Moments,
    subquery_step_ms: i64,
}

impl Planner {
    fn plan(&self, expr: &Expr) -> Planned {
        let constant = |node| Planned { node, is_constant: true, is_worth_once: false };
        match expr {
            Expr::Number(number) => constant(Node::Number(number.value)),
            Expr::String(text) => constant(Node::Text(text.value.clone())),
            Expr::Paren(paren) => self.plan(&paren.inner),
            Expr::Unary(unary) => {
                let inner = self.plan(&unary.inner);
                if unary.is_minus {
                    Planned { node: Node::Negate(Box::new(inner.node)), ..inner }
                } else {
                    inner
                }
            }
            Expr::Binary(binary) => self.binary(binary),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Call(call) => self.call(call),
            Expr::Vector(selector) => {
                let selector = self.selector(selector);
                let is_constant = selector.time.at_ms.is_some();
                Planned { node: Node::Select(selector), is_constant, is_worth_once: is_constant }
            }
            Expr::Matrix(_) | Expr::Subquery(_) => {
                let (range, is_constant) = self.range(expr);
                Planned { node: Node::Range(range), is_constant, is_worth_once: false }
            }
        }
    }

    fn binary(&self, binary: &Binary) -> Planned {
        let (lhs, rhs) = (self.plan(&binary.lhs), self.plan(&binary.rhs));
        let is_constant = lhs.is_constant && rhs.is_constant;
        let node = |planned: Planned| Box::new(if is_constant { planned.node } else { planned.once() });
        let (lhs, rhs) = (node(lhs), node(rhs));
        let (op, is_bool) = (binary.op, binary.is_bool);
        let node = match (binary.lhs.value_type(), binary.rhs.value_type()) {
            (Type::Scalar, Type::Scalar) => Node::Numbers { op, lhs, rhs },
            (Type::Scalar, _) => Node::Mixed { op, is_bool, vector: rhs, scalar: lhs, is_scalar_left: true },
            (_, Type::Scalar) => Node::Mixed { op, is_bool, vector: lhs, scalar: rhs, is_scalar_left: false },
            _ => {
                let matching = binary.matching.clone().unwrap_or(Matching {
                    cardinality: super::ast::Cardinality::OneToOne,
                    labels: Vec::new(),
                    is_on: false,
                    include: Vec::new(),
                });
                Node::Vectors { op, is_bool, matching, lhs, rhs }
            }
        };
        Planned { node, is_constant, is_worth_once: is_constant }
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Planned {
        let inner = self.plan(&aggregate.inner);
        let parameter = aggregate
            .parameter
            .as_ref()
            .map(|parameter| Arg { node: self.plan(parameter).node, span: parameter.bare().span() });
        let grouping = Grouping { names: aggregate.grouping.clone(), is_without: aggregate.is_without };
        let aggregation = Aggregation { op: aggregate.op, grouping, inner: inner.node, parameter };
        Planned { node: Node::Aggregate(Box::new(aggregation)), ..inner }
    }

    fn call(&self, call: &Call) -> Planned {
        if let Some(value) = self.moment_of_query(call.function.name) {
            return Planned { node: Node::Number(value), is_constant: true, is_worth_once: false };
        }
        let args: Vec<Planned> = call.args.iter().map(|arg| self.plan(arg.bare())).collect();
        let all_constant = args.iter().all(|arg| arg.is_constant);
        let is_timestamp_of_selector = call.function.name == "timestamp"
            && matches!(call.args.first().map(Expr::bare), Some(Expr::Vector(_)));
        let is_constant =
            all_constant && (!depends_on_moment(call.function.name) || is_timestamp_of_selector);
        let spans = call.args.iter().map(|arg| arg.bare().span());
        let args = args
            .into_iter()
            .zip(spans)
            // A selector must stay one for its times to be asked for.
            .map(|(arg, span)| Arg {
                node: if is_constant || is_timestamp_of_selector { arg.node } else { arg.once() },
                span,
            })
            .collect();
        Planned { node: self.applied(call, args), is_constant, is_worth_once: is_constant }
    }

    fn applied(&self, call: &Call, mut args: Vec<Arg>) -> Node {
        let absent = match call.args.first().map(Expr::bare) {
            Some(Expr::Vector(selector)) => absent_labels(&selector.matchers),
            Some(Expr::Matrix(matrix)) => absent_labels(&matrix.selector.matchers),
            _ => Labels::default(),
        };
        if let Some(place) = args.iter().position(|arg| matches!(arg.node, Node::Range(_))) {
            let arg = args.remove(place);
            if let Node::Range(range) = arg.node {
                let function = call.function;
                return Node::Window(Box::new(Window { function, range, span: arg.span, args, absent }));
            }
        }
        if call.function.name == "timestamp"
            && let [Arg { node: Node::Select(_), .. }] = args.as_slice()
            && let Some(Arg { node: Node::Select(selector), .. }) = args.pop()
        {
            return Node::Timestamp(selector);
        }
        Node::Call { function: call.function, args, span: call.span.clone(), absent }
    }

    /// What `start()` and its like stand for.
    fn moment_of_query(&self, name: &str) -> Option<f64> {
        let Moments { from, to, step_ms } = self.moments;
        let seconds = |ms: i64| ms as f64 / 1e3;
        match name {
            "start" => Some(seconds(from.0)),
            "end" => Some(seconds(to.0)),
            "range" => Some(seconds(to.0.saturating_sub(from.0))),
            "step" => Some(if from == to { 0.0 } else { seconds(step_ms) }),
            _ => None,
        }
    }

    fn time(&self, at: Option<At>, offset_ms: i64) -> Time {
        let at_ms = at.map(|at| match at {
            At::Time(ms) => ms.clamp(-FAR_MS, FAR_MS),
            At::Start => self.moments.from.0,
            At::End => self.moments.to.0,
        });
        Time { at_ms, offset_ms }
    }

    fn selector(&self, selector: &VectorSelector) -> Selector {
        Selector { matchers: selector.matchers.clone(), time: self.time(selector.at, selector.offset_ms) }
    }

    /// Returns a range vector and whether it is the same at every moment.
    fn range(&self, expr: &Expr) -> (Range, bool) {
        match expr {
            Expr::Subquery(Subquery { inner, range_ms, step_ms, offset_ms, at, .. }) => {
                let inner = self.plan(inner);
                // Whatever a subquery stands at, its inside is evaluated at moments of its own.
                let node = if inner.is_constant { Node::Once(Box::new(inner.node)) } else { inner.node };
                let time = self.time(*at, *offset_ms);
                let step_ms = step_ms.unwrap_or(self.subquery_step_ms);
                let range = Range::Subquery { inner: Box::new(node), range_ms: *range_ms, step_ms, time };
                (range, time.at_ms.is_some())
            }
            Expr::Matrix(MatrixSelector { selector, range_ms, .. }) => {
                let selector = self.selector(selector);
                let is_constant = selector.time.at_ms.is_some();
                (Range::Selector { selector, range_ms: *range_ms }, is_constant)
            }
            other => unreachable!("{other:?} is no range vector: the checks of the parser said so"),
        }
    }
}

/// The labels that a series would have whose absence is reported: those that are asked to be
/// equal to one value.
fn absent_labels(matchers: &[Matcher]) -> Labels {
    let mut res: Vec<(&str, &str)> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        match &matcher.op {
            MatchOp::Equal(value) if !seen.contains(&matcher.name.as_str()) => {
                res.push((&matcher.name, value));
                seen.push(&matcher.name);
            }
            _ => res.retain(|(name, _)| *name != matcher.name),
        }
    }
    Labels::new(res)
}
