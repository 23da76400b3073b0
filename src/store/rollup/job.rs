//! Makes the coarser tiers from the finer ones, in small steps between two flushes.
//!
//! A block of time (two hours of minutes, a day of hours) is rolled up once no more samples
//! of it can come. What is made is made from what is stored, so nothing of it is logged: a
//! start that finds a block missing makes it again, and one that was half made does not
//! exist, because the window that names its groups is written last.
//!
//! Samples that come later still mark their block ([`super::late`]), which is then made
//! again: the steps that know more than before are written, and a reader takes those.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::columns;
use super::late::{Due, Late};
use super::read::{each, horizon, knows_more, oldest};
use super::steady::SteadyClock;
use super::times::StepTimes;
use crate::clock::UnixMillis;
use crate::record::read::ReadError;
use crate::record::{Labels, Resolution, RolledStep, Rollup};
use crate::store::back_off::BackOff;
use crate::store::disk::numbers::Numbers;
use crate::store::disk::partition::{Kind, Partition};
use crate::store::error::PartitionError;
use crate::store::metric::part::{Draft, MetricWriter};
use crate::store::metric::read::{Part, Wanted, labels_after};
use crate::store::metric::window::Source;
use crate::store::persist::Place;
use crate::store::state::{Shared, State};
use crate::store::writer::Writer;

/// What of each second may go into rolling up: little enough that a page served by the only
/// core does not notice, and ten thousand series are done within a minute.
const STEP_TIME: Duration = Duration::from_millis(30);

/// Series between two looks at the time; as many as one group holds.
const SERIES_AT_A_TIME: usize = 128;

/// Names of series held at a time; a block with more of them is gone through again.
const NAMES_AT_A_TIME: usize = 20_000;

/// Samples of a moment may wait in the queue so long after it.
const QUEUE_SLACK: Duration = Duration::from_secs(60);

/// A tier that is made from a finer one.
struct Tier {
    kind: Kind,
    finer: Kind,
    resolution: Resolution,
    n_steps: usize,
    place: Place<MetricWriter>,
}

/// Two hours at a time, as many steps as a window has times.
const MINUTES: Tier = Tier {
    kind: Kind::Minutes,
    finer: Kind::Metrics,
    resolution: Resolution::Minute,
    n_steps: 120,
    place: |disk| &mut disk.minutes,
};

/// A day at a time: a query for the last days reads the minutes of one day at most.
const HOURS: Tier = Tier {
    kind: Kind::Hours,
    finer: Kind::Minutes,
    resolution: Resolution::Hour,
    n_steps: 24,
    place: |disk| &mut disk.hours,
};

impl Tier {
    fn step(&self) -> Duration {
        self.resolution.step().unwrap_or_default()
    }

    fn block_ms(&self) -> i64 {
        self.step().as_millis() as i64 * self.n_steps as i64
    }

    // The moment before the block that a moment is in: a block holds its end, not its beginning.
    fn begin_of(&self, at: UnixMillis) -> UnixMillis {
        UnixMillis((at.0 - 1).div_euclid(self.block_ms()) * self.block_ms())
    }
}

/// Returns how long a block of a tier is, which begins and ends at multiples of it.
pub fn block(resolution: Resolution) -> Duration {
    let tiers = [MINUTES, HOURS];
    let tier = tiers.iter().find(|tier| tier.resolution == resolution);
    tier.map_or(Duration::ZERO, |tier| tier.step() * tier.n_steps as u32)
}

/// How far the tiers are, and what is being made.
pub struct Rolling {
    minutes: Progress,
    hours: Progress,
    /// Blocks for which samples came after they were made.
    pub(in crate::store) late: Late,
    /// None until the store has taken up what earlier starts left.
    clock: Option<SteadyClock>,
    back_off: BackOff,
}

#[derive(Default)]
struct Progress {
    /// Everything up to here is rolled up; none until that was looked up, and while there is
    /// no history.
    until: Option<UnixMillis>,
    job: Option<Job>,
}

