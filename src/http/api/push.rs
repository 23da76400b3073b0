//! The addresses that other programs push to: Loki's push, remote write, OTLP.
//!
//! | address | protocol |
//! | --- | --- |
//! | `POST /loki/api/v1/push` | Loki's push API, protobuf with snappy or JSON |
//! | `POST /api/v1/write` | Prometheus's remote write 1.0 and 2.0 |
//! | `POST /v1/logs`, `/v1/metrics`, `/v1/traces` | OTLP/HTTP, when `push.otlp` is on |

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::receive::{Batch, Push, Records, Refusal, Source};
use crate::http::Shared;
use crate::http::admin::{self, AdminState};
use crate::ingest::push::counts::Protocol;
use crate::ingest::push::inflate::Encoding;
use crate::ingest::push::otlp::{self, Form};
use crate::ingest::push::remote_write::{self, Version};
use crate::ingest::push::{Fault, LeftOut, Samples, Times, loki};

/// Adds the routes.
pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/loki/api/v1/push").post(push_loki))
        .service(web::resource("/api/v1/write").post(write))
        .service(web::resource("/v1/logs").post(push_logs))
        .service(web::resource("/v1/metrics").post(push_metrics))
        .service(web::resource("/v1/traces").post(push_traces));
}

/// What a handler here gets of a request.
struct Caller {
    request: HttpRequest,
    payload: Payload,
    admin: web::Data<AdminState>,
    shared: web::Data<Shared>,
}

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = Ready<Result<Caller, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let part = |name| ErrorInternalServerError(format!("the routes were set up without {name}"));
        let admin = request.app_data().cloned().ok_or_else(|| part("the admin's state"));
        let shared = request.app_data().cloned().ok_or_else(|| part("what is shared"));
        let (request, payload) = (request.clone(), payload.take());
        ready(admin.and_then(|admin| Ok(Caller { request, payload, admin, shared: shared? })))
    }
}

impl Caller {
    async fn authorize(&self) -> Result<(), HttpResponse> {
        admin::authorize_write(&self.admin, &self.request).await
    }

    fn push(&self) -> &Push {
        &self.shared.push
    }

    fn header(&self, name: &HeaderName) -> &str {
        self.request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn media_type(&self) -> String {
        let text = self.header(&CONTENT_TYPE);
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Returns how the body is compressed, or the answer when it is in no way that we know.
    fn encoding(&self) -> Result<Encoding, Refusal> {
        let text = self.header(&CONTENT_ENCODING);
        Encoding::parse(text).ok_or_else(|| {
            unsupported(format!("Content-Encoding {text:?} is not known here: send gzip, snappy or none"))
        })
    }

    /// Counts a refusal that needed no look at the body, and passes it on.
    fn refuse(&self, protocol: Protocol, refusal: Refusal) -> Refusal {
        self.push().refuse(protocol, self.shared.switches.peer(&self.request).address, &refusal);
        refusal
    }

    /// Receives by a protocol; see [`Push::receive`].
    async fn receive<T: Send + 'static>(
        self,
        protocol: Protocol,
        encoding: Encoding,
        decode: impl FnOnce(&[u8], Times) -> Result<(Batch, T), Fault> + Send + 'static,
    ) -> Result<(LeftOut, T), Refusal> {
        let address = self.shared.switches.peer(&self.request).address;
        let source = Source { protocol, address, encoding };
        // It computes, at lower priority than the pages.
        let lane = &self.shared.lanes.heavy;
        self.shared.push.receive((&self.request, self.payload), &source, lane, decode).await
    }
}

/// Begins the answer to a refusal.
fn refusing(refusal: &Refusal) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(refusal.status);
    if let Some(wait) = refusal.retry_after {
        // Rounded up: who comes a moment too early is refused once more.
        response.insert_header((RETRY_AFTER, wait.as_secs_f64().ceil().max(1.0) as u64));
    }
    response
}

fn unsupported(why: String) -> Refusal {
    Refusal { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, why, retry_after: None }
}

/// Answers in plain text, as Loki and Prometheus do.
fn plain(refusal: Refusal) -> HttpResponse {
    refusing(&refusal).content_type("text/plain; charset=utf-8").body(format!("{}\n", refusal.why))
}

/// Said of records that were left out while the others were kept; their sender must not send
/// them again.
fn left_out_text(left_out: &LeftOut) -> Option<HttpResponse> {
    let why = left_out.words()?;
    Some(plain(Refusal { status: StatusCode::BAD_REQUEST, why, retry_after: None }))
}

async fn push_loki(caller: Caller) -> HttpResponse {
    if let Err(refusal) = caller.authorize().await {
        return refusal;
    }
    let is_json = caller.media_type() == "application/json";
    let encoding = match caller.encoding() {
        // Protobuf is always a block of snappy, and no header says so.
        Ok(Encoding::Identity) if !is_json => Encoding::Snappy,
        Ok(encoding) => encoding,
        Err(refusal) => return plain(caller.refuse(Protocol::Loki, refusal)),
    };
    let decode = move |body: &[u8], times| {
        let pushed = if is_json { loki::decode_json(body, times) } else { loki::decode(body, times) }?;
        let n_records = pushed.records.len();
        Ok((Batch { records: Records::Logs(pushed.records), n_records, left_out: pushed.left_out }, ()))
    };
    match caller.receive(Protocol::Loki, encoding, decode).await {
        Ok((left_out, ())) => left_out_text(&left_out).unwrap_or_else(|| HttpResponse::NoContent().finish()),
        Err(refusal) => plain(refusal),
    }
}

