//! What happened to the process, to be marked on every chart.

use super::ask::{Ask, AskError};
use crate::clock::UnixNanos;
use crate::pages::admin::{Mark, MarkKind};
use crate::record::read::Direction;

/// More marks than this are no longer told apart on a chart.
const MARKS_MAX: usize = 100;

/// Reads what happened to the process. A chart without its marks is still a chart: where they
/// cannot be read, there are none, and a line says why.
pub(super) fn marks(ask: &Ask<'_>, from: UnixNanos, to: UnixNanos) -> Vec<Mark> {
    read(ask, from, to).unwrap_or_else(|fault| {
        // Whoever left looks at no chart.
        if !fault.is_left() {
            tracing::warn!("a chart shows no events: {fault}");
        }
        Vec::new()
    })
}

fn read(ask: &Ask<'_>, from: UnixNanos, to: UnixNanos) -> Result<Vec<Mark>, AskError> {
    const EVENTS: &str = r#"{service_name="vitrine", job="app"} | event_name=~"vitrine[.].+""#;
    // The end is exclusive, and the newest event belongs to it.
    let to = UnixNanos(to.0.saturating_add(1));
    let answer = ask.lines(EVENTS, from, to, Direction::Backward, MARKS_MAX)?;
    let marks = answer.lines.into_iter().rev().filter_map(|line| {
        let event = line.metadata.iter().find(|(name, _)| name == "event_name")?;
        let is_good = line.stream.get("level") == "info";
        Some(Mark { at: line.at, kind: MarkKind::from_event(&event.1)?, text: line.text, is_good })
    });
    Ok(marks.collect())
}
