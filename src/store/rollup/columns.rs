//! The roll-ups of one series in one window as bytes, bit for bit.

use super::column::{self, Told};
use super::times::{StepTime, StepTimes};
use crate::clock::UnixMillis;
use crate::record::{RolledStep, Rollup};
use crate::store::wire::{Damaged, Reader, put_varint};

const FLAG_SPARSE: u8 = 1;
const FLAG_OWN_TIMES: u8 = 2;
const FLAG_STALE: u8 = 4;

/// In the form of a column: some of its values are as guessed.
const MASKED: u8 = 64;

/// The roll-ups of a series, and which of the window's steps they are of.
#[derive(Clone, Debug)]
pub struct StepRollups {
    /// Bit `i` is set when the series has a roll-up for step `i`.
    pub present: u128,
    /// The roll-ups, one per set bit, lowest bit first.
    pub rollups: Vec<Rollup>,
}

impl StepRollups {
    /// Yields each step's end with its roll-up.
    pub fn iter(&self, template: &StepTimes) -> impl Iterator<Item = RolledStep> {
        let ends = template.slots(self.present).map(|slot| template.end(slot));
        ends.zip(self.rollups.iter().copied())
    }
}

/// The columns, in the order in which they stand: each is guessed from those before it.
#[derive(Clone, Copy)]
enum Column {
    Last,
    First,
    Min,
    Max,
    Sum,
    NResets,
    ResetSum,
}

const COLUMNS: [Column; 7] =
    [Column::Last, Column::First, Column::Min, Column::Max, Column::Sum, Column::NResets, Column::ResetSum];

impl Column {
    fn of(self, rollup: &Rollup) -> f64 {
        match self {
            Column::Last => rollup.last,
            Column::First => rollup.first,
            Column::Min => rollup.min,
            Column::Max => rollup.max,
            Column::Sum => rollup.sum,
            Column::NResets => rollup.n_resets.into(),
            Column::ResetSum => rollup.reset_sum,
        }
    }

    fn set(self, rollup: &mut Rollup, value: f64) {
        match self {
            Column::Last => rollup.last = value,
            Column::First => rollup.first = value,
            Column::Min => rollup.min = value,
            Column::Max => rollup.max = value,
            Column::Sum => rollup.sum = value,
            Column::NResets => rollup.n_resets = value as u32,
            Column::ResetSum => rollup.reset_sum = value,
        }
    }

    /// Guesses the value from the step before and the columns before.
    ///
    /// A NaN that arithmetic makes has bits of the processor's choice, so it is no guess.
    fn guess(self, before: &Rollup, this: &Rollup) -> f64 {
        let guess = match self {
            Column::Last => return before.last,
            Column::First => return first_guess(before, this),
            Column::Min => return if this.last < this.first { this.last } else { this.first },
            Column::Max => return if this.last > this.first { this.last } else { this.first },
            Column::Sum => sum_guess(this),
            Column::NResets => f64::from(u8::from(this.last < this.first)),
            Column::ResetSum => match this.n_resets {
                0 => 0.0,
                1 => this.max,
                n => this.sum * (f64::from(n) / f64::from(this.count)),
            },
        };
        if guess.is_nan() { 0.0 } else { guess }
    }
}

/// On the straight line from the last sample before to the last one here.
fn first_guess(before: &Rollup, this: &Rollup) -> f64 {
    if this.count == 1 || this.last.to_bits() == before.last.to_bits() {
        return this.last;
    }
    let ms = |to: UnixMillis| to.0.wrapping_sub(before.last_at.0) as f64;
    let guess = before.last + (this.last - before.last) * (ms(this.first_at) / ms(this.last_at));
    if guess.is_nan() { this.last } else { guess }
}

