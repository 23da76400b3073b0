//! Visitors: who looked at the CV, without a cookie and without anybody's address.
//!
//! A request that showed a document of the CV leaves a [`View`] in its access record. Off the request
//! path [`Visitors::see`] makes the metadata of that line from it: who looked, with which browser,
//! or which program it was, where they came from, and in which language they read. It counts the
//! day that is as well ([`tally`]). It refuses to know where lines are kept and who asks for them.
//!
//! # Who is a visitor, and why that is nobody's business
//!
//! A visitor is a keyed hash (HMAC-SHA-256, the first 8 bytes) of the address and the agent, under
//! a random salt that lives for one day of UTC ([`salt`]). So one who comes twice in a day counts
//! once, which is what an owner wants to know, and nobody can be followed from one day to the next.
//! Plausible and GoatCounter tell visitors apart in this way.
//!
//! - Nothing is stored on the visitor's machine and nothing is read from it: no cookie, no storage,
//!   no script, no fingerprint.
//! - The address is used in memory and never written: not to the log, not to a file, not to OTLP.
//!   `http.log_addresses` is another question, with another answer by default: no.
//! - While the day lasts, who has the salt and an address can find that address's lines, and the
//!   owner has both in principle. When the day is over the salt is overwritten, and then the hash
//!   of every address is as likely as that of every other: what is left are numbers.
//! - Of the page that led here the host is kept and never its path or query; of the own query the
//!   tag `via` alone, which whoever made the link chose.
//! - People behind one address with one browser are one visitor, and one person with two devices
//!   is two. Of IPv6 the /64 counts, which is one household as one IPv4 address is.

pub mod agent;
pub mod country;
pub mod day;
pub mod referrer;
pub mod salt;
pub mod tagged;
pub mod tally;
pub mod via;

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, Mac};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use sha2::Sha256;

use crate::clock::UnixNanos;
use crate::record::address::network;
use crate::record::trace::SpanId;
use crate::record::view::{CvDocument, fields};
use crate::record::{AccessRecord, View};

use agent::Agent;
use country::{Countries, CountriesError};
use day::Day;
use salt::{Salt, Salts};
use tagged::Tagged;
use tally::{Numbers, Reading, Seen, Tally};

/// What can be configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// A database that says the country of an address.
    pub countries: Option<PathBuf>,
}

impl Config {
    /// Reads the database of countries, if one is given.
    pub fn read(&self) -> Result<Option<Countries>, CountriesError> {
        self.countries.as_deref().map(Countries::read).transpose()
    }
}

/// Metadata of one line.
pub type Fields = Vec<(Cow<'static, str>, String)>;

/// Visitors that are remembered, so that one who asks again is not hashed again: a busy day's, and
/// 50 kB.
const KNOWN_MAX: usize = 512;

/// Agents that are remembered: visitors are many, and most of them have one of some dozen.
const AGENTS_MAX: usize = 128;

/// Says who looked, and counts.
pub struct Visitors {
    tagged: Arc<Tagged>,
    /// Held by the one thread that sees views, and for a moment by a reload.
    identify: Mutex<Identify>,
    /// Held for as long as it takes to count one, and to read the numbers.
    tally: Mutex<Tally>,
    /// The day that it counts, to be looked at for each view.
    day: AtomicI64,
    /// When this process began to count.
    since: UnixNanos,
}

/// What is needed to say who somebody is.
struct Identify {
    salts: Salts,
    countries: Option<Countries>,
    /// Each at the place that its key says, until another takes it.
    known: Vec<Option<Known>>,
    /// Likewise.
    agents: Vec<Option<(u64, Agent)>>,
    /// For the keys: no address is held, not even here.
    keys: RandomState,
}

#[derive(Clone)]
struct Known {
    key: u64,
    day: Day,
    visitor: u64,
    agent: Agent,
    country: Option<String>,
}

impl Visitors {
    /// Begins to count; the salt of a day that is over is destroyed. What was seen of this day
    /// before is added by [`Visitors::add_earlier`].
    pub fn open(data: &Path, tagged: Arc<Tagged>, countries: Option<Countries>, now: UnixNanos) -> Visitors {
        let mut salts = Salts::new(data);
        salts.forget_before(Day::of(now));
        let (known, agents) = (vec![None; KNOWN_MAX], vec![None; AGENTS_MAX]);
        let identify = Identify { salts, countries, known, agents, keys: RandomState::new() };
        Visitors {
            tagged,
            identify: Mutex::new(identify),
            tally: Mutex::new(Tally::begin(now)),
            day: AtomicI64::new(Day::of(now).0),
            since: now,
        }
    }

    /// Returns the tagged links.
    pub fn tagged(&self) -> &Arc<Tagged> {
        &self.tagged
    }

    /// Takes another database of countries, or none.
    pub fn use_countries(&self, countries: Option<Countries>) {
        let mut identify = lock(&self.identify);
        identify.countries = countries;
        identify.known.fill(None);
    }

    /// Counts a view and adds what its line says of it.
    pub fn see(&self, record: &AccessRecord, view: &View, to: &mut Fields) {
        let agent = record.user_agent.as_deref().unwrap_or_default();
        let known = lock(&self.identify).who(Day::of(record.at), view.address, agent);
        let via = view.via.as_deref().map(via::tidy);
        let seen = Seen {
            visitor: known.visitor,
            document: view.shown.document,
            lang: &view.shown.lang,
            is_bot: matches!(known.agent, Agent::Bot(_)),
            via: via.as_deref().filter(|tag| self.tagged.has(tag)),
        };
        lock(&self.tally).count(record.at, record.trace.span_id, seen);
        let (browser, os, bot) = match known.agent {
            Agent::Person { browser, os } => (browser, os, None),
            Agent::Bot(name) => (None, None, Some(name.into_owned())),
        };
        let mut add = |name: &'static str, value: Option<String>| {
            to.extend(value.map(|value| (Cow::Borrowed(name), value)));
        };
        add(fields::DOCUMENT, Some(view.shown.document.as_str().into()));
        add(fields::VISITOR, Some(format!("{:016x}", known.visitor)));
        add(fields::LANG, Some(&*view.shown.lang).filter(|lang| !lang.is_empty()).map(str::to_string));
        add(fields::BROWSER, browser.map(str::to_string));
        add(fields::OS, os.map(str::to_string));
        add(fields::BOT, bot);
        add(fields::REFERRER_HOST, view.referrer_host.as_deref().map(referrer::tidy));
        add(fields::VIA, via);
        add(fields::COUNTRY, known.country);
    }

    /// Whether the day that is counted is over.
    pub fn is_day_over(&self, now: UnixNanos) -> bool {
        lock(&self.tally).is_over(now)
    }

    /// Begins the day of a moment, with a salt of its own; returns the day that ended with its last
    /// readings.
    pub fn turn(&self, now: UnixNanos) -> (Day, Vec<Reading>) {
        lock(&self.identify).salts.of(Day::of(now));
        let mut tally = lock(&self.tally);
        self.day.store(Day::of(now).0, Ordering::Relaxed);
        (tally.day(), tally.turn(now))
    }

    /// Returns the day that is counted.
    pub fn day(&self) -> Day {
        Day(self.day.load(Ordering::Relaxed))
    }

    /// Returns the day that is counted, and when this process began to.
    pub fn counting(&self) -> (Day, UnixNanos) {
        (self.day(), self.since)
    }

    /// Whether the view of a span, of a line since this process began, is counted already.
    pub fn has_counted(&self, span: SpanId) -> bool {
        lock(&self.tally).has_counted(span)
    }

    /// Adds the views of a day that others have seen, or nothing when they could not be read.
    pub fn add_earlier(&self, day: Day, earlier: Option<Numbers>) {
        let mut tally = lock(&self.tally);
        match earlier {
            Some(earlier) => tally.add_earlier(day, earlier),
            None => tally.give_up_earlier(day),
        }
    }

    /// Counts the view that a line tells of, if it tells of one.
    pub fn count_line<'l>(&self, numbers: &mut Numbers, metadata: impl Fn(&str) -> &'l str) {
        let Some(document) = CvDocument::from_name(metadata(fields::DOCUMENT)) else { return };
        let Ok(visitor) = u64::from_str_radix(metadata(fields::VISITOR), 16) else { return };
        numbers.count(Seen {
            visitor,
            document,
            lang: metadata(fields::LANG),
            is_bot: !metadata(fields::BOT).is_empty(),
            via: Some(metadata(fields::VIA)).filter(|tag| self.tagged.has(tag)),
        });
    }

    /// Reads the numbers of the day.
    pub fn readings(&self) -> Vec<Reading> {
        lock(&self.tally).readings()
    }
}

