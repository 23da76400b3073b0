//! The balancer as an observer sees it: through the instruments, collected by the SDK.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::FutureExt;
use futures_util::future::pending;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};
use tokio::task::{LocalSet, spawn_local, yield_now};
use vitrine::balancer::{Balancer, Config, DispatchError, Handler, Local};
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

/// Answers with the worker's number, through the balancer of the thread it runs on.
async fn page(req: HttpRequest) -> HttpResponse {
    let local = req.app_data::<Local<Job, ()>>().expect("each http thread has joined");
    match local.dispatch(if req.path() == "/panic" { Job::Panic } else { Job::Answer }).await {
        Ok((worker, ())) => HttpResponse::Ok().body(worker.to_string()),
        Err(err) => HttpResponse::InternalServerError().body(err.to_string()),
    }
}

#[actix_web::test]
async fn workers_live_on_the_threads_of_the_http_server() {
    let handler: Handler<Job, ()> = Arc::new(|job| {
        async move {
            yield_now().await;
            assert!(matches!(job, Job::Answer), "broken on purpose");
        }
        .boxed_local()
    });
    let config = Config { workers: Some(5), http_threads: 2, ..Config::default() };
    let provider = SdkMeterProvider::builder().build();
    let balancer = Balancer::new(config, handler, Clock::system(), &provider.meter("test"));
    let joined = balancer.clone();
    let server =
        HttpServer::new(move || App::new().app_data(joined.join_thread()).default_service(web::to(page)));
    // Two sockets: the factory runs once per thread and socket, and joins twice.
    let server = server.workers(2).disable_signals().bind("127.0.0.1:0").unwrap();
    let server = server.bind("127.0.0.1:0").unwrap();
    let addresses = server.addrs();
    let running = server.run();
    let handle = running.handle();
    let running = actix_web::rt::spawn(running);

    let answered = web::block(move || {
        let get = |path: &str, idx: usize| {
            // A new connection each time, so that both threads get some.
            let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
            let mut res = agent.get(format!("http://{}{path}", addresses[idx % 2])).call().unwrap();
            (res.status().as_u16(), res.body_mut().read_to_string().unwrap())
        };
        let mut seen = BTreeMap::<String, usize>::new();
        for idx in 0..60 {
            let (status, worker) = get("/", idx);
            assert_eq!(status, 200);
            *seen.entry(worker).or_default() += 1;
        }
        let (status, body) = get("/panic", 0);
        assert_eq!(status, 500);
        assert!(body.contains("broken on purpose"), "{body}");
        assert_eq!(get("/", 0).0, 200);
        seen
    });
    let seen = answered.await.unwrap();
    assert!(seen.len() >= 2, "{seen:?}");
    assert_eq!(balancer.ready_count(), 5);
    let snapshot = balancer.snapshot();
    assert_eq!(snapshot.iter().map(|worker| worker.done).sum::<u64>(), 61);
    assert_eq!(snapshot.iter().map(|worker| worker.incarnation).sum::<u64>(), 6);
    assert_eq!(balancer.shutdown(Duration::from_secs(5)).await.cut, 0);
    handle.stop(true).await;
    running.await.unwrap().unwrap();
}