/// The ends and the extremes that are no ends are known; the rest are as these on average.
fn sum_guess(this: &Rollup) -> f64 {
    let is_end = |extreme: f64| extreme == this.first || extreme == this.last;
    let inner = [this.min, this.max].into_iter().filter(|extreme| !is_end(*extreme));
    let (mut known, mut n_known) = (this.first + this.last, 2.0);
    for extreme in inner {
        (known, n_known) = (known + extreme, n_known + 1.0);
    }
    // Halves and quarters are exact, so the sum of two is, or of equal ones.
    f64::from(this.count) * (known / n_known)
}

/// Encodes the roll-ups of one series, one per bit of `present`.
///
/// A roll-up without samples is kept as [`Rollup::ended`] makes it.
pub fn encode(present: u128, rollups: &[Rollup], template: &StepTimes) -> Vec<u8> {
    let times = || template.slots(present).zip(rollups);
    let mut own_times = Vec::new();
    let mut n_own = 0;
    let (mut next_slot, mut shift) = (0, StepTime::default());
    let mut stale = 0_u128;
    for (slot, rollup) in times() {
        let differs = StepTime::of(template.end(slot), rollup).minus(template.step(slot));
        if differs != StepTime::default() {
            n_own += 1;
            put_varint(&mut own_times, (slot - next_slot) as u64);
            differs.put(&mut own_times, shift);
            (next_slot, shift) = (slot + 1, differs);
        }
        if rollup.is_stale {
            stale |= 1 << slot;
        }
    }
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let mut out = vec![
        flag(present != template.all(), FLAG_SPARSE)
            | flag(n_own > 0, FLAG_OWN_TIMES)
            | flag(stale != 0, FLAG_STALE),
    ];
    if present != template.all() {
        put_mask(&mut out, present, template);
    }
    if n_own > 0 {
        put_varint(&mut out, n_own);
        out.extend_from_slice(&own_times);
    }
    if stale != 0 {
        put_mask(&mut out, stale, template);
    }
    let (slots, valued): (Vec<usize>, Vec<Rollup>) = times().filter(|(_, rollup)| rollup.count > 0).unzip();
    if let Some(base) = valued.first() {
        out.extend_from_slice(&base.last.to_bits().to_le_bytes());
        for column in COLUMNS {
            put_column(&mut out, column, &slots, &valued, template);
        }
    }
    out
}

fn put_column(out: &mut Vec<u8>, column: Column, slots: &[usize], valued: &[Rollup], template: &StepTimes) {
    let befores = valued.first().into_iter().chain(valued);
    let guesses: Vec<f64> = befores.zip(valued).map(|(before, this)| column.guess(before, this)).collect();
    let values: Vec<f64> = valued.iter().map(|rollup| column.of(rollup)).collect();
    let mut mask = 0_u128;
    let (mut some_values, mut some_guesses) = (Vec::new(), Vec::new());
    for (slot, (value, guess)) in slots.iter().zip(values.iter().zip(&guesses)) {
        if value.to_bits() != guess.to_bits() {
            mask |= 1 << slot;
            some_values.push(*value);
            some_guesses.push(*guess);
        }
    }
    if mask == 0 {
        out.push(0);
        return;
    }
    let (mut form, mut bytes) = column::encode(&values, &guesses);
    if some_values.len() < values.len() {
        let (some_form, some_bytes) = column::encode(&some_values, &some_guesses);
        if mask_bytes(template) + some_bytes.len() < bytes.len() {
            (form, bytes) = (some_form | MASKED, some_bytes);
        }
    }
    out.push(form);
    if form & MASKED != 0 {
        put_mask(out, mask, template);
    }
    out.extend_from_slice(&bytes);
}

