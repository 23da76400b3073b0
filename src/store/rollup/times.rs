//! When the samples of a window's steps were read, which most of its series share.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::record::Rollup;
use crate::store::config::CHUNK_SAMPLES_MAX;
use crate::store::wire::{Damaged, Reader, put_varint, put_zigzag};

/// The times of one series' samples in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepTime {
    /// How long before the step's end the first one was read.
    pub first_ms: i64,
    /// The same of the last one.
    pub last_ms: i64,
    /// How many there were.
    pub count: u32,
}

impl StepTime {
    /// Returns the times of a roll-up whose step ends at `end`.
    pub fn of(end: UnixMillis, rollup: &Rollup) -> Self {
        StepTime {
            first_ms: end.0.wrapping_sub(rollup.first_at.0),
            last_ms: end.0.wrapping_sub(rollup.last_at.0),
            count: rollup.count,
        }
    }

    /// Returns the difference to other times, which [`StepTime::plus`] undoes.
    pub fn minus(self, other: StepTime) -> Self {
        StepTime {
            first_ms: self.first_ms.wrapping_sub(other.first_ms),
            last_ms: self.last_ms.wrapping_sub(other.last_ms),
            count: self.count.wrapping_sub(other.count),
        }
    }

    /// Returns these times moved by a difference.
    pub fn plus(self, difference: StepTime) -> Self {
        StepTime {
            first_ms: self.first_ms.wrapping_add(difference.first_ms),
            last_ms: self.last_ms.wrapping_add(difference.last_ms),
            count: self.count.wrapping_add(difference.count),
        }
    }

    /// Appends how this differs from `from`.
    pub fn put(self, out: &mut Vec<u8>, from: StepTime) {
        let difference = self.minus(from);
        put_zigzag(out, difference.first_ms);
        put_zigzag(out, difference.last_ms);
        put_zigzag(out, i64::from(difference.count as i32));
    }

    /// Reads what [`StepTime::put`] wrote.
    pub fn take(reader: &mut Reader<'_>, from: StepTime) -> Result<Self, Damaged> {
        let (first_ms, last_ms) = (reader.zigzag()?, reader.zigzag()?);
        Ok(from.plus(StepTime { first_ms, last_ms, count: reader.zigzag()? as u32 }))
    }
}

/// The steps of a window and the times that most of its series have in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepTimes {
    first_end: UnixMillis,
    step_ms: i64,
    steps: Vec<StepTime>,
}

impl StepTimes {
    /// Finds what is most common among the series of a window of `n` steps, of which the
    /// first ends at `first_end`. A series is the mask of its steps and their roll-ups.
    pub fn of_most<'a>(
        first_end: UnixMillis,
        step: Duration,
        n: usize,
        series: impl IntoIterator<Item = (u128, &'a [Rollup])>,
    ) -> Self {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let steps = vec![StepTime::default(); n.clamp(1, CHUNK_SAMPLES_MAX)];
        let mut res = StepTimes { first_end, step_ms, steps };
        let mut votes = vec![BTreeMap::new(); res.steps.len()];
        for (present, rollups) in series {
            for (slot, rollup) in res.slots(present).zip(rollups) {
                *votes[slot].entry(StepTime::of(res.end(slot), rollup)).or_insert(0_u32) += 1;
            }
        }
        for (step, votes) in res.steps.iter_mut().zip(votes) {
            let most = votes.into_iter().max_by_key(|(_, n_votes)| *n_votes);
            *step = most.map_or_else(StepTime::default, |(time, _)| time);
        }
        res
    }

    /// Returns how many steps there are, 1 to 120.
    pub fn n_steps(&self) -> usize {
        self.steps.len()
    }

    /// Returns the end of a step, by which it is named.
    pub fn end(&self, slot: usize) -> UnixMillis {
        UnixMillis(self.first_end.0.wrapping_add(self.step_ms.wrapping_mul(slot as i64)))
    }

    /// Returns the common times of a step.
    pub fn step(&self, slot: usize) -> StepTime {
        self.steps[slot]
    }

    /// Returns the steps of a mask.
    pub fn slots(&self, mask: u128) -> impl Iterator<Item = usize> + use<> {
        (0..self.steps.len()).filter(move |slot| mask >> slot & 1 == 1)
    }

    /// Returns the mask of all steps.
    pub fn all(&self) -> u128 {
        u128::MAX >> (u128::BITS as usize - self.steps.len())
    }

    /// Returns the times as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_zigzag(&mut out, self.first_end.0);
        put_varint(&mut out, self.step_ms.unsigned_abs());
        put_varint(&mut out, self.steps.len() as u64);
        let mut before = StepTime::default();
        for step in &self.steps {
            step.put(&mut out, before);
            before = *step;
        }
        out
    }

    /// Reads what [`StepTimes::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        let first_end = UnixMillis(reader.zigzag()?);
        let step_ms = i64::try_from(reader.varint()?).map_err(|_| Damaged("step of a roll-up"))?;
        let n = reader.count()?;
        if n == 0 || n > CHUNK_SAMPLES_MAX {
            return Err(Damaged("number of steps"));
        }
        let mut steps = Vec::with_capacity(n);
        let mut before = StepTime::default();
        for _ in 0..n {
            before = StepTime::take(&mut reader, before)?;
            steps.push(before);
        }
        reader.end()?;
        Ok(StepTimes { first_end, step_ms, steps })
    }
}