/// A block that is being rolled up.
struct Job {
    /// The moment before the block.
    begin: UnixMillis,
    /// Its next series, sorted; those before `next` are done.
    series: Vec<Labels>,
    next: usize,
    /// Set when there are more behind the last of them.
    has_more: bool,
    /// Unset once it is too old to wait for what cannot be read.
    is_patient: bool,
    /// Set when it was made before and something came for it since.
    again: Option<Due>,
    /// None until the first series were read, whose times become the template.
    draft: Option<(Draft, StepTimes)>,
}

impl Rolling {
    /// Begins without knowing what was rolled up.
    pub fn new() -> Self {
        let (minutes, hours) = (Progress::default(), Progress::default());
        Rolling { minutes, hours, late: Late::default(), clock: None, back_off: BackOff::new() }
    }

    /// Returns true when everything up to a time of a kind of history is rolled up, or never
    /// is: its partition may go.
    pub fn is_done_with(&self, kind: Kind, newest: UnixMillis) -> bool {
        let coarser = match kind {
            Kind::Metrics => &self.minutes,
            Kind::Minutes => &self.hours,
            Kind::Hours | Kind::Logs | Kind::Spans | Kind::Wal => return true,
        };
        coarser.until.is_some_and(|until| newest <= until)
    }

    /// Drops what is being made; it is made anew.
    pub fn forget(&mut self) {
        self.minutes.job = None;
        self.hours.job = None;
    }

    /// Returns true while a window of this kind is half written, and its partition must stay.
    pub fn is_writing(&self, kind: Kind) -> bool {
        match kind {
            Kind::Minutes => self.minutes.job.is_some(),
            Kind::Hours => self.hours.job.is_some(),
            Kind::Metrics | Kind::Logs | Kind::Spans | Kind::Wal => false,
        }
    }

    fn of(&mut self, tier: &Tier) -> &mut Progress {
        if tier.kind == Kind::Minutes { &mut self.minutes } else { &mut self.hours }
    }
}

