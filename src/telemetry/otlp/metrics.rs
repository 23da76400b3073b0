//! The thread of the metrics: reads and sends at each interval, and once more at the end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use opentelemetry_otlp::{MetricExporter, Protocol, RetryPolicy, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::ExportError;
use super::control::{Control, Phase};
use super::courier::{Courier, SdkClient};
use crate::telemetry::config::{Compression, Target};
use crate::telemetry::pipeline::Pipeline;

/// Makes the SDK's exporter with our courier beneath it.
pub(super) fn exporter(courier: Arc<Courier>, target: &Target) -> Result<MetricExporter, ExportError> {
    let builder = MetricExporter::builder()
        .with_http()
        .with_http_client(SdkClient(courier))
        .with_endpoint(&target.url)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(target.timeout)
        // The courier retries: it can be told to stop, and it keeps the state.
        .with_retry_policy(RetryPolicy::disabled());
    let builder = match target.compression {
        Compression::None => builder,
        Compression::Gzip => builder.with_compression(opentelemetry_otlp::Compression::Gzip),
    };
    builder.build().map_err(|source| ExportError::Target { url: target.display_url().to_string(), source })
}

/// Runs until it is told to end.
pub(super) fn run(control: &Control, interval: Duration, mut send: impl FnMut(&mut ResourceMetrics)) {
    let mut reading = ResourceMetrics::default();
    loop {
        let phase = control.pause(interval);
        if phase == Phase::Retired {
            return;
        }
        send(&mut reading);
        if matches!(phase, Phase::Flushing(_)) {
            return;
        }
    }
}

/// Reads all instruments and sends what they say.
pub(super) fn send(pipeline: &Pipeline, exporter: &MetricExporter, reading: &mut ResourceMetrics) {
    match pipeline.read(reading) {
        // The courier has noted the outcome; its client never waits, so one poll is all.
        Ok(()) => drop(exporter.export(reading).now_or_never()),
        Err(err) => tracing::debug!("read the instruments: {err}"),
    }
}
