//! One end of the channel: messages, whole or not at all, with descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown,
    socketpair, sockopt,
};

use super::Message;

/// A longer message is refused; the longest tells why a start failed.
const MESSAGE_MAX_BYTES: usize = 32 << 10;

/// Descriptors that travel with one message: http, https, and two for each address of the
/// forward protocol.
const DESCRIPTORS_MAX: usize = 64;

/// An end; the other one notices when it is dropped.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends. Neither survives an `exec` by itself.
    pub fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Channel(ours), theirs))
    }

    /// Takes a descriptor that may be an end; none when it is something else.
    pub fn from_descriptor(fd: BorrowedFd<'_>) -> io::Result<Option<Channel>> {
        if sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::SEQPACKET) {
            Ok(Some(Channel(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)))
        } else {
            Ok(None)
        }
    }

    /// Sends a message; never waits. An error means that the other end is gone or does not read.
    pub fn send(&self, message: &Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        if text.len() > MESSAGE_MAX_BYTES || descriptors.len() > DESCRIPTORS_MAX {
            return Err(io::Error::other("a message of a hand-over is too long"));
        }
        let beside = SendAncillaryMessage::ScmRights(descriptors);
        let mut space = vec![MaybeUninit::uninit(); beside.size()];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(beside);
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.0, &[IoSlice::new(&text)], &mut control, flags)?;
        Ok(())
    }

    /// Waits for a message; none when the other end is gone. Descriptors close on `exec`.
    pub fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let mut text = vec![0; MESSAGE_MAX_BYTES];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let flags = RecvFlags::CMSG_CLOEXEC;
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut text)], &mut control, flags) {
                Err(rustix::io::Errno::INTR) => {}
                // So an end is told whose peer died with messages unread.
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                received => break received?,
            }
        };
        let descriptors = control.drain().filter_map(|beside| match beside {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptors = descriptors.flatten().collect();
        if received.bytes == 0 {
            return Ok(None);
        }
        let message = serde_json::from_slice(&text[..received.bytes])
            .map_err(|fault| io::Error::other(format!("not a message of a hand-over: {fault}")))?;
        Ok(Some((message, descriptors)))
    }

    /// Ends the conversation, also for whoever waits in [`Channel::receive`] on this end.
    pub fn close(&self) {
        // A peer that is gone has ended it already.
        _ = shutdown(self.0.as_fd(), Shutdown::Both);
    }
}
