//! What the kernel says about the machine, and about the container around this process.
//!
//! Names and labels are those of OpenTelemetry's system conventions where they have one. The
//! kernel is asked once per collection, and the callbacks of the instruments hand out what was
//! found: what cannot be read is absent, never zero. Labels are bounded: file systems are the
//! root and the data directory's, devices and interfaces at most [`DEVICES_MAX`] each.

mod container;
mod look;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};

use self::look::Reading;
use crate::record::names::{self, Instrument, keys};

/// Devices and network interfaces that are told apart; a rented server has one of each, and
/// a machine full of containers makes a new interface with every one.
const DEVICES_MAX: usize = 8;

/// One value and its labels.
type Value<T> = (T, Vec<KeyValue>);

/// The latest look, shared by the callbacks.
pub(super) struct Host {
    /// Where `/proc` and `/sys` are.
    root: PathBuf,
    /// Folders whose file systems are watched; held to look and to add.
    watched: Mutex<Vec<PathBuf>>,
    /// Held to copy it in or out.
    latest: Mutex<Arc<Reading>>,
    is_gap_told: AtomicBool,
}

impl Host {
    pub(super) fn new() -> Arc<Self> {
        Host::below(Path::new("/"))
    }

    fn below(root: &Path) -> Arc<Self> {
        Arc::new(Host {
            root: root.to_path_buf(),
            watched: Mutex::new(vec![PathBuf::from("/")]),
            latest: Mutex::default(),
            is_gap_told: AtomicBool::new(false),
        })
    }

