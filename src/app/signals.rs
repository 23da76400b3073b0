//! The signals that we answer to, caught on a thread of their own.
//!
//! It is there before the slow work of starting begins: a SIGHUP that arrives meanwhile is a
//! reload right after it, not the end of the process, and whatever the main thread may be
//! stuck in, the second request to stop ends the process.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// A second request to stop this soon after the first is the same one: some supervisors
/// signal the process and then its group.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// What the thread hears.
pub(super) struct Signals {
    /// One item for SIGHUPs that no reload has begun for yet.
    pub(super) reload: mpsc::Receiver<()>,
    /// One item for SIGUSR2s that no hand-over has begun for yet.
    pub(super) upgrade: mpsc::Receiver<()>,
    /// Whether somebody asked to stop.
    pub(super) stop: Stop,
}

/// Holds the name of the signal that asked to stop, once one did.
pub(super) struct Stop(watch::Receiver<Option<&'static str>>);

impl Signals {
    /// Starts the thread, which lives as long as the process.
    pub(super) fn catch() -> anyhow::Result<Self> {
        let (reload_sender, reload) = mpsc::channel(1);
        let (upgrade_sender, upgrade) = mpsc::channel(1);
        let (stop_sender, stop) = watch::channel(None);
        let (caught_sender, caught) = std::sync::mpsc::channel();
        let listen = async move {
            let outcome = listen(reload_sender, upgrade_sender, stop_sender, &caught_sender).await;
            // The other end has gone when the signals had been caught, and then this is not reached.
            _ = caught_sender.send(outcome);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || runtime.block_on(listen))
            .context("start the thread for signals")?;
        caught.recv().context("catch signals")??;
        Ok(Signals { reload, upgrade, stop: Stop(stop) })
    }
}

impl Stop {
    /// Waits until somebody asks to stop; returns the signal's name.
    pub(super) async fn requested(&mut self) -> &'static str {
        let named = self.0.wait_for(Option::is_some).await;
        named.ok().and_then(|name| *name).expect("the thread lives as long as the process")
    }
}

async fn listen(
    reload: mpsc::Sender<()>,
    upgrade: mpsc::Sender<()>,
    stop: watch::Sender<Option<&'static str>>,
    caught: &std::sync::mpsc::Sender<std::io::Result<()>>,
) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut user2 = signal(SignalKind::user_defined2())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Whoever waits for it has not gone: it waits for nothing else.
    _ = caught.send(Ok(()));
    let mut first: Option<Instant> = None;
    loop {
        let name = tokio::select! {
            _ = hangup.recv() => {
                // A full channel holds a reload that has not begun, which will see this change too.
                _ = reload.try_send(());
                continue;
            }
            _ = user2.recv() => {
                // One that waits will start whatever is on disk by then.
                _ = upgrade.try_send(());
                continue;
            }
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        match first {
            None => {
                first = Some(Instant::now());
                stop.send_replace(Some(name));
            }
            Some(at) if at.elapsed() < SAME_REQUEST => {}
            Some(_) => {
                eprintln!("vitrine: {name} again: ending at once, the last second of records may be lost");
                std::process::exit(1);
            }
        }
    }
}
