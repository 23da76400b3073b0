//! The audit log: who came in, who was refused, and who changed what.
//!
//! A deed is a line of the stream `job="audit"`, kept whatever the log level is; where lines are
//! printed it follows the level, as a line of the target [`AUDIT_TARGET`], which is not captured
//! a second time. It carries the address that the deed came from, also where access records do
//! not: who acts as the owner is told so. It never carries a secret.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tracing::{info, warn};

use crate::clock::Clock;
use crate::record::access::{AUDIT_TARGET, JOB_AUDIT, cut, own_stream};
use crate::record::trace::TraceContext;
use crate::record::{LogRecord, Severity};

/// A longer text is cut: the reasons of a refused reload can be many.
const TEXT_MAX_BYTES: usize = 1_024;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A browser, by the number of its session.
    Session(u32),
    /// A program, by the name of its token.
    Token(String),
    /// A program with the admin password.
    Basic,
    /// Whoever may use the control socket or write the data directory.
    CommandLine,
    /// Whoever may send signals to the process.
    Signal,
    /// Nobody who was let in.
    Stranger,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Session(number) => write!(f, "session {number}"),
            Actor::Token(name) => write!(f, "token {name}"),
            Actor::Basic => f.write_str("basic admin"),
            Actor::CommandLine => f.write_str("command line"),
            Actor::Signal => f.write_str("signal"),
            Actor::Stranger => f.write_str("stranger"),
        }
    }
}

/// What kind of deed it is, by which lines are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody was let in.
    Login,
    /// Somebody was not.
    LoginRefused,
    /// A browser left.
    Logout,
    /// The admin password is another one now.
    PasswordChanged,
    /// The second factor was switched.
    SecondFactor,
    /// One browser's session was ended by another, or all others'.
    SessionEnded,
    /// A token was made.
    TokenMade,
    /// A token was revoked.
    TokenRevoked,
    /// A reload was asked for.
    Reload,
    /// Something else is logged.
    LogLevel,
    /// A worker was told something, or all of them.
    Workers,
    /// A private link was made.
    LinkMade,
    /// A private link was revoked.
    LinkRevoked,
    /// A tagged link was made.
    TagMade,
    /// A tagged link was deleted.
    TagDeleted,
    /// A text of the CV was published.
    CvPublished,
    /// An earlier text of the CV was brought back.
    CvRestored,
    /// A roll-back to another release was begun.
    RollBack,
    /// A release was deployed or rolled back by the command line.
    Release,
    /// A hand-over to another process was asked for.
    HandOver,
}

impl Event {
    /// All of them.
    pub const ALL: &[Event] = &[
        Event::Login,
        Event::LoginRefused,
        Event::Logout,
        Event::PasswordChanged,
        Event::SessionEnded,
        Event::TokenMade,
        Event::TokenRevoked,
        Event::Reload,
        Event::LogLevel,
        Event::Workers,
        Event::LinkMade,
        Event::LinkRevoked,
        Event::TagMade,
        Event::TagDeleted,
        Event::SecondFactor,
        Event::CvPublished,
        Event::CvRestored,
        Event::RollBack,
        Event::Release,
        Event::HandOver,
    ];

    /// Returns the value of the metadata `event_name`.
    pub fn name(self) -> &'static str {
        match self {
            Event::Login => "vitrine.admin.login",
            Event::LoginRefused => "vitrine.admin.login_refused",
            Event::Logout => "vitrine.admin.logout",
            Event::PasswordChanged => "vitrine.admin.password_changed",
            Event::SecondFactor => "vitrine.admin.second_factor",
            Event::SessionEnded => "vitrine.admin.session_ended",
            Event::TokenMade => "vitrine.admin.token_made",
            Event::TokenRevoked => "vitrine.admin.token_revoked",
            Event::Reload => "vitrine.admin.reload",
            Event::LogLevel => "vitrine.admin.log_level",
            Event::Workers => "vitrine.admin.workers",
            Event::LinkMade => "vitrine.admin.link_made",
            Event::LinkRevoked => "vitrine.admin.link_revoked",
            Event::TagMade => "vitrine.admin.tag_made",
            Event::TagDeleted => "vitrine.admin.tag_deleted",
            Event::CvPublished => "vitrine.admin.cv_published",
            Event::CvRestored => "vitrine.admin.cv_restored",
            Event::RollBack => "vitrine.admin.roll_back",
            Event::Release => "vitrine.admin.release",
            Event::HandOver => "vitrine.admin.hand_over",
        }
    }
}

/// One deed, in words; whoever makes one keeps secrets out of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    event: Event,
    is_done: bool,
    text: String,
}

impl Deed {
    /// It was done.
    pub fn done(event: Event, text: impl Into<String>) -> Self {
        Deed { event, is_done: true, text: text.into() }
    }

