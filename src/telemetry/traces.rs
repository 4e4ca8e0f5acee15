//! Traces: the spans of requests, sent to an OpenTelemetry collector by OTLP over HTTP. Spans hold ids and outcomes, never
//! names, addresses or anything typed. A collector that is slow or away costs spans, never a request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

/// How long the collector may take for one delivery.
const DELIVERY: Duration = Duration::from_secs(5);

/// Traces cannot be sent there.
#[derive(Debug, thiserror::Error)]
#[error("traces can't be sent to `{url}`")]
pub struct TracesError {
    url: String,
    #[source]
    source: opentelemetry_otlp::ExporterBuildError,
}

/// Where traces go. Delivery happens on a thread of its own, from a queue that drops what does not fit.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// To the collector at `url`. It need not be there yet.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn to(url: &str) -> Result<Self, TracesError> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(url)
            .with_timeout(DELIVERY)
            .build()
            .map_err(|source| TracesError { url: url.to_owned(), source })?;
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder_empty().with_service_name("cedargate").build())
            .with_batch_exporter(Telling { inner: exporter, failing: AtomicBool::new(false) })
            .build();
        Ok(Self { provider })
    }

    /// Takes the spans of this crate, down to those of steps within a sign-in.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let ours = FilterFn::new(|metadata| {
            metadata.is_span()
                && metadata.target().starts_with("cedargate")
                && *metadata.level() <= tracing::Level::INFO
        });
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_tracer(self.provider.tracer("cedargate"))
            .with_filter(ours)
    }

    /// Delivers what waits, for a few seconds at most.
    pub fn finish(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(DELIVERY) {
            tracing::warn!(%error, "the last traces could not be delivered");
        }
    }
}

/// Says once that deliveries fail, and once that they work again.
#[derive(Debug)]
struct Telling<E> {
    inner: E,
    failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        let failed = result.is_err();
        if self.failing.swap(failed, Ordering::Relaxed) != failed {
            match &result {
                Ok(()) => tracing::info!("traces are delivered again"),
                Err(error) => tracing::warn!(%error, "traces can't be delivered and are dropped"),
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