async fn write(caller: Caller) -> HttpResponse {
    if let Err(refusal) = caller.authorize().await {
        return refusal;
    }
    let version = match version_of(caller.header(&CONTENT_TYPE)) {
        Ok(version) => version,
        Err(refusal) => return plain(caller.refuse(Protocol::RemoteWrite, refusal)),
    };
    // Version 1.0 allows no other and some senders leave the header out.
    let encoding = match caller.encoding() {
        Ok(Encoding::Identity | Encoding::Snappy) => Encoding::Snappy,
        Ok(Encoding::Gzip) => {
            let refusal = unsupported("remote write is compressed by snappy alone".into());
            return plain(caller.refuse(Protocol::RemoteWrite, refusal));
        }
        Err(refusal) => return plain(caller.refuse(Protocol::RemoteWrite, refusal)),
    };
    let decode = move |body: &[u8], times| {
        let written = remote_write::decode(body, version, times)?;
        let told = (written.n_samples, written.n_histograms);
        Ok((batch_of(written.samples), told))
    };
    let (mut response, (n_samples, n_histograms)) =
        match caller.receive(Protocol::RemoteWrite, encoding, decode).await {
            Ok((left_out, told)) => {
                (left_out_text(&left_out).unwrap_or_else(|| HttpResponse::NoContent().finish()), told)
            }
            Err(refusal) => (plain(refusal), (0, 0)),
        };
    // Version 2.0 wants them on refusals, too, so that a sender knows that it was understood.
    if version == Version::V2 {
        for (name, n) in
            [(SAMPLES_WRITTEN, n_samples), (HISTOGRAMS_WRITTEN, n_histograms), (EXEMPLARS_WRITTEN, 0)]
        {
            response.headers_mut().insert(name, n.into());
        }
    }
    response
}

const SAMPLES_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS_WRITTEN: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS_WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// Reads which messages a body holds by its type, as the specification of 2.0 has it.
fn version_of(content_type: &str) -> Result<Version, Refusal> {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let is_protobuf = media_type.is_empty() || media_type.eq_ignore_ascii_case("application/x-protobuf");
    let proto = parts.find_map(|part| part.strip_prefix("proto=")).unwrap_or("prometheus.WriteRequest");
    match proto.trim_matches('"') {
        "prometheus.WriteRequest" if is_protobuf => Ok(Version::V1),
        "io.prometheus.write.v2.Request" if is_protobuf => Ok(Version::V2),
        _ => Err(unsupported(format!("{content_type:?} is no remote write that is known here"))),
    }
}

fn batch_of(samples: Samples) -> Batch {
    let n_records = samples.count();
    let left_out = samples.left_out.clone();
    let (scrapes, metadata) = samples.into_scrapes();
    Batch { records: Records::Scrapes(scrapes, metadata), n_records, left_out }
}

async fn push_logs(caller: Caller) -> HttpResponse {
    let decode = |body: &[u8], form, times| {
        let logs = otlp::decode_logs(body, form, times)?;
        let n_records = logs.records.len();
        Ok(Batch { records: Records::Logs(logs.records), n_records, left_out: logs.left_out })
    };
    push_otlp(caller, decode, otlp::answer_logs).await
}

async fn push_metrics(caller: Caller) -> HttpResponse {
    let decode = |body: &[u8], form, times| otlp::decode_metrics(body, form, times).map(batch_of);
    push_otlp(caller, decode, otlp::answer_metrics).await
}

async fn push_traces(caller: Caller) -> HttpResponse {
    let decode = |body: &[u8], form, times| {
        let traces = otlp::decode_traces(body, form, times)?;
        let n_records = traces.spans.len();
        Ok(Batch { records: Records::Spans(traces.spans), n_records, left_out: traces.left_out })
    };
    push_otlp(caller, decode, otlp::answer_traces).await
}

async fn push_otlp(
    caller: Caller,
    decode: impl FnOnce(&[u8], Form, Times) -> Result<Batch, Fault> + Send + 'static,
    answer: fn(Form, &LeftOut) -> Vec<u8>,
) -> HttpResponse {
    if let Err(refusal) = caller.authorize().await {
        return refusal;
    }
    let form = match caller.media_type().as_str() {
        "application/x-protobuf" => Form::Protobuf,
        "application/json" => Form::Json,
        other => {
            let why = format!("{other:?} is no OTLP: send application/x-protobuf or application/json");
            return plain(caller.refuse(Protocol::Otlp, unsupported(why)));
        }
    };
    if !caller.push().takes_otlp() {
        let why = "OTLP is not taken here: set `otlp = true` under `[push]`, or VITRINE_PUSH_OTLP=true";
        let refusal = Refusal { status: StatusCode::NOT_FOUND, why: why.into(), retry_after: None };
        return refused(form, caller.refuse(Protocol::Otlp, refusal));
    }
    let encoding = match caller.encoding() {
        Ok(Encoding::Snappy) => {
            let refusal = unsupported("OTLP is compressed by gzip alone".into());
            return refused(form, caller.refuse(Protocol::Otlp, refusal));
        }
        Ok(encoding) => encoding,
        Err(refusal) => return refused(form, caller.refuse(Protocol::Otlp, refusal)),
    };
    let decode = move |body: &[u8], times| Ok((decode(body, form, times)?, ()));
    match caller.receive(Protocol::Otlp, encoding, decode).await {
        Ok((left_out, ())) => {
            HttpResponse::Ok().content_type(content_type(form)).body(answer(form, &left_out))
        }
        Err(refusal) => refused(form, refusal),
    }
}

fn content_type(form: Form) -> &'static str {
    match form {
        Form::Protobuf => "application/x-protobuf",
        Form::Json => "application/json",
    }
}

fn refused(form: Form, refusal: Refusal) -> HttpResponse {
    refusing(&refusal).content_type(content_type(form)).body(otlp::answer_fault(form, &refusal.why))
}