    /// Watches the file system that holds this folder, too.
    pub(super) fn watch(&self, dir: &Path) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).push(dir.to_path_buf());
    }

    /// Looks again.
    pub(super) fn refresh(&self) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reading, gaps) = look::look(&self.root, &watched);
        *self.latest.lock().expect("no panic while the reading is held") = Arc::new(reading);
        if !gaps.is_empty() && !self.is_gap_told.swap(true, Ordering::Relaxed) {
            tracing::info!("some host metrics are absent: {}", gaps.join("; "));
        }
    }

    fn latest(&self) -> Arc<Reading> {
        self.latest.lock().expect("no panic while the reading is held").clone()
    }

    /// Makes the instruments; they live as long as the meter's provider.
    pub(super) fn register(self: &Arc<Self>, meter: &Meter) {
        self.register_processors(meter);
        self.register_memory(meter);
        self.register_disks(meter);
        self.register_network(meter);
        self.level(meter, names::CONTAINER_MEMORY_USAGE, |host| plain(host.container.memory_bytes));
        self.level(meter, names::CONTAINER_MEMORY_LIMIT, |host| plain(host.container.memory_max_bytes));
        self.gauge(meter, names::CONTAINER_CPU_LIMIT, |host| plain(host.container.cpus_max));
        self.seconds(meter, names::CONTAINER_CPU_THROTTLED, |host| plain(host.container.throttled_s));
    }

    fn register_processors(self: &Arc<Self>, meter: &Meter) {
        self.seconds(meter, names::SYSTEM_CPU_TIME, |host| {
            let labelled = |(mode, seconds): &(&'static str, f64)| {
                (*seconds, vec![KeyValue::new(keys::CPU_MODE, *mode)])
            };
            host.cpu_s.iter().map(labelled).collect()
        });
        self.level(meter, names::SYSTEM_CPU_COUNT, |host| plain(host.n_cpus));
        self.gauge(meter, names::SYSTEM_LOAD_1M, |host| plain(host.load.map(|load| load[0])));
        self.gauge(meter, names::SYSTEM_LOAD_5M, |host| plain(host.load.map(|load| load[1])));
        self.gauge(meter, names::SYSTEM_LOAD_15M, |host| plain(host.load.map(|load| load[2])));
        self.gauge(meter, names::SYSTEM_UPTIME, |host| plain(host.uptime_s));
        self.level(meter, names::HOST_OPEN_FDS, |host| plain(host.n_fds));
        self.level(meter, names::HOST_OPEN_FDS_LIMIT, |host| plain(host.n_fds_max));
    }

    fn register_memory(self: &Arc<Self>, meter: &Meter) {
        self.level(meter, names::SYSTEM_MEMORY_USAGE, |host| {
            by_state(keys::MEMORY_STATE, &host.memory_bytes)
        });
        self.level(meter, names::SYSTEM_MEMORY_LIMIT, |host| plain(host.memory_total_bytes));
        self.level(meter, names::SYSTEM_PAGING_USAGE, |host| by_state(keys::PAGING_STATE, &host.swap_bytes));
    }

    fn register_disks(self: &Arc<Self>, meter: &Meter) {
        self.level(meter, names::SYSTEM_FILESYSTEM_USAGE, |host| {
            let mut res = Vec::new();
            for fs in &host.filesystems {
                for (state, bytes) in fs.bytes {
                    let labels = vec![
                        KeyValue::new(keys::MOUNTPOINT, fs.mountpoint.clone()),
                        KeyValue::new(keys::FILESYSTEM_STATE, state),
                    ];
                    res.push((bytes, labels));
                }
            }
            res
        });
        self.level(meter, names::SYSTEM_FILESYSTEM_LIMIT, |host| {
            let limit = |fs: &look::FileSystem| {
                (fs.total_bytes, vec![KeyValue::new(keys::MOUNTPOINT, fs.mountpoint.clone())])
            };
            host.filesystems.iter().map(limit).collect()
        });
        self.count(meter, names::SYSTEM_DISK_IO, |host| {
            host.disks
                .iter()
                .flat_map(|disk| disk.by_direction(disk.read_bytes, disk.written_bytes))
                .collect()
        });
        self.count(meter, names::SYSTEM_DISK_OPERATIONS, |host| {
            host.disks.iter().flat_map(|disk| disk.by_direction(disk.n_reads, disk.n_writes)).collect()
        });
        self.seconds(meter, names::SYSTEM_DISK_IO_TIME, |host| {
            let busy =
                |disk: &look::Disk| (disk.busy_s, vec![KeyValue::new(keys::DEVICE, disk.name.clone())]);
            host.disks.iter().map(busy).collect()
        });
    }

    fn register_network(self: &Arc<Self>, meter: &Meter) {
        self.count(meter, names::SYSTEM_NETWORK_IO, |host| {
            host.links.iter().flat_map(|link| link.by_direction(link.bytes)).collect()
        });
        self.count(meter, names::SYSTEM_NETWORK_ERRORS, |host| {
            host.links.iter().flat_map(|link| link.by_direction(link.n_errors)).collect()
        });
        self.count(meter, names::SYSTEM_NETWORK_DROPPED, |host| {
            host.links.iter().flat_map(|link| link.by_direction(link.n_dropped)).collect()
        });
    }

    fn observe<T>(
        self: &Arc<Self>,
        read: impl Fn(&Reading) -> Vec<Value<T>> + Send + Sync + 'static,
    ) -> impl Fn(&dyn AsyncInstrument<T>) + Send + Sync + 'static {
        let host = self.clone();
        move |observer| {
            read(&host.latest()).into_iter().for_each(|(value, labels)| observer.observe(value, &labels))
        }
    }

    fn level(
        self: &Arc<Self>,
        meter: &Meter,
        instrument: Instrument,
        read: impl Fn(&Reading) -> Vec<Value<i64>> + Send + Sync + 'static,
    ) {
        let builder = meter.i64_observable_up_down_counter(instrument.name).with_unit(instrument.unit);
        builder.with_description(instrument.help).with_callback(self.observe(read)).build();
    }

    fn gauge(
        self: &Arc<Self>,
        meter: &Meter,
        instrument: Instrument,
        read: impl Fn(&Reading) -> Vec<Value<f64>> + Send + Sync + 'static,
    ) {
        let builder = meter.f64_observable_gauge(instrument.name).with_unit(instrument.unit);
        builder.with_description(instrument.help).with_callback(self.observe(read)).build();
    }

    fn count(
        self: &Arc<Self>,
        meter: &Meter,
        instrument: Instrument,
        read: impl Fn(&Reading) -> Vec<Value<u64>> + Send + Sync + 'static,
    ) {
        let builder = meter.u64_observable_counter(instrument.name).with_unit(instrument.unit);
        builder.with_description(instrument.help).with_callback(self.observe(read)).build();
    }

    fn seconds(
        self: &Arc<Self>,
        meter: &Meter,
        instrument: Instrument,
        read: impl Fn(&Reading) -> Vec<Value<f64>> + Send + Sync + 'static,
    ) {
        let builder = meter.f64_observable_counter(instrument.name).with_unit(instrument.unit);
        builder.with_description(instrument.help).with_callback(self.observe(read)).build();
    }
}

fn plain<T>(value: Option<T>) -> Vec<Value<T>> {
    value.map(|value| (value, Vec::new())).into_iter().collect()
}

fn by_state(key: &'static str, values: &[(&'static str, i64)]) -> Vec<Value<i64>> {
    values.iter().map(|(state, bytes)| (*bytes, vec![KeyValue::new(key, *state)])).collect()
}

impl look::Disk {
    fn by_direction(&self, read: u64, written: u64) -> [Value<u64>; 2] {
        [("read", read), ("write", written)].map(|(direction, value)| {
            let device = KeyValue::new(keys::DEVICE, self.name.clone());
            (value, vec![device, KeyValue::new(keys::DISK_DIRECTION, direction)])
        })
    }
}

impl look::Link {
    fn by_direction(&self, [received, sent]: [u64; 2]) -> [Value<u64>; 2] {
        [("receive", received), ("transmit", sent)].map(|(direction, value)| {
            let name = KeyValue::new(keys::INTERFACE, self.name.clone());
            (value, vec![name, KeyValue::new(keys::NETWORK_DIRECTION, direction)])
        })
    }
}