    /// It was asked for, and was not done.
    pub fn refused(event: Event, text: impl Into<String>) -> Self {
        Deed { event, is_done: false, text: text.into() }
    }

    /// It was done, or was not for a reason that stands behind the words for what was asked.
    pub fn of<E: fmt::Display>(event: Event, asked: &str, outcome: &Result<(), E>) -> Self {
        match outcome {
            Ok(()) => Deed::done(event, asked),
            Err(fault) => Deed::refused(event, format!("{asked}: {fault}")),
        }
    }
}

/// Writes deeds down; clones write to one place.
#[derive(Clone)]
pub struct Audit {
    clock: Clock,
    write: Arc<dyn Fn(LogRecord) + Send + Sync>,
}

impl Audit {
    /// Writes to a function, which does not wait.
    pub fn new(clock: Clock, write: impl Fn(LogRecord) + Send + Sync + 'static) -> Self {
        Audit { clock, write: Arc::new(write) }
    }

    /// Writes one deed of now down.
    pub fn note(&self, actor: &Actor, address: Option<IpAddr>, deed: Deed) {
        let Deed { event, is_done, text } = deed;
        let text = one_line(&text);
        let place = address.map(|address| format!(" from {}", address.to_canonical())).unwrap_or_default();
        let severity = if is_done { Severity::Info } else { Severity::Warn };
        match severity {
            Severity::Info => info!(target: AUDIT_TARGET, "{actor}{place}: {text}"),
            _ => warn!(target: AUDIT_TARGET, "{actor}{place}: {text}"),
        }
        let mut metadata: Vec<(Cow<'static, str>, String)> = vec![
            ("event_name".into(), event.name().into()),
            ("actor".into(), actor.to_string()),
            ("outcome".into(), if is_done { "done" } else { "refused" }.into()),
        ];
        metadata.extend(address.map(|address| ("client_address".into(), address.to_canonical().to_string())));
        if let Some(context) = TraceContext::current() {
            metadata.push(("trace_id".into(), context.trace_id.to_string()));
            metadata.push(("span_id".into(), context.span_id.to_string()));
        }
        let stream = own_stream(JOB_AUDIT, severity);
        (self.write)(LogRecord { at: self.clock.now(), severity, stream, metadata, body: text });
    }
}

/// Writes down what one caller does by one request, on whatever thread it is done.
#[derive(Clone)]
pub struct Witness {
    audit: Audit,
    actor: Actor,
    address: IpAddr,
    trace: Option<TraceContext>,
}

impl Witness {
    /// Stands beside the request that is being answered.
    pub fn of(audit: &Audit, actor: Actor, address: IpAddr) -> Self {
        Witness { audit: audit.clone(), actor, address, trace: TraceContext::current() }
    }

    /// Writes one deed of now down.
    pub fn note(&self, deed: Deed) {
        let _entered = self.trace.map(TraceContext::enter);
        self.audit.note(&self.actor, Some(self.address), deed);
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit(…)")
    }
}

/// A deed is one line, whatever the words in it were typed as.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    cut(text, TEXT_MAX_BYTES).chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::clock::UnixNanos;

    #[test]
    fn a_deed_is_a_line_of_its_own_stream_with_who_and_from_where() {
        let written: Arc<Mutex<Vec<LogRecord>>> = Arc::default();
        let sink = written.clone();
        let audit = Audit::new(Clock::manual(UnixNanos(7)), move |record| sink.lock().unwrap().push(record));
        let address = "::ffff:192.0.2.7".parse().ok();
        audit.note(&Actor::Session(4_711), address, Deed::done(Event::LinkMade, "a link\n\u{1b}[31mfor Ada"));
        let outcome: Result<(), &str> = Err("there is no such worker");
        audit.note(&Actor::Basic, None, Deed::of(Event::Workers, "drain worker 9", &outcome));
        let written = written.lock().unwrap();
        assert_eq!(written[0].body, "a link  [31mfor Ada");
        assert_eq!(written[0].stream.to_string(), r#"{job="audit",level="info",service_name="vitrine"}"#);
        let told = ["event_name", "actor", "client_address", "outcome"].map(|name| written[0].metadata(name));
        assert_eq!(told, ["vitrine.admin.link_made", "session 4711", "192.0.2.7", "done"]);
        assert_eq!(written[1].body, "drain worker 9: there is no such worker");
        assert_eq!((written[1].severity, written[1].metadata("outcome")), (Severity::Warn, "refused"));
        assert_eq!((written[1].at, written[1].metadata("client_address")), (UnixNanos(7), ""));
    }

    #[test]
    fn a_deed_of_many_words_is_cut() {
        assert_eq!(one_line(&"ж".repeat(TEXT_MAX_BYTES)).len(), TEXT_MAX_BYTES);
    }
}
