//! Reads series over open and sealed data, holding encoded chunks and never the range.
//!
//! A partition's windows hold all series side by side, a query wants them one after the
//! other. So series are taken in batches whose encoded chunks fit into memory, and of one
//! series at a time the samples are decoded.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::chunk::{self, Values};
use super::group::Group;
use super::part::WindowHead;
use crate::clock::UnixMillis;
use crate::pace::give_way;
use crate::record::read::{Matcher, ReadError, SeriesSelect};
use crate::record::{Labels, Sample};
use crate::store::disk::partition::{Kind, Partition};
use crate::store::error::PartitionError;
use crate::store::facts::Facts;
use crate::store::labels::LabelTable;
use crate::store::state::{Shared, State};
use crate::store::wire::Damaged;

/// Encoded chunks held at a time; of more series, the next batch reads the partitions again.
const BATCH_MAX_BYTES: usize = 8 << 20;

/// Series in one selection: their labels and places take some 30 MB.
pub const SERIES_MAX: usize = 100_000;

/// Which series are wanted.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// Those that all matchers accept.
    Accepted(&'a [Matcher]),
    /// Those with these labels.
    Sets(&'a [Labels]),
}

impl Wanted<'_> {
    fn ids(self, series: &LabelTable) -> Vec<u32> {
        match self {
            Wanted::Accepted(matchers) => series.select(matchers),
            Wanted::Sets(sets) => sets.iter().filter_map(|labels| series.id_of(labels)).collect(),
        }
    }
}

/// A partition to read, and from when to when, both inclusive and in milliseconds.
pub struct Part {
    /// The partition.
    pub partition: Arc<Partition>,
    /// Its facts while it is being written.
    pub active: Option<Arc<Facts>>,
    /// The first moment.
    pub from: i64,
    /// The last moment.
    pub to: i64,
}

impl Part {
    /// Returns the parts of one kind that meet a range.
    pub fn of(state: &State, kind: Kind, from: i64, to: i64) -> impl Iterator<Item = Part> + use<> {
        let overlapping = state.tier(kind).overlapping(from, to).into_iter();
        overlapping.map(move |(partition, active)| Part { partition, active, from, to })
    }
}

/// A part with its facts.
struct Source {
    partition: Arc<Partition>,
    facts: Arc<Facts>,
    from: i64,
    to: i64,
}

impl Source {
    fn windows(&self) -> impl Iterator<Item = &Arc<WindowHead>> {
        self.facts.metrics().windows.iter().filter(|window| {
            let (first, last) = window.range();
            first <= self.to && last >= self.from
        })
    }
}

/// Where a series is found: places in the list of sources, and its id there.
type Places = Vec<(u32, u32)>;

/// The selected series of some partitions, of one or more kinds.
pub struct Selection<'a> {
    shared: &'a Shared,
    sources: Vec<Source>,
    series: Vec<(Labels, Places)>,
    bytes_per_series: usize,
    is_whole: Cell<bool>,
}

/// A chunk's source, its window, and where its bytes are.
type ChunkPlace = (usize, Arc<WindowHead>, Range<usize>);

/// The encoded chunks of one batch, in one piece of memory.
struct Chunks {
    bytes: Vec<u8>,
    /// For each series of the batch its chunks.
    of_series: Vec<Vec<ChunkPlace>>,
}

impl<'a> Selection<'a> {
    /// Finds the series in partitions, and takes up those of `open`, which have samples that
    /// are not sealed.
    pub fn of(
        shared: &'a Shared,
        wanted: Wanted<'_>,
        parts: impl IntoIterator<Item = Part>,
        open: impl IntoIterator<Item = Labels>,
    ) -> Result<Self, ReadError> {
        let mut res = Selection {
            shared,
            sources: Vec::new(),
            series: Vec::new(),
            bytes_per_series: 0,
            is_whole: Cell::new(true),
        };
        let mut found: BTreeMap<Labels, Places> =
            open.into_iter().map(|labels| (labels, Places::new())).collect();
        for Part { partition, active, from, to } in parts {
            let Some(facts) = shared.known(&partition, active) else {
                res.note_left_out(&partition);
                continue;
            };
            let source = Source { partition, facts, from, to };
            let (n_windows, n_bytes) = chunk_sizes(&source);
            if n_windows == 0 {
                continue;
            }
            res.bytes_per_series += n_bytes;
            let place = res.sources.len() as u32;
            let table = &source.facts.metrics().series;
            for id in wanted.ids(table) {
                let labels = table.get(id);
                match found.get_mut(labels) {
                    Some(places) => places.push((place, id)),
                    None => _ = found.insert(labels.clone(), vec![(place, id)]),
                }
            }
            if found.len() > SERIES_MAX {
                return Err(ReadError::TooManySeries { limit: SERIES_MAX });
            }
            res.sources.push(source);
        }
        res.series = found.into_iter().collect();
        Ok(res)
    }