/// Decodes the roll-ups of one series in the window that `template` is of.
pub fn decode(bytes: &[u8], template: &StepTimes) -> Result<StepRollups, Damaged> {
    let mut reader = Reader::new(bytes);
    let flags = reader.u8()?;
    if flags & !(FLAG_SPARSE | FLAG_OWN_TIMES | FLAG_STALE) != 0 {
        return Err(Damaged("unknown flags of a roll-up"));
    }
    let masked = |reader: &mut Reader<'_>, flag: u8, default: u128| {
        if flags & flag == 0 { Ok(default) } else { take_mask(reader, template) }
    };
    let present = masked(&mut reader, FLAG_SPARSE, template.all())?;
    let mut times: Vec<StepTime> = (0..template.n_steps()).map(|slot| template.step(slot)).collect();
    if flags & FLAG_OWN_TIMES != 0 {
        take_own_times(&mut reader, &mut times)?;
    }
    let stale = masked(&mut reader, FLAG_STALE, 0)?;
    let mut rollups: Vec<Rollup> = template
        .slots(present)
        .map(|slot| {
            let StepTime { first_ms, last_ms, count } = times[slot];
            let at = |before_ms: i64| UnixMillis(template.end(slot).0.wrapping_sub(before_ms));
            let ended = Rollup::ended(at(first_ms), at(last_ms));
            Rollup { count, is_stale: count == 0 || stale >> slot & 1 == 1, ..ended }
        })
        .collect();
    let (slots, mut valued): (Vec<usize>, Vec<&mut Rollup>) =
        template.slots(present).zip(&mut rollups).filter(|(_, rollup)| rollup.count > 0).unzip();
    if let Some(oldest) = valued.first_mut() {
        oldest.last = f64::from_bits(u64::from_le_bytes(reader.array()?));
        for column in COLUMNS {
            take_column(&mut reader, column, &slots, &mut valued, template)?;
        }
    }
    reader.end()?;
    Ok(StepRollups { present, rollups })
}

fn take_column(
    reader: &mut Reader<'_>,
    column: Column,
    slots: &[usize],
    valued: &mut [&mut Rollup],
    template: &StepTimes,
) -> Result<(), Damaged> {
    let form = reader.u8()?;
    let mask = match form {
        0 => 0,
        _ if form & MASKED == 0 => u128::MAX,
        _ => take_mask(reader, template)?,
    };
    let is_told = |slot: usize| mask >> slot & 1 == 1;
    let n_told = slots.iter().filter(|slot| is_told(**slot)).count();
    let mut told = Told::take(form & !MASKED, reader, n_told)?;
    let mut before = valued.first().map(|oldest| **oldest);
    for (slot, rollup) in slots.iter().zip(valued) {
        let guess = column.guess(before.as_ref().unwrap_or(rollup), rollup);
        let value = if is_told(*slot) { told.next(guess)? } else { guess };
        column.set(rollup, value);
        before = Some(**rollup);
    }
    Ok(())
}

/// Reads how single steps differ from the window's times.
fn take_own_times(reader: &mut Reader<'_>, times: &mut [StepTime]) -> Result<(), Damaged> {
    let (mut next_slot, mut shift) = (0_usize, StepTime::default());
    for _ in 0..reader.count()? {
        let past = usize::try_from(reader.varint()?).map_err(|_| Damaged("times of an unknown step"))?;
        let slot = next_slot.saturating_add(past);
        let time = times.get_mut(slot).ok_or(Damaged("times of an unknown step"))?;
        shift = StepTime::take(reader, shift)?;
        *time = time.plus(shift);
        next_slot = slot + 1;
    }
    Ok(())
}

fn put_mask(out: &mut Vec<u8>, mask: u128, template: &StepTimes) {
    out.extend_from_slice(&mask.to_le_bytes()[..mask_bytes(template)]);
}

fn take_mask(reader: &mut Reader<'_>, template: &StepTimes) -> Result<u128, Damaged> {
    let bytes = reader.take(mask_bytes(template))?;
    let mask = bytes.iter().rev().fold(0, |mask, byte| mask << 8 | u128::from(*byte));
    if mask & !template.all() == 0 { Ok(mask) } else { Err(Damaged("roll-up of an unknown step")) }
}

fn mask_bytes(template: &StepTimes) -> usize {
    template.n_steps().div_ceil(8)
}
