//! What the kernel says about this process.
//!
//! `/proc/self` is read once per collection, before the callbacks of the instruments,
//! which only hand out what was found. What cannot be read is absent, never zero; some
//! containers hide `smaps_rollup`, for example.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use procfs::process::Process as ProcSelf;
use procfs::{ProcError, WithCurrentSystemInfo};

use super::Identity;
use crate::clock::Clock;
use crate::record::names::{self, Instrument, keys};

/// One look at the process.
#[derive(Clone, Copy, Default)]
struct Reading {
    user_s: Option<f64>,
    system_s: Option<f64>,
    n_threads: Option<i64>,
    rss_bytes: Option<i64>,
    pss_bytes: Option<i64>,
    n_fds: Option<i64>,
}

/// The latest look, shared by the callbacks.
pub(super) struct Process {
    clock: Clock,
    /// Held to copy it in or out.
    latest: Mutex<Reading>,
    is_gap_told: AtomicBool,
}

impl Process {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Process { clock, latest: Mutex::default(), is_gap_told: AtomicBool::new(false) })
    }

    /// Looks again.
    pub(super) fn refresh(&self) {
        let (reading, gap) = look();
        *self.latest.lock().expect("no panic while the reading is held") = reading;
        if let Some(gap) = gap.filter(|_| !self.is_gap_told.swap(true, Ordering::Relaxed)) {
            tracing::info!("some process metrics are absent: {gap}");
        }
    }

    fn latest(&self) -> Reading {
        *self.latest.lock().expect("no panic while the reading is held")
    }

    /// Makes the instruments; they live as long as the meter's provider.
    pub(super) fn register(self: &Arc<Self>, meter: &Meter, identity: &Identity) {
        let process = self.clone();
        let cpu = names::PROCESS_CPU_TIME;
        meter
            .f64_observable_counter(cpu.name)
            .with_unit(cpu.unit)
            .with_description(cpu.help)
            .with_callback(move |observer| {
                let reading = process.latest();
                for (mode, seconds) in [("user", reading.user_s), ("system", reading.system_s)] {
                    if let Some(seconds) = seconds {
                        observer.observe(seconds, &[KeyValue::new(keys::CPU_MODE, mode)]);
                    }
                }
            })
            .build();
        let whole = |instrument: Instrument, read: fn(Reading) -> Option<i64>| {
            let process = self.clone();
            up_down(meter, instrument, move |observer| {
                if let Some(value) = read(process.latest()) {
                    observer.observe(value, &[]);
                }
            });
        };
        whole(names::PROCESS_MEMORY_USAGE, |reading| reading.rss_bytes);
        whole(names::PROCESS_MEMORY_PSS, |reading| reading.pss_bytes);
        whole(names::PROCESS_OPEN_FDS, |reading| reading.n_fds);
        whole(names::PROCESS_THREADS, |reading| reading.n_threads);
        let (uptime, clock) = (names::PROCESS_UPTIME, self.clock.clone());
        meter
            .f64_observable_gauge(uptime.name)
            .with_unit(uptime.unit)
            .with_description(uptime.help)
            .with_callback(move |observer| observer.observe(clock.elapsed().as_secs_f64(), &[]))
            .build();
        let labels = [
            KeyValue::new(keys::VERSION, identity.version.clone()),
            KeyValue::new(keys::RELEASE, identity.release.clone()),
        ];
        up_down(meter, names::BUILD_INFO, move |observer| observer.observe(1, &labels));
    }
}

fn up_down(
    meter: &Meter,
    instrument: Instrument,
    callback: impl Fn(&dyn AsyncInstrument<i64>) + Send + Sync + 'static,
) {
    meter
        .i64_observable_up_down_counter(instrument.name)
        .with_unit(instrument.unit)
        .with_description(instrument.help)
        .with_callback(callback)
        .build();
}

/// Reads `/proc/self`; the second value is the first thing that could not be read.
fn look() -> (Reading, Option<ProcError>) {
    let own = match ProcSelf::myself() {
        Ok(own) => own,
        Err(err) => return (Reading::default(), Some(err)),
    };
    let (mut reading, mut gap) = (Reading::default(), None);
    match own.stat() {
        Ok(stat) => {
            let seconds = |ticks: u64| ticks as f64 / procfs::ticks_per_second() as f64;
            reading.user_s = Some(seconds(stat.utime));
            reading.system_s = Some(seconds(stat.stime));
            reading.n_threads = Some(stat.num_threads);
            reading.rss_bytes = i64::try_from(stat.rss_bytes().get()).ok();
        }
        Err(err) => gap = Some(err),
    }
    match own.smaps_rollup() {
        Ok(rollup) => {
            let maps = rollup.memory_map_rollup;
            let pss = maps.iter().find_map(|map| map.extension.map.get("Pss").copied());
            reading.pss_bytes = pss.and_then(|bytes| i64::try_from(bytes).ok());
        }
        Err(err) => gap = gap.or(Some(err)),
    }
    match own.fd_count() {
        Ok(n_fds) => reading.n_fds = i64::try_from(n_fds).ok(),
        Err(err) => gap = gap.or(Some(err)),
    }
    (reading, gap)
}
