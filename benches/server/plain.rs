//! Plain actix servers of the same page: what a handler costs alone, and behind the balancer.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::FutureExt;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use serde::{Deserialize, Serialize};
use vitrine::balancer::{Balancer, Config, Handler, Local};
use vitrine::clock::Clock;
use vitrine::http::{bind, block_on};

use super::page::Page;

/// The word of a server's log before its address.
pub const LISTENING: &str = "listening on ";

/// What `http::server` sets too.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What a plain server does.
#[derive(Serialize, Deserialize)]
pub struct Serve {
    /// Where the page was stored.
    pub page: PathBuf,
    /// Http threads.
    pub threads: usize,
    /// Who answers.
    pub by: By,
}

/// Who answers.
#[derive(Serialize, Deserialize)]
pub enum By {
    /// The handler itself.
    Handler,
    /// A worker of vitrine's balancer, with as many as vitrine has.
    Workers,
}

/// The page as a handler needs it: nothing is parsed on a request.
struct Answer {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Answer {
    fn of(page: Page) -> Arc<Answer> {
        let headers =
            page.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Arc::new(Answer { headers: headers.collect(), body: page.body.into() })
    }

    fn respond(&self) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.body(self.body.clone())
    }
}

async fn plain(request: HttpRequest) -> HttpResponse {
    request.app_data::<Arc<Answer>>().expect("every thread has the answer").respond()
}

async fn balanced(request: HttpRequest) -> HttpResponse {
    let local = request.app_data::<Local<(), Arc<Answer>>>().expect("every thread has joined");
    match local.dispatch(()).await {
        Ok((_, answer)) => answer.respond(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// Serves until the process is ended.
pub fn run(serve: Serve) {
    let (answer, threads) = (Answer::of(Page::load(&serve.page)), serve.threads);
    match serve.by {
        By::Handler => {
            listen(threads, move || App::new().app_data(answer.clone()).default_service(web::to(plain)));
        }
        By::Workers => {
            let handler: Handler<(), Arc<Answer>> = Arc::new(move |()| {
                let answer = answer.clone();
                async move { answer }.boxed_local()
            });
            let config = Config { http_threads: threads, ..Config::default() };
            let meter = NoopMeterProvider::new().meter("bench");
            let balancer = Balancer::new(config, handler, Clock::system(), &meter);
            listen(threads, move || {
                App::new().app_data(balancer.join_thread()).default_service(web::to(balanced))
            });
        }
    }
}

/// Listens as vitrine does: the same socket options and limits.
fn listen<F, T>(threads: usize, app: F)
where
    F: Fn() -> App<T> + Send + Clone + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        > + 'static,
{
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    block_on(async {
        let server = HttpServer::new(app)
            .workers(threads)
            .client_request_timeout(REQUEST_HEAD_TIMEOUT)
            .keep_alive(KEEP_ALIVE)
            .disable_signals()
            .listen(listener)
            .unwrap();
        // The kernel holds what comes before the threads are up.
        eprintln!("{LISTENING}{address}");
        server.run().await.unwrap();
    });
}
