use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use super::channel::Channel;
use super::*;

fn pair() -> (Channel, Channel) {
    let (ours, theirs) = Channel::pair().unwrap();
    (ours, Channel::from_descriptor(theirs.as_fd()).unwrap().unwrap())
}

fn hello(protocol: u32) -> Message {
    let asked = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let sockets = vec![SocketName { part: "http".into(), asked, is_managers: false }];
    Message::Hello { protocol, token: "t".into(), sockets }
}

/// A process whose standard error may be taken.
fn descriptors() -> [OwnedFd; 2] {
    [File::open("/dev/null").unwrap().into(), File::open("/dev/zero").unwrap().into()]
}

#[test]
fn messages_arrive_with_their_descriptors_and_the_end_is_told() {
    let (ours, theirs) = pair();
    let [null, zero] = descriptors();
    ours.send(&hello(1), &[null.as_fd(), zero.as_fd()]).unwrap();
    ours.send(&Message::Accept, &[]).unwrap();
    let (message, given) = theirs.receive().unwrap().unwrap();
    assert_eq!((message, given.len()), (hello(1), 2));
    let mut byte = [1];
    rustix::io::read(&given[1], &mut byte).unwrap();
    assert_eq!(byte, [0], "the second one is /dev/zero");
    assert_eq!(theirs.receive().unwrap().unwrap().0, Message::Accept);
    drop(ours);
    assert!(theirs.receive().unwrap().is_none());
    assert!(theirs.send(&Message::Serving, &[]).is_err());
}

#[test]
fn what_is_no_channel_and_no_message_is_told_apart() {
    let file = File::open("/dev/null").unwrap();
    assert!(Channel::from_descriptor(file.as_fd()).unwrap().is_none());
    let (ours, theirs) = pair();
    assert!(ours.send(&Message::Failed { reason: "x".repeat(1 << 20) }, &[]).is_err());
    ours.send(&Message::Failed { reason: "why".into() }, &[]).unwrap();
    assert_eq!(theirs.receive().unwrap().unwrap().0, Message::Failed { reason: "why".into() });
}

#[tokio::test]
async fn a_successor_hears_when_it_may_accept_also_by_a_death() {
    for is_killed in [false, true] {
        let (ours, theirs) = pair();
        let [null, zero] = descriptors();
        ours.send(&hello(PROTOCOL), &[null.as_fd(), zero.as_fd()]).unwrap();
        let mut predecessor = Predecessor::listen(theirs).unwrap().unwrap();
        assert_eq!(predecessor.token(), "t");
        assert_eq!(predecessor.take_sockets().len(), 1);
        let other = tokio::task::spawn_blocking(move || {
            let ready = ours.receive().unwrap().unwrap().0;
            assert_eq!(ready, Message::Ready { version: "1".into(), release: "r".into() });
            if !is_killed {
                ours.send(&Message::Accept, &[]).unwrap();
                assert_eq!(ours.receive().unwrap().unwrap().0, Message::Serving);
            }
        });
        predecessor.accepts("1", "r").await;
        predecessor.serving();
        predecessor.gone().await;
        other.await.unwrap();
    }
}

#[test]
fn another_protocol_is_refused_and_a_silent_death_is_none() {
    let (ours, theirs) = pair();
    ours.send(&hello(PROTOCOL + 1), &[]).unwrap();
    assert!(matches!(Predecessor::listen(theirs), Err(MeetError::Protocol(_))));
    let (ours, theirs) = pair();
    ours.send(&Message::Accept, &[]).unwrap();
    assert!(matches!(Predecessor::listen(theirs), Err(MeetError::NoHello)));
    let (ours, theirs) = pair();
    drop(ours);
    assert!(Predecessor::listen(theirs).unwrap().is_none());
}
