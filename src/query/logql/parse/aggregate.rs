//! Aggregations over label sets, and `label_replace`.

use super::super::ast::{Aggregate, Grouping, Metric, Replace, VectorOp};
use super::super::error::ParseError;
use super::super::lex::Kind;
use super::Parser;
use crate::query::promql::functions::labels::LabelReplace;

impl Parser<'_> {
    /// Reads `sum by (level) (rate({job="x"}[5m]))`.
    pub(super) fn aggregate(&mut self, op: VectorOp) -> Result<Metric, ParseError> {
        self.next()?;
        let word = op.as_str();
        let mut grouping = self.grouping()?;
        self.sign("(")?;
        let has_parameter = self.peek()?.kind == Kind::Number && self.peek_second()?.kind == Kind::Sign(",");
        let n_picked = match (op.picks(), has_parameter) {
            (true, true) => self.count(word)?,
            (false, true) => return Err(self.no_parameter(word)),
            (true, false) => {
                return Err(ParseError::of_all(format!("parameter required for operation {word}")));
            }
            (false, false) => 0,
        };
        if op.picks() {
            self.sign(",")?;
        }
        let inner = Box::new(self.metric()?);
        self.sign(")")?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        if grouping.is_some() && op == VectorOp::ApproxTopk {
            return Err(ParseError::of_all(format!("grouping not allowed for {word} aggregation")));
        }
        let has_names = grouping.as_ref().is_some_and(|grouping| !grouping.names.is_empty());
        if has_names && matches!(op, VectorOp::Sort | VectorOp::SortDesc) {
            return Err(ParseError::of_all("sort and sort_desc doesn't allow grouping by "));
        }
        Ok(Metric::Aggregate(Aggregate { op, n_picked, grouping, inner }))
    }

    /// Reads `by (a, b)` or `without (a)`, if it is there.
    pub(super) fn grouping(&mut self) -> Result<Option<Grouping>, ParseError> {
        let is_without = self.accept(Kind::Word("without"))?;
        if !is_without && !self.accept(Kind::Word("by"))? {
            return Ok(None);
        }
        Ok(Some(Grouping { names: self.label_names()?, is_without }))
    }

    /// Reads `label_replace(inner, "to", "$1", "from", "(.*)")`.
    pub(super) fn label_replace(&mut self) -> Result<Metric, ParseError> {
        self.next()?;
        self.sign("(")?;
        let inner = Box::new(self.metric()?);
        let mut args: [String; 4] = Default::default();
        for arg in &mut args {
            self.sign(",")?;
            *arg = self.text()?;
        }
        self.sign(")")?;
        let [destination, replacement, source, pattern] = &args;
        // The expression counts with the others before it is compiled for good.
        self.pattern(pattern).map_err(|fault| {
            ParseError::of_all(format!("invalid regex in label_replace: {}", fault.message))
        })?;
        let replace = LabelReplace::new(destination, replacement, source, pattern)
            .map_err(|fault| ParseError::of_all(fault.to_string()))?;
        Ok(Metric::LabelReplace(Replace { inner, replace, args }))
    }
}
