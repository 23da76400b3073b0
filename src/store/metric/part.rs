//! What is inside a partition of metrics, raw or rolled up: series, windows, groups.

use std::sync::Arc;

use super::group::{self, GROUP_SERIES_MAX};
use super::window::Source;
use crate::clock::UnixMillis;
use crate::record::Labels;
use crate::store::config::CHUNK_SAMPLES_MAX;
use crate::store::disk::numbers::Numbers;
use crate::store::disk::pages::{Address, BULK, PageWriter};
use crate::store::disk::partition::{Partition, Summary};
use crate::store::error::PartitionError;
use crate::store::labels::{LabelTable, labels_fact, read_labels};
use crate::store::rollup::times::{StepTime, StepTimes};
use crate::store::wire::{Damaged, Reader, put_varint, put_zigzag};

const SERIES: u8 = 1;
const WINDOW: u8 = 2;

/// Where the chunks of some neighbouring series lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHead {
    /// The lowest id inside.
    pub first: u32,
    /// The highest id inside.
    pub last: u32,
    /// Where the group lies.
    pub address: Address,
}

/// Up to 120 times that the chunks of a window share.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowHead {
    /// Whose samples they are.
    pub source: Source,
    /// The WAL rows inside.
    pub rows: Numbers,
    /// The times, ascending; of a roll-up, the ends of its steps.
    pub times: Vec<UnixMillis>,
    /// How many samples or steps of series are inside.
    pub n_samples: u64,
    /// The groups, by the ids of their series.
    pub groups: Vec<GroupHead>,
    /// What the chunks of a roll-up share besides their times; none in raw data.
    pub template: Option<StepTimes>,
}

impl WindowHead {
    /// Returns the first and the last time.
    pub fn range(&self) -> (i64, i64) {
        let at = |time: Option<&UnixMillis>| time.map_or(0, |time| time.0);
        (at(self.times.first()), at(self.times.last()))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = self.source.0.to_le_bytes().to_vec();
        self.rows.put(&mut out);
        put_varint(&mut out, self.times.len() as u64);
        let (mut before, mut step) = (0_i64, 0_i64);
        for time in &self.times {
            let next = time.0.wrapping_sub(before);
            put_zigzag(&mut out, next.wrapping_sub(step));
            (before, step) = (time.0, next);
        }
        put_varint(&mut out, self.n_samples);
        put_varint(&mut out, self.groups.len() as u64);
        for group in &self.groups {
            put_varint(&mut out, group.first.into());
            put_varint(&mut out, (group.last - group.first).into());
            group.address.put(&mut out);
        }
        self.template.iter().for_each(|template| out.extend_from_slice(&template.encode()));
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let source = Source(u64::from_le_bytes(reader.array()?));
        let rows = Numbers::read(&mut reader)?;
        let n = reader.count()?;
        if n == 0 || n > CHUNK_SAMPLES_MAX {
            return Err(Damaged("times of a window"));
        }
        let mut times = Vec::with_capacity(n);
        let (mut before, mut step) = (0_i64, 0_i64);
        for _ in 0..n {
            step = step.wrapping_add(reader.zigzag()?);
            before = before.wrapping_add(step);
            times.push(UnixMillis(before));
        }
        if !times.is_sorted() {
            return Err(Damaged("times of a window"));
        }
        let n_samples = reader.varint()?;
        let n_groups = reader.count()?;
        let mut groups = Vec::with_capacity(n_groups);
        for _ in 0..n_groups {
            let (first, more) = (reader.u32()?, reader.u32()?);
            let last = first.checked_add(more).ok_or(Damaged("series of a group"))?;
            groups.push(GroupHead { first, last, address: Address::read(&mut reader)? });
        }
        let template = if reader.rest().is_empty() { None } else { Some(StepTimes::decode(reader.rest())?) };
        Ok(WindowHead { source, rows, times, n_samples, groups, template })
    }
}

/// Everything in a partition but the chunks.
#[derive(Clone, Debug, Default)]
pub struct MetricFacts {
    /// The series; the place is the id.
    pub series: LabelTable,
    /// The windows, in the order in which they were sealed.
    pub windows: Vec<Arc<WindowHead>>,
}

