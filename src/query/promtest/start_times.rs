//! Start timestamps of samples, on a line above their series: `up{job="x"}@st -1m-1mx2 _ 0s`.
//!
//! They are read so far as to know which series have them; samples here do not keep them.

use super::series::{Described, parse_labels, repeats};
use crate::query::promql::parse_duration;
use crate::record::Labels;

/// Behind the labels of a line of start timestamps.
const MARK: &str = "@st";

/// A line of start timestamps.
#[derive(Debug)]
pub struct StartTimes {
    /// The series that they belong to.
    pub labels: Labels,
    /// How many steps they stand for.
    n_points: usize,
}

impl StartTimes {
    /// Checks that the series below is theirs.
    pub fn check(&self, below: &Described) -> Result<(), String> {
        if self.labels != below.labels {
            return Err(format!("{} stands below the {MARK} of {}", below.labels, self.labels));
        }
        match below.points.len() {
            n_points if n_points == self.n_points => Ok(()),
            n_points => Err(format!("{} start timestamps above {n_points} values", self.n_points)),
        }
    }
}

/// Returns true for a line of start timestamps.
pub fn is_start_times(line: &str) -> bool {
    line.split_once([' ', '\t']).is_some_and(|(metric, _)| metric.ends_with(MARK))
}

/// Reads a line of start timestamps.
pub fn parse_start_times(line: &str) -> Result<StartTimes, String> {
    let (metric, items) = line.split_once([' ', '\t']).ok_or("no start timestamps")?;
    let labels = parse_labels(metric.trim_end_matches(MARK))?;
    let n_points = items.split_whitespace().map(steps).sum::<Result<usize, String>>()?;
    Ok(StartTimes { labels, n_points })
}

/// Returns the number of steps that `_`, `_x5`, `-1m`, `-1mx5` or `-1m+30sx5` stands for.
fn steps(item: &str) -> Result<usize, String> {
    let (value, count) = match item.split_once('x') {
        Some((value, count)) => (value, Some(repeats(count)?)),
        None => (item, None),
    };
    if value == "_" {
        return match count {
            Some(0) => Err(format!("{item:?} repeats nothing")),
            count => Ok(count.unwrap_or(1)),
        };
    }
    let bare = value.strip_prefix(['+', '-']).unwrap_or(value);
    let (first, step) = match bare.split_once(['+', '-']) {
        Some((first, step)) => (first, Some(step.strip_prefix(['+', '-']).unwrap_or(step))),
        None => (bare, None),
    };
    if step.is_some() && count.is_none() {
        return Err(format!("{item:?} has a step, and no repeats behind an x"));
    }
    for text in [Some(first), step].into_iter().flatten() {
        parse_duration(text).map_err(|error| format!("{text:?} is no duration: {error}"))?;
    }
    // One more than repeats: the one at the time zero.
    Ok(count.map_or(1, |count| count + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::promtest::series::parse_series;

    #[test]
    fn start_times_belong_to_the_series_below() {
        for (above, below) in [
            ("up@st _ _x2 -1m", "up _ _ _ 1"),
            (r#"up{job="x"}@st -30s-1mx2 0 1ms+1mx1"#, r#"up{job="x"} 1x5"#),
        ] {
            assert!(is_start_times(above) && !is_start_times(below));
            parse_start_times(above).unwrap().check(&parse_series(below).unwrap()).unwrap();
        }
        let above = parse_start_times("up@st -1m").unwrap();
        for below in ["down 1", "up 1 2"] {
            assert!(above.check(&parse_series(below).unwrap()).is_err(), "{below}");
        }
    }

    #[test]
    fn what_is_no_start_time_is_told() {
        for line in ["up@st 1y2", "up@st -1m-1m", "up@st _x0", "up@st 1mx", "up{@st 1m"] {
            assert!(parse_start_times(line).is_err(), "{line}");
        }
    }
}