impl Writer {
    /// Rolls up what is due, as far as the time of one step goes.
    pub(in crate::store) fn roll_up(&mut self) {
        // Samples that wait in a log that could not be replayed are to come, until they are too old.
        let too_old = self.shared.clock.now_ms().minus(self.shared.config().metrics.max_age);
        let are_samples_waiting = self.disk.unreplayed.is_some_and(|newest| newest >= too_old);
        if !self.rolling.back_off.is_over() || are_samples_waiting {
            return;
        }
        let deadline = Instant::now() + STEP_TIME;
        for tier in [MINUTES, HOURS] {
            while Instant::now() < deadline {
                match self.roll_step(&tier) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => break,
                    Err(err) => {
                        tracing::warn!("{err}; {} are made later", tier.resolution.name());
                        self.rolling.of(&tier).job = None;
                        self.rolling.back_off.note(false);
                        return;
                    }
                }
            }
        }
    }

    // Breaks when nothing is due.
    fn roll_step(&mut self, tier: &Tier) -> Result<ControlFlow<()>, RollError> {
        if self.refuse.is_some() || self.disk.is_given_up() {
            return Ok(ControlFlow::Break(()));
        }
        let Some(mut job) = self.rolling.of(tier).job.take() else { return self.begin_block(tier) };
        if let Some(series) = job.series.get(job.next..).filter(|series| !series.is_empty()) {
            let series = &series[..series.len().min(SERIES_AT_A_TIME)];
            let n_series = series.len();
            let mut read = read_block(&self.shared, tier, &job, series, Made::FromFiner)?;
            if job.again.is_some() {
                let before = read_block(&self.shared, tier, &job, series, Made::Before)?;
                leave_what_is_new(&mut read, before);
            }
            job.next += n_series;
            if !read.is_empty() {
                self.add(tier.kind, tier.place, |writer| add_series(writer, tier, &mut job, &read))?;
            }
            self.rolling.of(tier).job = Some(job);
            return Ok(ControlFlow::Continue(()));
        }
        if job.has_more {
            let after = job.series.pop();
            (job.series, job.has_more) =
                series_of(&self.shared, tier, job.begin, after.as_ref(), job.is_patient)?;
            job.next = 0;
            self.rolling.of(tier).job = Some(job);
            return Ok(ControlFlow::Continue(()));
        }
        if let Some((draft, _)) = job.draft {
            self.write(tier.kind, tier.place, |writer, _| writer.end(draft), |_| {})?;
            self.rest(tier.place);
        }
        match job.again {
            None => {
                let now = self.shared.clock.now_ms();
                self.set_until(tier, Some(UnixMillis(job.begin.0 + tier.block_ms())), now);
            }
            Some(due) => self.end_again(tier, due),
        }
        self.rolling.back_off.note(true);
        Ok(ControlFlow::Continue(()))
    }

    fn begin_block(&mut self, tier: &Tier) -> Result<ControlFlow<()>, RollError> {
        let now = self.steady_now();
        let settled = match tier.finer {
            Kind::Metrics => Some(now.minus(self.shared.config().out_of_order + QUEUE_SLACK)),
            _ => self.rolling.minutes.until,
        };
        let Some(settled) = settled else { return Ok(ControlFlow::Break(())) };
        let Some(begin) = self.next_block(tier, now, settled) else { return self.begin_again(tier, now) };
        // Where everything is yet to come, as with a clock in the past, nothing is known.
        self.set_until(tier, Some(begin).filter(|begin| *begin <= now), now);
        if begin.0 + tier.block_ms() > settled.0 {
            return self.begin_again(tier, now);
        }
        self.begin_job(tier, begin, settled, None)
    }

    fn begin_job(
        &mut self,
        tier: &Tier,
        begin: UnixMillis,
        settled: UnixMillis,
        again: Option<Due>,
    ) -> Result<ControlFlow<()>, RollError> {
        let too_old = settled.minus(self.shared.config().retention(tier.finer).max_age);
        let is_patient = begin.0 + tier.block_ms() >= too_old.0;
        let (series, has_more) = series_of(&self.shared, tier, begin, None, is_patient)?;
        let job = Job { begin, series, next: 0, has_more, is_patient, again, draft: None };
        self.rolling.of(tier).job = Some(job);
        Ok(ControlFlow::Continue(()))
    }

    /// Notes that a sample was taken which may be too late for what is rolled up.
    pub(in crate::store) fn note_late(&mut self, at: UnixMillis) {
        self.rolling.late.mark(Kind::Minutes, MINUTES.begin_of(at), self.shared.clock.elapsed());
    }

    fn begin_again(&mut self, tier: &Tier, now: UnixMillis) -> Result<ControlFlow<()>, RollError> {
        let elapsed = self.shared.clock.elapsed();
        let Some(due) = self.rolling.late.due(tier.kind, elapsed) else { return Ok(ControlFlow::Break(())) };
        let end = due.begin.0 + tier.block_ms();
        if self.rolling.of(tier).until.is_none_or(|until| until.0 < end) {
            // It was not made yet, and will be with everything that came.
            self.rolling.late.done(tier.kind, due, elapsed);
            return Ok(ControlFlow::Continue(()));
        }
        self.begin_job(tier, due.begin, now, Some(due))
    }

    fn end_again(&mut self, tier: &Tier, due: Due) {
        let elapsed = self.shared.clock.elapsed();
        if tier.kind == HOURS.finer {
            // What is made of it is no longer right either.
            let end = UnixMillis(due.begin.0 + tier.block_ms());
            self.rolling.late.mark(HOURS.kind, HOURS.begin_of(end), elapsed);
        }
        self.rolling.late.done(tier.kind, due, elapsed);
    }

    // What is made again is read as it was until then, unless it was made ahead of its time.
    fn set_until(&mut self, tier: &Tier, until: Option<UnixMillis>, now: UnixMillis) {
        self.rolling.of(tier).until = until;
        let read = self.shared.rolled.until(tier.kind).filter(|read| *read <= now);
        self.shared.rolled.set(tier.kind, read.max(until));
    }

    /// Begins to believe the clock: from the newest sample on that an earlier start left.
    pub(in crate::store) fn begin_clock(&mut self) {
        let (wall, elapsed) = (self.shared.clock.now_ms(), self.shared.clock.elapsed());
        let newest = newest_sample(&self.shared.state());
        self.rolling.clock.get_or_insert_with(|| SteadyClock::new(newest.unwrap_or(wall), elapsed));
    }

    fn steady_now(&mut self) -> UnixMillis {
        let (wall, elapsed) = (self.shared.clock.now_ms(), self.shared.clock.elapsed());
        let clock = self.rolling.clock.get_or_insert_with(|| SteadyClock::new(wall, elapsed));
        let now = clock.now(wall, elapsed);
        if clock.take_jump() {
            // What was looked up by a clock in the past says too little.
            for tier in [MINUTES, HOURS] {
                self.rolling.of(&tier).until = None;
            }
        }
        now
    }

    // The moment before the first block that is to be made; none while there is no history.
    fn next_block(&mut self, tier: &Tier, now: UnixMillis, settled: UnixMillis) -> Option<UnixMillis> {
        let oldest = {
            let state = self.shared.state();
            let open = state.windows.iter().filter_map(|window| window.range()).map(|(first, _)| first).min();
            let open = if tier.finer == Kind::Metrics { open } else { None };
            [oldest(&state, tier.finer), open].into_iter().flatten().min()?
        };
        let known = self.rolling.of(tier).until.filter(|until| *until <= now);
        let made = known.or_else(|| horizon(&self.shared, tier.kind, now));
        let block_ms = tier.block_ms();
        let first = tier.begin_of(oldest);
        let Some(made) = made else { return Some(first) };
        if made <= settled {
            return Some(made.max(first));
        }
        // It was made while the clock was ahead, or less was allowed to come late: samples may
        // still come. It is made again, if all that it was made of is still there.
        let whole = first.0 + block_ms;
        let again = UnixMillis((settled.0.div_euclid(block_ms) * block_ms).max(whole));
        Some(again.min(made).max(first))
    }
}

