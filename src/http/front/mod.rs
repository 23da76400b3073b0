//! The front: stands before a vitrine in a container that is replaced by another one, and holds
//! requests while there is none.
//!
//! It promises that a request which did not reach the one behind is held and asked again, for as
//! long as it may be held. One that may have reached it is asked again once, and only when asking
//! twice changes nothing (RFC 9110, section 9.2.1). It refuses to know what is served; paths,
//! bodies and answers pass through as they are. It speaks plain HTTP/1.1 on both sides.

mod answer;
mod client;
mod headers;
mod hold;
mod journal;
mod refusal;
mod request;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use answer::Answer;
use client::Fault;
pub use client::{Destination, DestinationError};
use hold::Gate;
use journal::Journal;
use request::Asked;

use super::client::is_trusted;
use super::limits::{Admitted, Connections};
use super::server::{BACKLOG, KEEP_ALIVE, REQUEST_HEAD_TIMEOUT, bind, stream_of};
use crate::clock::Clock;
use crate::record::address::network;

/// Requests in hand, to the last byte of their answers, and streams are among them; one more is
/// answered 503. Each has two sockets, and the usual limit of a container is far above that.
const IN_HAND_MAX: usize = 4_000;

/// Connections of one address: the one behind sees one address, the front's, and cannot tell.
/// It is what `http.connections_per_address` is by default.
const CONNECTIONS_PER_ADDRESS: u64 = 256;

/// Whose word about visitors is taken by default: this machine and private networks, Docker's own
/// among them.
pub const TRUSTED: &str = "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7";

/// Before what was lost is asked again: who was just killed may accept for a moment still.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);

/// What stands where.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where visitors come.
    pub listen: SocketAddr,
    /// The vitrine behind; its name is looked up for each connection.
    pub to: Destination,
    /// A request is held for so long, from when it is first known that it cannot be answered.
    pub hold: Duration,
    /// Proxies whose word about visitors is passed on; that of others is left out.
    pub trusted: Vec<IpNet>,
}

/// Serves until SIGTERM or SIGINT. `ready` is told the address once visitors are let in.
pub async fn serve(config: Config, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let listener = bind(config.listen)?;
    let address = listener.local_addr()?;
    let journal = Arc::new(Journal::new(Clock::system()));
    let front = Arc::new(Front {
        gate: Gate::new(config.to.clone(), journal.clone()),
        in_hand: Arc::new(Semaphore::new(IN_HAND_MAX)),
        journal,
        config,
    });
    let (for_connections, connections) = (front.clone(), Connections::default());
    let server = HttpServer::new(move || App::new().app_data(front.clone()).default_service(web::to(pass)))
        .on_connect(move |connection, data| {
            let address = stream_of(connection).and_then(|stream| stream.peer_addr().ok());
            let admit = |address: SocketAddr| for_connections.admit(&connections, address.ip());
            if let Some(admitted) = address.and_then(admit) {
                data.insert(admitted);
            }
        })
        .client_request_timeout(REQUEST_HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(crate::http::DRAIN_GRACE.as_secs())
        .backlog(BACKLOG.unsigned_abs())
        .listen(listener)?
        .run();
    ready(address);
    Ok(server.await?)
}

/// Reads a network, or an address as the network of itself.
pub fn read_network(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse())
}

/// What all threads share.
struct Front {
    config: Config,
    gate: Arc<Gate>,
    in_hand: Arc<Semaphore>,
    journal: Arc<Journal>,
}

async fn pass(request: HttpRequest, body: web::Payload) -> HttpResponse {
    let front = request.app_data::<Arc<Front>>().expect("the server gives it to every thread");
    if *request.method() == Method::CONNECT {
        return refusal::no_tunnel();
    }
    if let Some(Admitted::TooMany) = request.conn_data::<Admitted>() {
        return refusal::too_many_connections();
    }
    let Ok(place) = front.in_hand.clone().try_acquire_owned() else {
        front.journal.complain(&format!("more than {IN_HAND_MAX} requests are in hand"));
        return refusal::away();
    };
    let Some(asked) = Asked::of(&request, body.into_inner(), &front.config.trusted) else {
        return refusal::bad_request();
    };
    match front.ask(&asked).await {
        Ok(answer) => answer.respond(&request, place, front.journal.clone()),
        Err(fault) => {
            if !matches!(fault, Fault::Upload) {
                front.journal.complain(&fault.to_string());
            }
            refusal::of(&fault)
        }
    }
}

impl Front {
    /// Asks until there is an answer, or no use in asking.
    async fn ask(&self, asked: &Asked) -> Result<Answer, Fault> {
        let mut may_repeat = asked.is_repeatable();
        let mut until = None;
        if self.gate.is_away() {
            self.hold(&mut until).await?;
        }
        loop {
            match client::ask(&self.config.to, asked).await {
                Err(fault @ Fault::NotReached { .. }) => {
                    // When it is held for too long, why it was is of more use than that it was.
                    if self.hold(&mut until).await.is_err() {
                        return Err(fault);
                    }
                }
                Err(Fault::Lost(_)) if may_repeat => {
                    may_repeat = false;
                    tokio::time::sleep(REPEAT_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits until the one behind can be reached; `until` is set the first time.
    async fn hold(&self, until: &mut Option<Instant>) -> Result<(), Fault> {
        let until = *until.get_or_insert_with(|| Instant::now() + self.config.hold);
        self.gate.wait(until).await
    }

    /// Counts a connection of an address; a trusted proxy stands for many.
    fn admit(&self, connections: &Connections, address: IpAddr) -> Option<Admitted> {
        let address = address.to_canonical();
        if is_trusted(address, &self.config.trusted) {
            return None;
        }
        let entered = connections.enter(network(address), CONNECTIONS_PER_ADDRESS);
        Some(entered.map_or(Admitted::TooMany, |connection| Admitted::Counted { _connection: connection }))
    }
}
