//! The balancer as an observer sees it: through the instruments, collected by the SDK.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::pending;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};
use tokio::task::{LocalSet, spawn_local, yield_now};
use vitrine::balancer::{Balancer, Config, DispatchError, Handler};
use vitrine::clock::Clock;
use vitrine::record::names;

/// A reader that the test keeps a hand on.
#[derive(Clone, Debug, Default)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, res: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(res)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

/// Collects every value, keyed as `name{label="value",…}` with the labels sorted.
fn collect(reader: &Reader) -> BTreeMap<String, u64> {
    let mut collected = ResourceMetrics::default();
    reader.collect(&mut collected).unwrap();
    let mut res = BTreeMap::new();
    for metric in collected.scope_metrics().flat_map(|scope| scope.metrics()) {
        let mut enter = |attributes: &mut dyn Iterator<Item = &opentelemetry::KeyValue>, value| {
            let mut labels: Vec<String> =
                attributes.map(|label| format!("{}={}", label.key, label.value)).collect();
            labels.sort();
            res.insert(format!("{}{{{}}}", metric.name(), labels.join(",")), value);
        };
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Gauge(gauge)) => {
                gauge.data_points().for_each(|point| enter(&mut point.attributes(), point.value()));
            }
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                assert!(sum.is_monotonic(), "{} is a counter", metric.name());
                sum.data_points().for_each(|point| enter(&mut point.attributes(), point.value()));
            }
            other => panic!("{} has an unexpected shape: {other:?}", metric.name()),
        }
    }
    res
}

#[derive(Debug)]
enum Job {
    Answer,
    Panic,
    Hang,
}

#[tokio::test(start_paused = true)]
async fn every_job_is_counted_once_and_by_its_end() {
    let reader = Reader::default();
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let handler: Handler<Job, ()> = Arc::new(|job| {
        async move {
            match job {
                Job::Answer => {}
                Job::Panic => panic!("broken on purpose"),
                Job::Hang => pending().await,
            }
        }
        .boxed_local()
    });
    let config = Config { workers: Some(1), http_threads: 1, in_flight_max: 2, ..Config::default() };
    let balancer = Balancer::new(config, handler, Clock::system(), &provider.meter("test"));
    LocalSet::new()
        .run_until(async {
            let local = balancer.join_thread();
            for _ in 0..3 {
                assert!(local.dispatch(Job::Answer).await.is_ok());
            }
            assert!(matches!(local.dispatch(Job::Panic).await, Err(DispatchError::Panicked { .. })));
            for _ in 0..2 {
                let local = local.clone();
                spawn_local(async move { local.dispatch(Job::Hang).await });
            }
            yield_now().await;
            assert!(matches!(local.dispatch(Job::Answer).await, Err(DispatchError::Overloaded { .. })));

            let seen = collect(&reader);
            let check =
                |key: &str, expect: u64| assert_eq!(seen.get(key), Some(&expect), "{key} in {seen:#?}");
            check("vitrine.worker.jobs{outcome=answered,worker.id=0}", 3);
            check("vitrine.worker.jobs{outcome=panicked,worker.id=0}", 1);
            check("vitrine.worker.jobs{outcome=deadline,worker.id=0}", 0);
            check("vitrine.worker.in_flight{worker.id=0}", 2);
            check("vitrine.worker.incarnation{worker.id=0}", 2);
            check("vitrine.worker.ready{worker.id=0}", 1);
            check("vitrine.balancer.rejected{reason=overloaded}", 1);
            check("vitrine.balancer.rejected{reason=draining}", 0);
            check("vitrine.balancer.spilled{}", 0);

            balancer.shutdown(Duration::ZERO).await;
            let seen = collect(&reader);
            assert_eq!(seen["vitrine.worker.jobs{outcome=lost,worker.id=0}"], 2);
            assert_eq!(seen["vitrine.worker.ready{worker.id=0}"], 0);
        })
        .await;
}

#[tokio::test]
async fn every_instrument_has_the_declared_unit_and_help() {
    let reader = Reader::default();
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    let handler: Handler<(), ()> = Arc::new(|()| async {}.boxed_local());
    let _balancer = Balancer::new(Config::default(), handler, Clock::system(), &provider.meter("test"));
    let mut collected = ResourceMetrics::default();
    reader.collect(&mut collected).unwrap();
    let metrics: Vec<_> = collected.scope_metrics().flat_map(|scope| scope.metrics()).collect();
    let own = ["vitrine.worker.", "vitrine.balancer."];
    for declared in names::ALL.iter().filter(|one| own.iter().any(|prefix| one.name.starts_with(prefix))) {
        let metric = metrics.iter().find(|metric| metric.name() == declared.name);
        let metric = metric.unwrap_or_else(|| panic!("{} is not observed", declared.name));
        assert_eq!((metric.unit(), metric.description()), (declared.unit, declared.help));
    }
}
