//! The facts of a partition, whatever its kind: all that is in it but the bulk.

use super::disk::pages::put_frame;
use super::disk::partition::{Kind, Summary};
use super::log::part::LogFacts;
use super::metric::part::MetricFacts;
use super::span::part::SpanFacts;
use super::wire::{Damaged, Reader};

/// Facts by kind of partition.
#[derive(Clone, Debug)]
pub enum Facts {
    /// Of a partition of metrics, raw or rolled up.
    Metrics(MetricFacts),
    /// Of a partition of logs.
    Logs(LogFacts),
    /// Of a partition of spans.
    Spans(SpanFacts),
}

impl Facts {
    /// Returns the facts of an empty partition; the WAL has none that are kept.
    pub fn empty(kind: Kind) -> Facts {
        match kind {
            Kind::Metrics | Kind::Minutes | Kind::Hours => Facts::Metrics(MetricFacts::default()),
            Kind::Logs => Facts::Logs(LogFacts::default()),
            Kind::Spans | Kind::Wal => Facts::Spans(SpanFacts::default()),
        }
    }

    /// Takes in a fact.
    pub fn note(&mut self, kind: u8, content: &[u8]) -> Result<(), Damaged> {
        match self {
            Facts::Metrics(facts) => facts.note(kind, content),
            Facts::Logs(facts) => facts.note(kind, content),
            Facts::Spans(facts) => facts.note(kind, content),
        }
    }

    /// Encodes all facts in one piece.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let put = &mut |kind, content: &[u8]| put_frame(&mut out, kind, content);
        match self {
            Facts::Metrics(facts) => facts.each(put),
            Facts::Logs(facts) => facts.each(put),
            Facts::Spans(facts) => facts.each(put),
        }
        out
    }

    /// Decodes what [`Facts::encode`] wrote.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Facts, Damaged> {
        let mut res = Facts::empty(kind);
        let mut reader = Reader::new(bytes);
        while !reader.rest().is_empty() {
            let (kind, content) = (reader.u8()?, reader.bytes()?);
            res.note(kind, content)?;
        }
        Ok(res)
    }

    /// Returns about how much memory they take.
    pub fn size_bytes(&self) -> usize {
        match self {
            Facts::Metrics(facts) => facts.size_bytes(),
            Facts::Logs(facts) => facts.size_bytes(),
            Facts::Spans(facts) => facts.size_bytes(),
        }
    }

    /// Makes the summary of a partition whose writer did not come to write it.
    pub fn summarise(&self) -> Summary {
        match self {
            Facts::Metrics(facts) => facts.summarise(),
            Facts::Logs(facts) => facts.summarise(),
            Facts::Spans(facts) => facts.summarise(),
        }
    }

    /// Returns the facts of a partition of metrics.
    pub fn metrics(&self) -> &MetricFacts {
        match self {
            Facts::Metrics(facts) => facts,
            Facts::Logs(_) | Facts::Spans(_) => unreachable!("the kind of a partition fixes its facts"),
        }
    }

    /// Returns the facts of a partition of logs.
    pub fn logs(&self) -> &LogFacts {
        match self {
            Facts::Logs(facts) => facts,
            Facts::Metrics(_) | Facts::Spans(_) => unreachable!("the kind of a partition fixes its facts"),
        }
    }

    /// Returns the facts of a partition of spans.
    pub fn spans(&self) -> &SpanFacts {
        match self {
            Facts::Spans(facts) => facts,
            Facts::Metrics(_) | Facts::Logs(_) => unreachable!("the kind of a partition fixes its facts"),
        }
    }
}
