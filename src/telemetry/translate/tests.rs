use opentelemetry::KeyValue;

use crate::clock::{Clock, UnixNanos};
use crate::record::names::{self, keys};
use crate::record::{Metadata, MetricKind};
use crate::telemetry::config::Otlp;
use crate::telemetry::pipeline::Pipeline;
use crate::telemetry::{Collected, Identity};

fn pipeline() -> Pipeline {
    let identity = Identity { instance_id: "i1".into(), version: "1.2.3".into(), release: "r7".into() };
    Pipeline::new(&Otlp::default(), &identity, Clock::manual(UnixNanos(1_700_000_000_000_000_000)))
}

fn lines(collected: &Collected, name: &str) -> Vec<String> {
    let line = |point: &crate::record::Point| {
        let labels = point.series.without(&["__name__", "job", "instance"]);
        format!("{}{labels} {}", point.series.metric_name(), point.value)
    };
    let is_wanted = |point: &&crate::record::Point| point.series.metric_name().starts_with(name);
    collected.scrape.points.iter().filter(is_wanted).map(line).collect()
}

fn metadata<'a>(collected: &'a Collected, name: &str) -> &'a Metadata {
    collected.metadata.iter().find(|metadata| metadata.name == name).unwrap()
}

#[test]
fn counter_and_gauges_become_one_point_each_with_job_and_instance() {
    let pipeline = pipeline();
    let meter = pipeline.meter();
    let jobs = names::WORKER_JOBS;
    let counter = meter.u64_counter(jobs.name).with_unit(jobs.unit).with_description(jobs.help).build();
    counter.add(3, &[KeyValue::new(keys::OUTCOME, "done"), KeyValue::new(keys::WORKER_ID, 2)]);
    let active = meter.i64_up_down_counter("http.server.active_requests").with_unit("{request}").build();
    active.add(5, &[]);
    active.add(-1, &[]);
    meter.f64_gauge("system.cpu.utilization").with_unit("1").build().record(0.25, &[]);

    let collected = pipeline.collect();
    let counted = lines(&collected, "vitrine_worker_jobs");
    assert_eq!(counted, [r#"vitrine_worker_jobs_total{outcome="done",worker_id="2"} 3"#]);
    assert_eq!(lines(&collected, "http_server_active"), ["http_server_active_requests{} 4"]);
    assert_eq!(lines(&collected, "system_cpu_utilization"), ["system_cpu_utilization_ratio{} 0.25"]);
    assert_eq!(collected.scrape.at.0, 1_700_000_000_000);
    for point in &collected.scrape.points {
        assert_eq!((point.series.get("job"), point.series.get("instance")), ("vitrine", "i1"));
    }
    let described = metadata(&collected, "vitrine_worker_jobs_total");
    assert_eq!((described.kind, described.unit.as_str()), (MetricKind::Counter, ""));
    assert_eq!(described.help, jobs.help);
    assert_eq!(metadata(&collected, "http_server_active_requests").kind, MetricKind::Gauge);
}

#[test]
fn histogram_has_cumulative_buckets_sum_and_count() {
    let pipeline = pipeline();
    let duration = names::HTTP_REQUEST_DURATION;
    let histogram = pipeline.meter().f64_histogram(duration.name).with_unit(duration.unit).build();
    let bound = histogram.bind(&[KeyValue::new(keys::HTTP_ROUTE, "/")]);
    for seconds in [0.0004, 0.0005, 0.004, 20.0] {
        bound.record(seconds);
    }
    let collected = pipeline.collect();
    let found = lines(&collected, "http_server_request_duration");
    let bucket =
        |le: &str| format!(r#"http_server_request_duration_seconds_bucket{{http_route="/",le="{le}"}}"#);
    assert_eq!(found.len(), names::HTTP_DURATION_BUCKETS.len() + 3);
    for (le, count) in [("0.0005", 2), ("0.001", 2), ("0.005", 3), ("1", 3), ("10", 3), ("+Inf", 4)] {
        assert!(found.contains(&format!("{} {count}", bucket(le))), "{le}: {found:#?}");
    }
    assert!(found.contains(&r#"http_server_request_duration_seconds_count{http_route="/"} 4"#.to_string()));
    let sum = found.iter().find(|line| line.contains("_sum")).unwrap();
    let sum: f64 = sum.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((sum - 20.0049).abs() < 1e-9);
    let described = metadata(&collected, "http_server_request_duration_seconds");
    assert_eq!((described.kind, described.unit.as_str()), (MetricKind::Histogram, "seconds"));
}

#[test]
fn label_sets_are_shared_between_readings_and_values_move_on() {
    let pipeline = pipeline();
    let counter = pipeline.meter().u64_counter("vitrine.test").build();
    counter.add(1, &[]);
    assert_eq!(lines(&pipeline.collect(), "vitrine_test"), ["vitrine_test_total{} 1"]);
    counter.add(1, &[]);
    assert_eq!(lines(&pipeline.collect(), "vitrine_test"), ["vitrine_test_total{} 2"]);
}

#[test]
fn label_sets_beyond_the_limit_are_counted_together() {
    let pipeline = pipeline();
    let counter = pipeline.meter().u64_counter("vitrine.test").build();
    for n in 0..1_000 {
        counter.add(1, &[KeyValue::new("n", n)]);
    }
    let found = lines(&pipeline.collect(), "vitrine_test");
    assert!(found.len() <= 251, "{}", found.len());
    assert!(found.iter().any(|line| line.contains(r#"otel_metric_overflow="true""#)));
}

#[test]
fn process_metrics_describe_this_process() {
    let collected = pipeline().collect();
    let value = |name: &str| {
        let found = lines(&collected, name);
        found.first().unwrap_or_else(|| panic!("{name}")).rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(value("process_memory_usage_bytes") > 1e6);
    assert!(value("process_unix_file_descriptor_count") >= 3.0);
    assert!(value("process_thread_count") >= 1.0);
    assert_eq!(value("process_uptime_seconds"), 0.0);
    assert_eq!(lines(&collected, "process_cpu_time_seconds_total").len(), 2);
    let build = lines(&collected, "vitrine_build_info");
    assert_eq!(build, [r#"vitrine_build_info{release="r7",version="1.2.3"} 1"#]);
}
