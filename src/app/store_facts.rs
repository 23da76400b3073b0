//! Tells `/admin` of the store, of the exporters and of the queues and threads around them: the
//! parts' own snapshots, turned into what the page shows.

use std::sync::Arc;

use super::STORE_DIR;
use super::reload::Reloader;
use crate::balancer::LaneSnapshot;
use crate::clock::UnixMillis;
use crate::pages::admin as view;
use crate::record::ring::Sender;
use crate::store::{DropReason, Kind, KindStats, PartitionStats, SetAsideStats, Stats};
use crate::telemetry::ExportState;

/// Returns what gathers all of it; it reads the disk.
pub fn store_facts(reloader: Arc<Reloader>) -> Arc<dyn Fn() -> view::StoreFacts + Send + Sync> {
    Arc::new(move || {
        let config = reloader.loaded().config;
        let (store, shared) = (&reloader.store, &reloader.shared);
        let (stats, partitions) = (store.stats(), store.partitions());
        let lanes = [&shared.lanes.heavy, &shared.lanes.blocking];
        view::StoreFacts {
            dir: config.data.join(STORE_DIR).display().to_string(),
            kinds: kinds(&stats, &partitions),
            n_series: stats.n_series as u64,
            n_series_max: config.store.series_max as u64,
            n_streams: stats.n_streams as u64,
            n_streams_max: config.store.streams_max as u64,
            wal_bytes: stats.wal_bytes,
            set_aside: store.set_aside().into_iter().map(aside).collect(),
            flush: flush(&stats),
            degraded: super::admin::store_trouble(&stats),
            free_bytes: store.free_bytes(),
            reserve_bytes: config.store.reserve_bytes,
            rings: rings(&reloader, &stats),
            exports: reloader.telemetry.export_states().into_iter().map(export).collect(),
            lanes: lanes.into_iter().map(|lane| lane_facts(&lane.snapshot())).collect(),
        }
    })
}

fn kinds(stats: &Stats, partitions: &[PartitionStats]) -> Vec<view::KindFacts> {
    let all = [
        (Kind::Metrics, view::HistoryKind::Samples, &stats.metrics),
        (Kind::Minutes, view::HistoryKind::Minutes, &stats.minutes),
        (Kind::Hours, view::HistoryKind::Hours, &stats.hours),
        (Kind::Logs, view::HistoryKind::Lines, &stats.logs),
        (Kind::Spans, view::HistoryKind::Spans, &stats.spans),
    ];
    let of = |(kind, shown, stats): (Kind, view::HistoryKind, &KindStats)| view::KindFacts {
        kind: shown,
        size_bytes: stats.size_bytes,
        size_max_bytes: stats.size_max_bytes,
        room_bytes: stats.room_bytes,
        max_age: stats.max_age,
        n_records: stats.n_records,
        oldest: stats.oldest.map(UnixMillis::to_nanos),
        partitions: partitions.iter().filter(|partition| partition.kind == kind).map(partition).collect(),
    };
    all.into_iter().map(of).collect()
}

fn partition(partition: &PartitionStats) -> view::PartitionFacts {
    view::PartitionFacts {
        name: partition.name.clone(),
        range: partition.range.map(|(from, to)| (from.to_nanos(), to.to_nanos())),
        n_records: partition.n_records,
        size_bytes: partition.size_bytes,
        is_open: partition.is_open,
        is_unreadable: partition.is_unreadable,
    }
}

fn aside(entry: SetAsideStats) -> view::AsideFacts {
    view::AsideFacts { name: entry.name, size_bytes: entry.size_bytes, is_damaged: entry.is_damaged }
}

fn flush(stats: &Stats) -> Option<view::FlushFacts> {
    Some(view::FlushFacts {
        at: stats.last_flush?,
        age: stats.last_flush_age?,
        took: stats.last_flush_duration?,
    })
}

fn rings(reloader: &Reloader, stats: &Stats) -> Vec<view::RingFacts> {
    fn of<T>(kind: view::RingKind, ring: &Sender<T>) -> view::RingFacts {
        let (fill, capacity) = ring.fill();
        view::RingFacts { kind, fill: fill as u64, capacity: capacity as u64, n_dropped: ring.dropped() }
    }
    let (lines, lines_max, n_lost) = reloader.telemetry.line_ring();
    let (queued, queued_max) = reloader.store.queue_fill();
    let at_the_queue =
        [&stats.metrics, &stats.logs, &stats.spans].map(|kind| kind.dropped(DropReason::QueueFull));
    vec![
        of(view::RingKind::Requests, &reloader.shared.access),
        of(view::RingKind::Spans, &reloader.shared.spans),
        view::RingFacts {
            kind: view::RingKind::Lines,
            fill: lines as u64,
            capacity: lines_max as u64,
            n_dropped: n_lost,
        },
        view::RingFacts {
            kind: view::RingKind::Store,
            fill: queued as u64,
            capacity: queued_max as u64,
            n_dropped: at_the_queue.iter().sum(),
        },
    ]
}

fn export(state: ExportState) -> view::ExportFacts {
    view::ExportFacts {
        signal: state.signal.to_string(),
        endpoint: state.endpoint,
        is_up: state.is_up,
        n_sent: state.succeeded,
        n_failed: state.failed,
        n_dropped: state.dropped,
        last_success: state.last_success,
        last_error: state.last_error,
    }
}

fn lane_facts(lane: &LaneSnapshot) -> view::LaneFacts {
    view::LaneFacts {
        name: lane.name.to_string(),
        n_running: lane.n_running as u64,
        n_waiting: lane.n_waiting as u64,
        n_done: lane.n_done,
        n_refused: lane.n_refused,
        n_panicked: lane.n_panicked,
        n_cancelled: lane.n_cancelled,
    }
}
