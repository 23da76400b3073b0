//! Reads series over open and sealed data, holding encoded chunks and never the range.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::PartitionError;
use super::metric_part::{MetricPart, WindowHead};
use super::partition::Partition;
use super::state::Shared;
use crate::record::read::{Matcher, ReadError, SeriesSelect};
use crate::record::{Labels, Sample, Series};

/// Encoded chunks held at a time. More series than that has room for are read in further
/// passes over the partitions.
const CHUNKS_MAX_BYTES: u64 = 16 << 20;

/// What one chunk takes beside its bytes.
const CHUNK_OVERHEAD_BYTES: u64 = 48;

struct Source {
    partition: Arc<Partition>,
    /// The view of the partition that is being written, none for a sealed one.
    active: Option<Arc<MetricPart>>,
}

/// Encoded values of one series in one window.
struct Chunk {
    partition: Arc<Partition>,
    window: Arc<WindowHead>,
    bytes: Vec<u8>,
}

struct Walk<'a> {
    shared: &'a Shared,
    select: &'a SeriesSelect,
    sources: Vec<Source>,
    open: HashMap<Labels, Vec<Sample>>,
}

/// Visits the selected series.
pub fn series(
    shared: &Shared,
    select: &SeriesSelect,
    visit: &mut dyn FnMut(Series) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let walk = Walk::begin(shared, select);
    let (all, n_at_a_time) = walk.survey();
    for batch in all.chunks(n_at_a_time) {
        let mut chunks = walk.gather(batch);
        for (place, labels) in batch.iter().enumerate() {
            let samples = walk.samples(labels, std::mem::take(&mut chunks[place]));
            if samples.is_empty() {
                continue;
            }
            if visit(Series { labels: labels.clone(), samples }).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn accepts(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.accepts(labels))
}

impl<'a> Walk<'a> {
    fn begin(shared: &'a Shared, select: &'a SeriesSelect) -> Self {
        let (from, to) = (select.from.0, select.to.0);
        let state = shared.state();
        let overlaps =
            |partition: &&Arc<Partition>| partition.is_readable() && partition.summary().overlaps(from, to);
        let sealed = state.metrics.sealed.iter().filter(overlaps).cloned();
        let mut sources: Vec<Source> = sealed.map(|partition| Source { partition, active: None }).collect();
        sources.extend(state.metrics.active.as_ref().map(|active| Source {
            partition: active.partition.clone(),
            active: Some(Arc::new(active.part.clone())),
        }));
        let mut open: HashMap<Labels, Vec<Sample>> = HashMap::new();
        for window in state.closing.iter().chain(&state.window) {
            for (labels, samples) in window.select(&select.matchers, select.from, select.to) {
                open.entry(labels).or_default().extend(samples);
            }
        }
        Walk { shared, select, sources, open }
    }

    fn part(&self, source: &Source) -> Option<Arc<MetricPart>> {
        if let Some(part) = &source.active {
            return Some(part.clone());
        }
        let res = self.shared.handles.metrics(&source.partition);
        res.map_err(|err| self.shared.leave_out(&source.partition, &err)).ok()
    }

    fn windows<'p>(&self, part: &'p MetricPart) -> impl Iterator<Item = &'p Arc<WindowHead>> {
        let (from, to) = (self.select.from.0, self.select.to.0);
        part.windows.iter().filter(move |window| {
            let (first, last) = window.range();
            first <= to && last >= from
        })
    }

    // Which series there are, and how many of them fit into memory at a time.
    fn survey(&self) -> (Vec<Labels>, usize) {
        let mut all: BTreeSet<Labels> = self.open.keys().cloned().collect();
        let mut bytes_per_series = 0;
        for source in &self.sources {
            let Some(part) = self.part(source) else { continue };
            let n_windows = self.windows(&part).count() as u64;
            if n_windows == 0 {
                continue;
            }
            let chunk_bytes = if source.active.is_some() {
                ACTIVE_CHUNK_BYTES
            } else {
                let summary = source.partition.summary();
                summary.payload_bytes / summary.n_records.max(1)
            };
            bytes_per_series += n_windows * (chunk_bytes + CHUNK_OVERHEAD_BYTES);
            let accepted = part.series.iter().filter(|labels| accepts(&self.select.matchers, labels));
            all.extend(accepted.cloned());
        }
        let n_at_a_time = CHUNKS_MAX_BYTES / bytes_per_series.max(1);
        (all.into_iter().collect(), usize::try_from(n_at_a_time).unwrap_or(usize::MAX).max(1))
    }

    // The chunks of a sorted batch of series, in the order in which they were written.
    fn gather(&self, batch: &[Labels]) -> Vec<Vec<Chunk>> {
        let mut res: Vec<Vec<Chunk>> = batch.iter().map(|_| Vec::new()).collect();
        for source in &self.sources {
            let Some(part) = self.part(source) else { continue };
            let wanted: Vec<(u32, usize)> = (0_u32..)
                .zip(&part.series)
                .filter_map(|(id, labels)| Some((id, batch.binary_search(labels).ok()?)))
                .collect();
            // What was read before the damage stays.
            if let Err(err) = self.gather_from(source, &part, &wanted, &mut res) {
                self.shared.leave_out(&source.partition, &err);
            }
        }
        res
    }

    fn gather_from(
        &self,
        source: &Source,
        part: &MetricPart,
        wanted: &[(u32, usize)],
        res: &mut [Vec<Chunk>],
    ) -> Result<(), PartitionError> {
        for window in self.windows(part) {
            for (id, place) in wanted {
                if let Some(bytes) = part.chunk(window, *id)? {
                    let partition = source.partition.clone();
                    res[*place].push(Chunk { partition, window: window.clone(), bytes });
                }
            }
        }
        Ok(())
    }

    fn samples(&self, labels: &Labels, chunks: Vec<Chunk>) -> Vec<Sample> {
        let mut res = Vec::new();
        for Chunk { partition, window, bytes } in chunks {
            let values = match window.values(&bytes) {
                Ok(values) => values,
                Err(damage) => {
                    let path = partition.path.clone();
                    self.shared.leave_out(&partition, &PartitionError::Damaged { path, damage });
                    continue;
                }
            };
            let samples = values.iter().map(|(slot, value)| Sample { at: window.times[slot], value });
            res.extend(samples.filter(|sample| (self.select.from..=self.select.to).contains(&sample.at)));
        }
        res.extend(self.open.get(labels).into_iter().flatten());
        if !res.is_sorted_by(|a, b| a.at < b.at) {
            // A late scrape, a clock set back, or a partition given up after an error and
            // written again: of two samples at one time the first written stays.
            res.sort_by_key(|sample| sample.at);
            res.dedup_by_key(|sample| sample.at);
        }
        res
    }
}

/// What a chunk of the open partition takes on average; measured on all-changing data.
const ACTIVE_CHUNK_BYTES: u64 = 300;
