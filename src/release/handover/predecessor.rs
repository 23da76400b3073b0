//! The running process, as its successor sees it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use tokio::sync::watch;

use super::channel::Channel;
use super::{Message, PROTOCOL, SocketName, VARIABLE};
use crate::record::access::cut;

/// As much of a reason is told.
const REASON_MAX_BYTES: usize = 16 << 10;

/// Why a process that was started as a successor cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum MeetError {
    /// The channel broke.
    #[error("take over from the running process: {0}")]
    Channel(#[from] io::Error),
    /// It speaks another protocol.
    #[error(
        "take over from the running process: it speaks protocol {0} of the hand-over, and this version {PROTOCOL}: stop it and start this one"
    )]
    Protocol(u32),
    /// It said something else than hello.
    #[error("take over from the running process: it did not say hello")]
    NoHello,
}

/// How far the running process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It serves.
    Serves,
    /// It lets us accept.
    LetsAccept,
    /// It has closed its store.
    SaidBye,
    /// It is gone.
    Gone,
}

/// The process whose place we take.
pub struct Predecessor {
    channel: Arc<Channel>,
    token: String,
    sockets: Vec<(SocketName, OwnedFd)>,
    stage: watch::Receiver<Stage>,
}

impl Predecessor {
    /// Meets the process that started this one as its successor; none when nobody did.
    pub fn meet() -> Result<Option<Predecessor>, MeetError> {
        if std::env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        // The variable may have been inherited from further up; the channel is never.
        let Some(channel) = Channel::from_descriptor(io::stdin().as_fd())? else { return Ok(None) };
        rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
        let met = Predecessor::listen(channel);
        if matches!(met, Ok(None)) {
            // It took along whoever read what we print, and to print would be a fault.
            rustix::stdio::dup2_stderr(File::options().write(true).open("/dev/null")?)
                .map_err(io::Error::from)?;
        }
        met
    }

    // None when it has died meanwhile: then this is an ordinary start.
    pub(super) fn listen(channel: Channel) -> Result<Option<Predecessor>, MeetError> {
        let Some((hello, descriptors)) = channel.receive()? else { return Ok(None) };
        let Message::Hello { protocol, token, sockets } = hello else { return Err(MeetError::NoHello) };
        if protocol != PROTOCOL {
            return Err(MeetError::Protocol(protocol));
        }
        let mut descriptors = descriptors.into_iter();
        let stderr = descriptors.next().ok_or(MeetError::NoHello)?;
        let channel = Arc::new(channel);
        let (sender, stage) = watch::channel(Stage::Serves);
        let listening = channel.clone();
        thread::Builder::new()
            .name("predecessor".into())
            .spawn(move || follow(&listening, stderr, &sender))?;
        Ok(Some(Predecessor {
            channel,
            token,
            sockets: sockets.into_iter().zip(descriptors).collect(),
            stage,
        }))
    }

    /// Returns the word by which the store lets us in.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Takes the sockets that it gave us.
    pub fn take_sockets(&mut self) -> Vec<(SocketName, OwnedFd)> {
        std::mem::take(&mut self.sockets)
    }

    /// Says that everything is proved, and waits until we may accept: when it says so, or is gone.
    pub async fn accepts(&mut self, version: &str, release: &str) {
        self.say(&Message::Ready { version: version.into(), release: release.into() });
        self.reach(Stage::LetsAccept).await;
    }

    /// Says that we accept.
    pub fn serving(&self) {
        self.say(&Message::Serving);
    }

    /// Says why we end.
    pub fn failed(&self, reason: &str) {
        self.say(&Message::Failed { reason: cut(reason, REASON_MAX_BYTES).into() });
    }

    /// Waits until it is gone.
    pub async fn gone(&mut self) {
        self.reach(Stage::Gone).await;
    }

    // One that is gone hears nothing, and is noticed by the thread that listens.
    fn say(&self, message: &Message) {
        _ = self.channel.send(message, &[]);
    }

    async fn reach(&mut self, stage: Stage) {
        // The thread that listens ends with `Gone`, so it cannot fail.
        _ = self.stage.wait_for(|now| *now >= stage).await;
    }
}

fn follow(channel: &Channel, stderr: OwnedFd, stage: &watch::Sender<Stage>) {
    let mut stderr = Some(stderr);
    loop {
        let next = match channel.receive() {
            Ok(Some((Message::Accept, _))) => Stage::LetsAccept,
            Ok(Some((Message::Bye, _))) => Stage::SaidBye,
            // Something that is no word of ours says as little as silence.
            Ok(Some(_)) => continue,
            Ok(None) | Err(_) => Stage::Gone,
        };
        // Until then it reads what we print; nobody does from here on.
        if next >= Stage::SaidBye
            && let Some(stderr) = stderr.take()
        {
            _ = rustix::stdio::dup2_stderr(stderr);
        }
        stage.send_replace(next);
        if next == Stage::Gone {
            return;
        }
    }
}