fn newest_sample(state: &State) -> Option<UnixMillis> {
    let stored = state.tier(Kind::Metrics).partitions().filter_map(|partition| partition.summary().range);
    let stored = stored.map(|(_, last)| UnixMillis(last));
    let open = state.windows.iter().filter_map(|window| window.range()).map(|(_, last)| last);
    stored.chain(open).max()
}

/// Why a block could not be rolled up.
#[derive(Debug, thiserror::Error)]
enum RollError {
    #[error("read what is to be rolled up: {0}")]
    Read(#[from] ReadError),
    #[error("read what is to be rolled up: a partition cannot be read now")]
    Unreadable,
    #[error("write roll-ups: {0}")]
    Write(#[from] PartitionError),
}

// Some series of a block, and whether there are more behind them. Whoever is patient comes
// again when something cannot be read now.
fn series_of(
    shared: &Shared,
    tier: &Tier,
    begin: UnixMillis,
    after: Option<&Labels>,
    is_patient: bool,
) -> Result<(Vec<Labels>, bool), RollError> {
    let end = UnixMillis(begin.0 + tier.block_ms());
    let (parts, open) = {
        let state = shared.state();
        if is_patient && lacks(&state, tier.finer, begin, end, Partition::is_put_off) {
            return Err(RollError::Unreadable);
        }
        let is_met = |range: Option<(UnixMillis, UnixMillis)>| {
            range.is_some_and(|(first, last)| first <= end && last > begin)
        };
        let windows =
            state.windows.iter().filter(|window| tier.finer == Kind::Metrics && is_met(window.range()));
        let open: Vec<Labels> = windows.flat_map(|window| window.series()).cloned().collect();
        let mut parts: Vec<Part> = Part::of(&state, tier.finer, begin.0 + 1, end.0).collect();
        // In the place of minutes that are lost, samples are read.
        if tier.finer != Kind::Metrics
            && lacks(&state, tier.finer, begin, end, |minutes| !minutes.is_readable())
        {
            parts.extend(Part::of(&state, Kind::Metrics, begin.0 + 1, end.0));
        }
        (parts, open)
    };
    let found = labels_after(shared, parts, open, after, NAMES_AT_A_TIME);
    if found.is_whole || !is_patient {
        Ok((found.labels, found.has_more))
    } else {
        Err(RollError::Unreadable)
    }
}

// Whether a partition that may have something of a block is one of those.
fn lacks(
    state: &State,
    kind: Kind,
    begin: UnixMillis,
    end: UnixMillis,
    is_one: impl Fn(&Partition) -> bool,
) -> bool {
    let may_overlap = |partition: &Partition| match partition.summary().range {
        Some((first, last)) => first <= end.0 && last > begin.0,
        None => true,
    };
    state.tier(kind).partitions().any(|partition| is_one(partition) && may_overlap(partition))
}

/// Which steps of a block are read.
enum Made {
    /// Those that its finer tier gives now.
    FromFiner,
    /// Those that its own tier has.
    Before,
}

fn read_block(
    shared: &Shared,
    tier: &Tier,
    job: &Job,
    series: &[Labels],
    made: Made,
) -> Result<Vec<(Labels, Vec<RolledStep>)>, RollError> {
    let step_ms = tier.step().as_millis() as i64;
    let (first, last) = (UnixMillis(job.begin.0 + step_ms), UnixMillis(job.begin.0 + tier.block_ms()));
    let mut res = Vec::with_capacity(series.len());
    let wanted = Wanted::Sets(series);
    let tiers: &[Kind] = match made {
        Made::Before => &[tier.kind],
        // Not from its own tier: what that has of the block is to be made again.
        Made::FromFiner if tier.finer == Kind::Metrics => &[],
        Made::FromFiner => &[tier.finer],
    };
    let is_whole = each(shared, wanted, tier.resolution, tiers, first, last, &mut |labels, steps| {
        res.push((labels.clone(), steps.to_vec()));
        ControlFlow::Continue(())
    })?;
    if is_whole || !job.is_patient { Ok(res) } else { Err(RollError::Unreadable) }
}

// Leaves the steps that know more than those made before. Fewer samples than before are
// found where the oldest have gone since.
fn leave_what_is_new(read: &mut Vec<(Labels, Vec<RolledStep>)>, before: Vec<(Labels, Vec<RolledStep>)>) {
    let before: HashMap<Labels, Vec<RolledStep>> = before.into_iter().collect();
    read.retain_mut(|(labels, steps)| {
        if let Some(before) = before.get(labels) {
            let known = |end: &UnixMillis| before.binary_search_by_key(end, |(end, _)| *end).ok();
            steps.retain(|(end, now)| known(end).is_none_or(|place| knows_more(now, &before[place].1)));
        }
        !steps.is_empty()
    });
}

fn add_series(
    writer: &mut MetricWriter,
    tier: &Tier,
    job: &mut Job,
    read: &[(Labels, Vec<RolledStep>)],
) -> Result<(), PartitionError> {
    let begin = job.begin;
    let step_ms = tier.step().as_millis() as i64;
    let series: Vec<(u128, Vec<Rollup>)> = read
        .iter()
        .map(|(_, steps)| {
            let slot = |end: &UnixMillis| ((end.0 - begin.0) / step_ms - 1).clamp(0, 127);
            let present = steps.iter().fold(0_u128, |mask, (end, _)| mask | 1 << slot(end));
            (present, steps.iter().map(|(_, rollup)| *rollup).collect())
        })
        .collect();
    let source = if job.again.is_some() { Source::AGAIN } else { Source::OTHERS };
    let (draft, template) = job.draft.get_or_insert_with(|| {
        let first_end = UnixMillis(begin.0 + step_ms);
        let all = series.iter().map(|(present, rollups)| (*present, rollups.as_slice()));
        let template = StepTimes::of_most(first_end, tier.step(), tier.n_steps, all);
        let times = (0..tier.n_steps).map(|slot| template.end(slot)).collect();
        // What is rolled up is logged nowhere, so it stands for no rows.
        let rows = Numbers { generation: 0, first: 0, last: 0 };
        (Draft::new(source, rows, times, Some(template.clone())), template)
    });
    let labels: Vec<Labels> = read.iter().map(|(labels, _)| labels.clone()).collect();
    let mut by_id: Vec<_> = writer.ids(&labels)?.into_iter().zip(&series).collect();
    by_id.sort_unstable_by_key(|(id, _)| *id);
    for (id, (present, rollups)) in by_id {
        writer.add(draft, id, columns::encode(*present, rollups, template), rollups.len())?;
    }
    // A group holds ids that ascend, and the next series may have lower ones.
    writer.end_group(draft)
}