impl MetricFacts {
    /// Takes in a fact of the partition.
    pub fn note(&mut self, kind: u8, content: &[u8]) -> Result<(), Damaged> {
        match kind {
            SERIES => read_labels(content, &mut self.series),
            WINDOW => {
                self.windows.push(Arc::new(WindowHead::decode(content)?));
                Ok(())
            }
            _ => Err(Damaged("fact of an unknown kind")),
        }
    }

    /// Hands over all facts again.
    pub fn each(&self, put: &mut dyn FnMut(u8, &[u8])) {
        put(SERIES, &labels_fact(self.series.labels()));
        self.windows.iter().for_each(|window| put(WINDOW, &window.encode()));
    }

    /// Returns about how much memory this takes.
    pub fn size_bytes(&self) -> usize {
        let window_bytes = |window: &Arc<WindowHead>| {
            size_of::<WindowHead>()
                + window.times.len() * size_of::<UnixMillis>()
                + window.groups.len() * size_of::<GroupHead>()
                + window.template.as_ref().map_or(0, |template| template.n_steps() * size_of::<StepTime>())
        };
        self.series.size_bytes() + self.windows.iter().map(window_bytes).sum::<usize>()
    }

    /// Makes the summary of a partition whose writer did not come to write it.
    pub fn summarise(&self) -> Summary {
        let mut summary = Summary::default();
        for window in &self.windows {
            summary.add(window.range(), window.n_samples, window.rows);
        }
        summary
    }
}

/// Writes windows into the one open partition of its root.
pub struct MetricWriter {
    /// The pages.
    pub pages: PageWriter,
    /// What readers get a clone of after each flush.
    pub facts: MetricFacts,
}

/// A window that is being written, group by group.
pub struct Draft {
    head: WindowHead,
    group: Vec<(u32, Vec<u8>)>,
}

impl Draft {
    /// Begins a window.
    pub fn new(source: Source, rows: Numbers, times: Vec<UnixMillis>, template: Option<StepTimes>) -> Self {
        let head = WindowHead { source, rows, times, n_samples: 0, groups: Vec::new(), template };
        Draft { head, group: Vec::new() }
    }
}

impl MetricWriter {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        Ok(MetricWriter { pages: PageWriter::new(partition)?, facts: MetricFacts::default() })
    }

    /// Returns the id of each series, naming those that are new to the partition.
    pub fn ids(&mut self, series: &[Labels]) -> Result<Vec<u32>, PartitionError> {
        let mut new: Vec<Labels> =
            series.iter().filter(|labels| self.facts.series.id_of(labels).is_none()).cloned().collect();
        // Like lies by like, so that a group compresses and a query touches few of them.
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            self.pages.append(SERIES, &labels_fact(&new))?;
            new.into_iter().for_each(|labels| _ = self.facts.series.push(labels));
        }
        let id = |labels| self.facts.series.id_of(labels).expect("every series was named above");
        Ok(series.iter().map(id).collect())
    }

    /// Adds the chunk of a series to a window; ids ascend.
    pub fn add(
        &mut self,
        draft: &mut Draft,
        id: u32,
        chunk: Vec<u8>,
        n_samples: usize,
    ) -> Result<(), PartitionError> {
        draft.head.n_samples += n_samples as u64;
        draft.group.push((id, chunk));
        if draft.group.len() == GROUP_SERIES_MAX { self.end_group(draft) } else { Ok(()) }
    }

    /// Ends a window, which is durable after the next flush.
    pub fn end(&mut self, mut draft: Draft) -> Result<(), PartitionError> {
        self.end_group(&mut draft)?;
        let head = draft.head;
        // Last, so that a window that is found has its chunks.
        self.pages.append(WINDOW, &head.encode())?;
        let mut summary = self.pages.partition().summary();
        summary.add(head.range(), head.n_samples, head.rows);
        summary.payload_bytes = self.pages.payload_bytes();
        self.pages.partition().set_summary(summary);
        self.facts.windows.push(Arc::new(head));
        Ok(())
    }

    /// Ends a group early, so that the next series may have lower ids.
    pub fn end_group(&mut self, draft: &mut Draft) -> Result<(), PartitionError> {
        let (Some((first, _)), Some((last, _))) = (draft.group.first(), draft.group.last()) else {
            return Ok(());
        };
        let (first, last) = (*first, *last);
        let address = self.pages.append(BULK, &group::encode(&draft.group))?;
        draft.head.groups.push(GroupHead { first, last, address });
        draft.group.clear();
        Ok(())
    }
}
