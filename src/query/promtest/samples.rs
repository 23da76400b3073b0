//! The series that a script has loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::series::{Described, Point};
use crate::clock::UnixMillis;
use crate::record::read::{Matcher, MetricRead, ReadError, SeriesSelect, accepted};
use crate::record::{Coverage, Labels, Metadata, Resolution, RolledStep, Sample};

/// Samples in memory, and which series have what cannot be kept.
#[derive(Default)]
pub struct Samples {
    series: BTreeMap<Labels, Vec<Sample>>,
    /// Series with native histograms among their samples.
    histograms: BTreeSet<Labels>,
    /// Series with start timestamps among their samples.
    start_times: BTreeSet<Labels>,
}

impl Samples {
    /// Adds the samples of a load.
    pub fn load(&mut self, series: &[Described], step_ms: i64) {
        for (idx, described) in series.iter().enumerate() {
            // Of one load the last line of a series counts, as in the original.
            if series[idx + 1..].iter().any(|later| later.labels == described.labels) {
                continue;
            }
            if described.points.contains(&Point::Histogram) {
                self.histograms.insert(described.labels.clone());
            }
            let samples = self.series.entry(described.labels.clone()).or_default();
            for (idx, point) in described.points.iter().enumerate() {
                if let Point::Value(value) = point {
                    samples.push(Sample { at: UnixMillis(step_ms * idx as i64), value: *value });
                }
            }
            samples.sort_by_key(|sample| sample.at);
            samples.dedup_by_key(|sample| sample.at);
        }
    }

    /// Adds the native histograms that a load makes of its classic ones, by name.
    pub fn make_histograms(&mut self, series: &[Described]) {
        for described in series {
            let name = described.labels.metric_name();
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
            if let Some(base) = base {
                let labels = described.labels.without(&["le"]).with(crate::record::labels::METRIC_NAME, base);
                self.histograms.insert(labels);
            }
        }
    }

    /// Remembers that samples of a series have start timestamps.
    pub fn note_start_times(&mut self, labels: Labels) {
        self.start_times.insert(labels);
    }

    /// Returns true when matchers accept a series that has start timestamps.
    pub fn selects_start_times(&self, matchers: &[Matcher]) -> bool {
        self.start_times.iter().any(|labels| accepted(matchers, labels))
    }

    /// Returns true when matchers accept a series that has native histograms.
    pub fn selects_histograms(&self, matchers: &[Matcher]) -> bool {
        self.histograms.iter().any(|labels| accepted(matchers, labels))
    }
}

impl MetricRead for Samples {
    fn series(
        &self,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(&Labels, &[Sample]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        for (labels, samples) in &self.series {
            let begin = samples.partition_point(|sample| sample.at < select.from);
            let end = samples.partition_point(|sample| sample.at <= select.to);
            let is_wanted = begin < end && accepted(&select.matchers, labels);
            if is_wanted && visit(labels, &samples[begin..end]).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn rollups(
        &self,
        _: &SeriesSelect,
        _: Resolution,
        _: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        Ok(())
    }

    fn coverage(&self) -> Vec<Coverage> {
        Vec::new()
    }

    fn label_sets(&self, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        Ok(self.series.keys().filter(|labels| accepted(&select.matchers, labels)).cloned().collect())
    }

    fn metadata(&self) -> Vec<Metadata> {
        Vec::new()
    }
}
