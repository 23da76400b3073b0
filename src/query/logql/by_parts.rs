//! Reads every line of a selection by as many threads as there are processors for, each of which makes
//! something of its own of the lines that it comes to.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::engine::ReadStats;
use super::error::Error;
use crate::heap;
use crate::pace::threads;
use crate::record::read::{LineRef, LogParts, LogRead, LogSelect};

/// So many parts are read before another thread is worth its start: they take some milliseconds.
const PARTS_ALONE: usize = 8;

/// What a thread makes of lines.
pub trait Reader: Send {
    /// Takes in a line; an error ends the work of all threads.
    fn line(&mut self, line: LineRef<'_>) -> Result<(), Error>;
}

/// What was read.
pub struct Read<R> {
    /// What the threads made of it.
    pub readers: Vec<R>,
    /// What it took.
    pub stats: ReadStats,
}

/// Reads in no order of time. Of several faults the one that made the others stop is told.
pub fn read<R: Reader>(
    logs: &dyn LogRead,
    select: &LogSelect,
    name: &str,
    new: impl Fn() -> R + Sync,
) -> Result<Read<R>, Error> {
    let (parts, stops) = (logs.parts(select), AtomicBool::new(false));
    let thread = || Thread { reader: new(), stats: ReadStats::default(), stops: &stops };
    let mut first = thread();
    let is_over = first.read(&*parts, PARTS_ALONE)?;
    let n_helpers = if is_over { 0 } else { threads::n_helpers() };
    let first = Mutex::new(Some(first));
    let threads = threads::with_helpers(n_helpers, name, || {
        let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut thread = first.unwrap_or_else(thread);
        thread.read(&*parts, usize::MAX).map(|_| thread)
    });
    if n_helpers > 0 {
        heap::give_back();
    }
    let mut res = Read { readers: Vec::new(), stats: ReadStats::default() };
    let mut fault = None;
    for thread in threads {
        match thread {
            Ok(thread) => {
                res.stats.merge(&thread.stats);
                res.readers.push(thread.reader);
            }
            Err(error) if matches!(fault, None | Some(Error::Canceled)) => fault = Some(error),
            Err(_) => {}
        }
    }
    fault.map_or(Ok(res), Err)
}

/// Reads by one thread, in the order of the selection.
pub fn read_in_order<R: Reader>(
    logs: &dyn LogRead,
    select: &LogSelect,
    mut reader: R,
) -> Result<Read<R>, Error> {
    let mut fault = None;
    let read = logs.lines(select, &mut |line| going_on(reader.line(line), &mut fault))?;
    let mut stats = ReadStats::default();
    stats.add(&read);
    fault.map_or(Ok(Read { readers: vec![reader], stats }), Err)
}

fn going_on(line: Result<(), Error>, fault: &mut Option<Error>) -> ControlFlow<()> {
    line.map_or_else(
        |error| {
            *fault = Some(error);
            ControlFlow::Break(())
        },
        ControlFlow::Continue,
    )
}

struct Thread<'s, R> {
    reader: R,
    stats: ReadStats,
    /// Set when any of the threads cannot go on.
    stops: &'s AtomicBool,
}

impl<R: Reader> Thread<'_, R> {
    /// Reads so many parts; returns true when there are no more of them.
    fn read(&mut self, parts: &dyn LogParts, n_max: usize) -> Result<bool, Error> {
        let Thread { reader, stats, stops } = self;
        let stopped = |fault: Error| {
            stops.store(true, Ordering::Relaxed);
            fault
        };
        for _ in 0..n_max {
            let mut fault = None;
            let read = parts.next(&mut |line| {
                let is_stopped = stops.load(Ordering::Relaxed);
                going_on(if is_stopped { Err(Error::Canceled) } else { reader.line(line) }, &mut fault)
            });
            let read = read.map_err(|fault| stopped(fault.into()))?;
            if let Some(fault) = fault {
                return Err(stopped(fault));
            }
            let Some(read) = read else { return Ok(true) };
            stats.add(&read);
        }
        Ok(false)
    }
}
