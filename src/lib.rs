//! vitrine: a person's CV, served and watched by one process.
//!
//! # Bird's-eye view
//!
//! A folder with a `cv.yaml` becomes an [`http::Edition`]: every public document, rendered,
//! compressed and hashed once. Requests become jobs for the [`balancer`], whose workers answer
//! them from the edition in force. Every request leaves one access record, every log line one
//! log record, and every ten seconds all instruments are read; the [`store`] keeps all of it in a
//! bound that holds, [`query`] reads it, and `/admin` shows it. The same records go out by OTLP
//! when an owner runs Prometheus and Loki, and come in from other programs through [`ingest`].
//!
//! Begin reading at [`app`]: its `serve` builds everything in order and takes it down in reverse.
//!
//! # Map
//!
//! Imports go down; parts on one row do not know each other (`tests/tidy.rs` refuses anything
//! else).
//!
//! | row | parts |
//! | --- | --- |
//! | 1 | `main`: arguments, exit codes |
//! | 2 | [`app`]: builds, wires, runs, reloads, drains |
//! | 3 | [`config`]: composes the parts' own Configs from file, environment and flags |
//! | 4 | [`http`]: visitors and operators; [`telemetry`]: observers; [`release`]: the next version, and its installation |
//! | 5 | [`query`]: PromQL and LogQL over one vector algebra, and rules; [`ingest`]: other programs' formats |
//! | 6 | [`pages`]: view structs to markup; [`balancer`]: worker tasks; [`store`]: sled; [`visitors`]: who looked at the CV |
//! | 7 | [`cv`]: the document; [`record`]: what we say about ourselves; [`clock`]: time; [`pace`]: whose turn it is; [`files`]: whole after a crash; [`heap`]: memory given back |
//!
//! # Invariants
//!
//! - **A reload is all or nothing.** Everything is read, checked, built and proved before
//!   anything changes; a request keeps the edition that it began with.
//! - **The site's folder is written by the editor alone**, by whole files, over what was seen,
//!   and only with what a reload then shows; the text before is kept.
//! - **Nothing private leaves by oversight.** Pages and exports take a [`cv::Disclosed`], which
//!   only [`cv::Cv::disclose`] makes.
//! - **Telemetry never hurts a request.** Rings and queues are bounded, drop and count; nothing
//!   on the request path locks, formats, or touches a disk.
//! - **A panic costs one request.** It is caught around that job's poll; the worker's other jobs
//!   go on, and the profile unwinds.
//! - **Everything is bounded**: bodies, queues, label sets, series, streams, bytes on disk, time.
//! - **Wall time stamps, monotonic time measures**, and only [`clock`] reads the wall clock.
//!
//! # One page request
//!
//! actix accepts on one of the http threads. `http::observe` starts a guard with the clock and the
//! trace ids (the caller's `traceparent` or new ones). `http::public` makes a [`http::Job`] that
//! holds the edition in force and dispatches it: the balancer picks the less loaded of two of this
//! thread's workers, which finds the document by its path ([`http::answer`]). The reply becomes a
//! response whose body carries the guard. When the last byte was handed over, or the client left,
//! the guard is dropped: one bound histogram, one counter, one [`record::AccessRecord`] into a ring.
//! Within 100 ms the pipeline thread of `app` turns it into a log line, for the store and for OTLP.
//!
//! # One query
//!
//! Grafana, `vitrine query` or a rule brings a text. [`query::promql`] makes a tree of it, with the
//! place of every part, then a plan, in which the moments of the query are put in and what is the
//! same at each of them stands apart. The evaluator reads each series once through
//! [`record::read::MetricRead`], makes a row of it, one value a moment, and lets its samples go;
//! [`query::algebra`] does the rest on whole rows. A text about logs becomes a tree by
//! [`query::logql`]; what the store need not hand over is read off it, and its stages are compiled
//! and run line by line through [`record::read::LogRead`]: into an answer, or folded into series on
//! which the same algebra works. All of it happens on the heavy lane, within a
//! count of values and a time, and ends when nobody waits.
//!
//! # One hand-over
//!
//! `vitrine upgrade` asks `app::hand_over`, which starts the binary that now lies at the path of this
//! process with one end of a channel as its standard input ([`release::handover`] has the words).
//! The successor does all of a start but to accept, with the listening sockets it was given and the
//! store opened beside ours; then it accepts too, and this process only finishes. Until a second after
//! that it could go on as if nothing had been. Each writes partitions of its own generation, so
//! neither waits for the other's lock; the successor takes up what is left when we are gone.
//!
//! # One SIGHUP
//!
//! `app::serve` was asleep in `select!` and calls `app::reload`. Off the async threads it reads the
//! configuration again, refuses what cannot change while running, parses the CV, renders and
//! compresses everything, and answers every page of the new edition once. A fault at any of these
//! steps changes nothing: it is logged, shown in `/admin` and `/health`, counted, and returned to
//! whoever asked. Then one swap, after which the old edition ends with its last request.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod config;

pub mod http;
pub mod release;
pub mod telemetry;

pub mod ingest;
pub mod query;

pub mod balancer;
pub mod pages;
pub mod store;
pub mod visitors;

pub mod clock;
pub mod cv;
pub mod files;
pub mod heap;
pub mod pace;
pub mod record;