    /// Yields the label sets, sorted.
    pub fn into_labels(self) -> impl Iterator<Item = Labels> {
        self.series.into_iter().map(|(labels, _)| labels)
    }

    /// Returns false when something was left out so far that may be read later: its data is
    /// not lost.
    pub fn is_whole(&self) -> bool {
        self.is_whole.get()
    }

    fn note_left_out(&self, partition: &Partition) {
        self.is_whole.set(self.is_whole.get() && partition.is_lost());
    }

    /// Hands over each series with its encoded chunks, in the order of writing; `visit` says
    /// when it has seen enough.
    pub fn each(
        &self,
        mut visit: impl FnMut(&Labels, &mut dyn Iterator<Item = EncodedChunk<'_>>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let n_at_a_time = (BATCH_MAX_BYTES / self.bytes_per_series.max(1)).max(1);
        for batch in self.series.chunks(n_at_a_time) {
            let chunks = self.gather(batch);
            for ((labels, _), of_series) in batch.iter().zip(&chunks.of_series) {
                let mut encoded = of_series.iter().map(|(source, window, range)| {
                    let Source { partition, from, to, .. } = &self.sources[*source];
                    EncodedChunk {
                        partition,
                        window,
                        from: *from,
                        to: *to,
                        bytes: &chunks.bytes[range.clone()],
                    }
                });
                give_way()?;
                visit(labels, &mut encoded)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn gather(&self, batch: &[(Labels, Places)]) -> Chunks {
        let mut res = Chunks { bytes: Vec::new(), of_series: batch.iter().map(|_| Vec::new()).collect() };
        for (place, source) in self.sources.iter().enumerate() {
            let mut wanted: Vec<(u32, usize)> = Vec::new();
            for (idx, (_, places)) in batch.iter().enumerate() {
                let here = places.iter().filter(|(source, _)| *source as usize == place);
                wanted.extend(here.map(|(_, id)| (*id, idx)));
            }
            wanted.sort_unstable();
            // What was read before the damage stays.
            if let Err(err) = self.gather_from(place, &wanted, &mut res) {
                self.shared.leave_out(&source.partition, &err);
                self.note_left_out(&source.partition);
            }
        }
        res
    }

    fn gather_from(
        &self,
        place: usize,
        wanted: &[(u32, usize)],
        res: &mut Chunks,
    ) -> Result<(), PartitionError> {
        let source = &self.sources[place];
        let mut group = Group::default();
        for window in source.windows() {
            for head in &window.groups {
                let begin = wanted.partition_point(|(id, _)| *id < head.first);
                let end = wanted.partition_point(|(id, _)| *id <= head.last);
                if begin == end {
                    continue;
                }
                // Whether to go on is asked before the next series.
                let _ = give_way();
                let packed = self.shared.read(&source.partition, head.address)?;
                group.unpack(&packed).map_err(|damage| source.partition.damaged(damage))?;
                for (id, idx) in &wanted[begin..end] {
                    if let Some(bytes) = group.chunk(*id) {
                        let range = res.bytes.len()..res.bytes.len() + bytes.len();
                        res.bytes.extend_from_slice(bytes);
                        res.of_series[*idx].push((place, window.clone(), range));
                    }
                }
            }
        }
        Ok(())
    }
}

// How many windows of a partition are in the range, and what a series takes in them.
fn chunk_sizes(source: &Source) -> (usize, usize) {
    // What a chunk takes in the lists beside its bytes.
    const OVERHEAD_BYTES: usize = 40;
    // Unpacked groups are about twice as large as packed ones.
    const RATIO: usize = 2;
    let (mut n_windows, mut n_bytes) = (0, 0);
    for window in source.windows() {
        let packed: usize = window.groups.iter().map(|group| group.address.len as usize).sum();
        let n_series: usize = window.groups.iter().map(|group| (group.last - group.first) as usize + 1).sum();
        n_windows += 1;
        n_bytes += OVERHEAD_BYTES + packed * RATIO / n_series.max(1);
    }
    (n_windows, n_bytes)
}

/// Some label sets, sorted.
pub struct FoundLabels {
    /// The sets.
    pub labels: Vec<Labels>,
    /// Whether there are more behind them.
    pub has_more: bool,
    /// Unset when a partition could not be read now and may be later.
    pub is_whole: bool,
}

/// Returns up to `n_max` label sets that come after one in their order.
pub fn labels_after(
    shared: &Shared,
    parts: impl IntoIterator<Item = Part>,
    open: impl IntoIterator<Item = Labels>,
    after: Option<&Labels>,
    n_max: usize,
) -> FoundLabels {
    let (mut found, mut has_more, mut is_whole) = (BTreeSet::new(), false, true);
    let mut take = |labels: Labels| {
        if after.is_none_or(|after| labels > *after) {
            found.insert(labels);
        }
        if found.len() > n_max {
            found.pop_last();
            has_more = true;
        }
    };
    open.into_iter().for_each(&mut take);
    for Part { partition, active, from, to } in parts {
        let Some(facts) = shared.known(&partition, active) else {
            is_whole &= partition.is_lost();
            continue;
        };
        let source = Source { partition, facts, from, to };
        if source.windows().next().is_some() {
            source.facts.metrics().series.labels().iter().cloned().for_each(&mut take);
        }
    }
    FoundLabels { labels: found.into_iter().collect(), has_more, is_whole }
}

/// What a series has in one window.
pub struct EncodedChunk<'a> {
    /// Where it was read; its kind says what is in the chunk.
    pub partition: &'a Partition,
    /// The window.
    pub window: &'a WindowHead,
    /// The first moment wanted of it.
    pub from: i64,
    /// The last moment wanted of it.
    pub to: i64,
    /// The chunk.
    pub bytes: &'a [u8],
}

impl EncodedChunk<'_> {
    /// Appends the wanted samples of a chunk of raw data.
    pub fn samples(&self, values: &mut Values, out: &mut Vec<Sample>) -> Result<(), Damaged> {
        chunk::decode_into(self.bytes, self.window.times.len(), values)?;
        let (first, last) = self.window.range();
        let all = values.iter().map(|(slot, value)| Sample { at: self.window.times[slot], value });
        if self.from <= first && last <= self.to {
            out.extend(all);
        } else {
            out.extend(all.filter(|sample| (self.from..=self.to).contains(&sample.at.0)));
        }
        Ok(())
    }
}

/// Sorts samples and leaves one for each time.
///
/// They are in order but after a late scrape, a clock set back, or a partition given up after
/// an error and written again; of two samples at one time the first written stays.
pub fn put_in_order(samples: &mut Vec<Sample>) {
    if !samples.is_sorted_by(|a, b| a.at < b.at) {
        samples.sort_by_key(|sample| sample.at);
        samples.dedup_by_key(|sample| sample.at);
    }
}

/// Returns the samples in `from ..= to` that are not sealed, of the series that are wanted.
pub fn open_samples(state: &State, wanted: Wanted<'_>, from: i64, to: i64) -> BTreeMap<Labels, Vec<Sample>> {
    let mut res: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for window in state.windows.iter() {
        window.select(wanted, UnixMillis(from)..=UnixMillis(to), |labels, samples| {
            res.entry(labels.clone()).or_default().extend(samples);
        });
    }
    res
}

/// Visits the selected series of raw data.
pub fn series(
    shared: &Shared,
    select: &SeriesSelect,
    visit: &mut dyn FnMut(&Labels, &[Sample]) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let (from, to) = (select.from.0, select.to.0);
    let wanted = Wanted::Accepted(&select.matchers);
    let (parts, open) = {
        let state = shared.state();
        (Part::of(&state, Kind::Metrics, from, to), open_samples(&state, wanted, from, to))
    };
    let selection = Selection::of(shared, wanted, parts, open.keys().cloned())?;
    let (mut samples, mut values) = (Vec::new(), Values::default());
    // Broken off or at the end, it is the same to the caller.
    let _ = selection.each(|labels, chunks| {
        samples.clear();
        for chunk in chunks {
            if let Err(damage) = chunk.samples(&mut values, &mut samples) {
                shared.leave_out(chunk.partition, &chunk.partition.damaged(damage));
            }
        }
        samples.extend(open.get(labels).into_iter().flatten());
        put_in_order(&mut samples);
        if samples.is_empty() { ControlFlow::Continue(()) } else { visit(labels, &samples) }
    });
    Ok(())
}
