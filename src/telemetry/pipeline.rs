//! The one metric pipeline: every instrument, one cumulative reader.
//!
//! A cumulative reading changes nothing, so the store, the exporter and `/metrics` each
//! collect at their own pace from the same aggregation; a second reader would cost every
//! measurement twice.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, ManualReader, Pipeline as SdkPipeline, SdkMeterProvider, Stream,
    Temporality,
};

use super::config::Otlp;
use super::contain::contained;
use super::host::Host;
use super::process::Process;
use super::translate::Translator;
use super::{Collected, Identity};
use crate::clock::Clock;
use crate::record::names;
use crate::record::{Metadata, Scrape};

/// Label sets of one instrument. All routes, methods and statuses that occur together
/// come to about a hundred; what is beyond counts under `otel_metric_overflow="true"`.
const CARDINALITY_MAX: usize = 250;

/// A reader that several owners can hold.
#[derive(Clone, Debug)]
struct SharedReader(Arc<ManualReader>);

impl MetricReader for SharedReader {
    fn register_pipeline(&self, pipeline: Weak<SdkPipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
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

/// All instruments and how they are read.
pub(super) struct Pipeline {
    provider: SdkMeterProvider,
    reader: SharedReader,
    process: Arc<Process>,
    host: Arc<Host>,
    clock: Clock,
    /// The buffers of the last reading, for the next; held during a reading.
    scratch: Mutex<(ResourceMetrics, Translator)>,
}

impl Pipeline {
    pub(super) fn new(otlp: &Otlp, identity: &Identity, clock: Clock) -> Self {
        let reader =
            SharedReader(Arc::new(ManualReader::builder().with_temporality(Temporality::Cumulative).build()));
        let provider = SdkMeterProvider::builder()
            .with_resource(resource(otlp, identity))
            .with_reader(reader.clone())
            .with_view(view)
            .build();
        let pipeline = Pipeline {
            reader,
            process: Process::new(clock.clone()),
            host: Host::new(),
            clock,
            scratch: Mutex::new((ResourceMetrics::default(), Translator::new(&identity.instance_id))),
            provider,
        };
        pipeline.process.register(&pipeline.meter(), identity);
        pipeline.host.register(&pipeline.meter());
        pipeline
    }

    pub(super) fn meter(&self) -> Meter {
        contained(self.provider.meter(names::SERVICE_NAME))
    }

    pub(super) fn watch_file_system(&self, dir: &Path) {
        self.host.watch(dir);
    }

    /// Reads all instruments into `metrics`.
    pub(super) fn read(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.process.refresh();
        self.host.refresh();
        self.reader.collect(metrics)
    }

    /// Reads all instruments as points by their exposed names.
    pub(super) fn collect(&self) -> Collected {
        let at = self.clock.now_ms();
        // Only buffers: a reading that panicked leaves nothing that the next one trusts.
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        let (metrics, translator) = &mut *scratch;
        match self.read(metrics) {
            Ok(()) => {
                let (points, metadata) = translator.translate(metrics);
                Collected { scrape: Scrape { at, points }, metadata }
            }
            Err(err) => {
                tracing::warn!("read the instruments: {err}");
                Collected { scrape: Scrape { at, points: Vec::new() }, metadata: Vec::<Metadata>::new() }
            }
        }
    }
}

fn view(instrument: &Instrument) -> Option<Stream> {
    let stream = Stream::builder().with_cardinality_limit(CARDINALITY_MAX);
    // The buckets of the dashboards, whoever makes this one. An aggregation here would
    // override the boundaries of other histograms, which bring their own.
    let stream = if instrument.name() == names::HTTP_REQUEST_DURATION.name {
        stream.with_aggregation(Aggregation::ExplicitBucketHistogram {
            boundaries: names::HTTP_DURATION_BUCKETS.to_vec(),
            record_min_max: false,
        })
    } else {
        stream
    };
    Some(stream.build().expect("ascending buckets and a limit above zero make a valid stream"))
}

/// What our metrics are told to come from; `service.*` becomes `job` and `instance`.
fn resource(otlp: &Otlp, identity: &Identity) -> Resource {
    Resource::builder_empty()
        .with_attributes(
            attributes(otlp, identity).into_iter().map(|(name, value)| KeyValue::new(name, value)),
        )
        .build()
}

/// Returns the resource attributes that metrics and our own log lines share.
pub(super) fn attributes(otlp: &Otlp, identity: &Identity) -> Vec<(String, String)> {
    let service_name = names::SERVICE_NAME.to_string();
    let own = [
        ("service.name", &service_name),
        ("service.instance.id", &identity.instance_id),
        ("service.version", &identity.version),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_string(), value.clone()));
    own.chain(otlp.resource_attributes.iter().cloned()).collect()
}