/// Every change is whole, so a poisoned state is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers the numbers of the day as gauges of a meter.
pub fn observe(
    visitors: &Arc<Visitors>,
    meter: &Meter,
    now: impl Fn() -> UnixNanos + Clone + Send + Sync + 'static,
) {
    for instrument in tally::INSTRUMENTS {
        let (visitors, now) = (Arc::downgrade(visitors), now.clone());
        meter
            .u64_observable_gauge(instrument.name)
            .with_unit(instrument.unit)
            .with_description(instrument.help)
            .with_callback(move |observer| {
                let Some(visitors) = visitors.upgrade() else { return };
                // For the moment until another day begins nobody is told yesterday's as today's.
                if visitors.is_day_over(now()) {
                    return;
                }
                for reading in visitors.readings() {
                    if reading.instrument == instrument {
                        let attributes = reading.attributes.into_iter();
                        let attributes: Vec<KeyValue> =
                            attributes.map(|(key, value)| KeyValue::new(key, value)).collect();
                        observer.observe(reading.value, &attributes);
                    }
                }
            })
            .build();
    }
}

impl Identify {
    fn who(&mut self, day: Day, address: IpAddr, agent: &str) -> Known {
        let place = network(address);
        let key = self.keys.hash_one((place, agent));
        let slot = (key % KNOWN_MAX as u64) as usize;
        match &self.known[slot] {
            Some(known) if known.key == key && known.day == day => known.clone(),
            _ => {
                let known = Known {
                    key,
                    day,
                    visitor: hashed(&self.salts.of_or_after(day), place, agent),
                    agent: self.agent(agent),
                    country: self.countries.as_ref().and_then(|countries| countries.of(address)),
                };
                self.known[slot] = Some(known.clone());
                known
            }
        }
    }
}

impl Identify {
    fn agent(&mut self, text: &str) -> Agent {
        let key = self.keys.hash_one(text);
        let slot = (key % AGENTS_MAX as u64) as usize;
        match &self.agents[slot] {
            Some((known, agent)) if *known == key => agent.clone(),
            _ => {
                let agent = Agent::read(text);
                self.agents[slot] = Some((key, agent.clone()));
                agent
            }
        }
    }
}

/// Returns who somebody is under a salt.
fn hashed(salt: &Salt, address: IpAddr, agent: &str) -> u64 {
    let octets = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let mac: Hmac<Sha256> = Hmac::new_from_slice(salt).expect("a key of any length will do");
    let hash = mac.chain_update(octets).chain_update(agent).finalize().into_bytes();
    u64::from_be_bytes(hash[..8].try_into().expect("eight of 32 bytes"))
}

#[cfg(test)]
mod tests;
