//! The front: stands before a vitrine in a container that is replaced by another one, and holds
//! requests while there is none.
//!
//! It promises that a request which could not be answered is asked again, for as long as it may
//! be held: one that never left always, one that left only if asking twice changes nothing (RFC
//! 9110, section 9.2.1). It refuses to know what is served; paths, bodies and answers pass
//! through as they are. It speaks plain HTTP/1.1 on both sides.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use awc::error::SendRequestError;
use awc::{Client, ClientResponse, Connector};
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::Semaphore;

use super::server::{BACKLOG, bind};

/// Between two attempts to reach the one behind.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A container that was just removed answers nothing at all for a while.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Longer than any deadline behind; streams begin at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Requests that are held at a time; one more is answered 503.
const HELD_MAX: usize = 2_000;

/// Headers that are about one connection and not about the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What stands where.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where visitors come.
    pub listen: SocketAddr,
    /// Host and port of the vitrine behind; the name is looked up for each connection.
    pub to: String,
    /// A request is held for so long.
    pub hold: Duration,
}

/// Serves until SIGTERM or SIGINT. `ready` is told the address once visitors are let in.
pub async fn serve(config: Config, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let listener = bind(config.listen)?;
    let address = listener.local_addr()?;
    let held = Arc::new(Semaphore::new(HELD_MAX));
    let server = HttpServer::new(move || {
        let connector = Connector::new().timeout(CONNECT_TIMEOUT);
        let client = Client::builder()
            .connector(connector)
            .timeout(ANSWER_TIMEOUT)
            .disable_redirects()
            .no_default_headers()
            .finish();
        let front = Rc::new(Front { config: config.clone(), client, held: held.clone() });
        App::new().app_data(front).default_service(web::to(pass))
    })
    .backlog(BACKLOG.unsigned_abs())
    .listen(listener)?
    .run();
    ready(address);
    Ok(server.await?)
}

struct Front {
    config: Config,
    client: Client,
    held: Arc<Semaphore>,
}

async fn pass(request: HttpRequest, body: web::Payload) -> HttpResponse {
    let front = request.app_data::<Rc<Front>>().expect("the server gives every thread its own").clone();
    let Ok(_place) = front.held.clone().try_acquire_owned() else { return away() };
    let body = Rc::new(RefCell::new(body.into_inner()));
    let begun = Instant::now();
    loop {
        match front.ask(&request, &body).await {
            Ok(answer) => return respond(answer, *request.method() == actix_web::http::Method::HEAD),
            Err(fault) if begun.elapsed() < front.config.hold && may_ask_again(&request, &fault) => {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(SendRequestError::Timeout) => return HttpResponse::GatewayTimeout().finish(),
            Err(SendRequestError::Connect(_)) => return away(),
            Err(_) => return HttpResponse::BadGateway().finish(),
        }
    }
}

fn away() -> HttpResponse {
    let text = "the site is being replaced and will be back in a moment\n";
    HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, "5")).body(text)
}

fn may_ask_again(request: &HttpRequest, fault: &SendRequestError) -> bool {
    // What could not connect has not left; the body waits unread.
    matches!(fault, SendRequestError::Connect(_))
        || (request.method().is_safe() && !has_body(request) && !matches!(fault, SendRequestError::Timeout))
}

fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

impl Front {
    async fn ask(
        &self,
        request: &HttpRequest,
        body: &Rc<RefCell<Payload>>,
    ) -> Result<ClientResponse<impl Stream<Item = Result<Bytes, PayloadError>> + use<>>, SendRequestError>
    {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let mut asked =
            self.client.request(request.method().clone(), format!("http://{}{path}", self.config.to));
        *asked.headers_mut() = passed_on(request.headers());
        if let Some(peer) = request.peer_addr() {
            forwarded(asked.headers_mut(), peer);
        }
        if has_body(request) { asked.send_stream(Shared(body.clone())).await } else { asked.send().await }
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut res = HeaderMap::with_capacity(headers.len() + 2);
    // The length of a body that is passed on piece by piece is told by the pieces.
    let is_left_out = |name: &HeaderName| HOP_BY_HOP.contains(name) || *name == header::CONTENT_LENGTH;
    for (name, value) in headers.iter().filter(|(name, _)| !is_left_out(name)) {
        res.append(name.clone(), value.clone());
    }
    res
}

// The one behind takes the right-most address that is no proxy of its own.
fn forwarded(headers: &mut HeaderMap, peer: SocketAddr) {
    let name = HeaderName::from_static("x-forwarded-for");
    let before: Vec<&str> = headers.get_all(&name).filter_map(|value| value.to_str().ok()).collect();
    let mut all = before.join(", ");
    if !all.is_empty() {
        all.push_str(", ");
    }
    all.push_str(&peer.ip().to_canonical().to_string());
    if let Ok(value) = HeaderValue::from_str(&all) {
        headers.insert(name, value);
    }
    headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("http"));
}

fn respond<S>(answer: ClientResponse<S>, is_head: bool) -> HttpResponse
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let mut response = HttpResponse::build(answer.status());
    for (name, value) in passed_on(answer.headers()).into_iter() {
        response.append_header((name, value));
    }
    let length = answer.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = length {
        response.no_chunking(length);
    }
    match length {
        None if is_head => response.finish(),
        _ => response.streaming(answer),
    }
}

/// A body that stays with the request while an attempt to send it fails.
struct Shared(Rc<RefCell<Payload>>);

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}
