//! Two processes on one data directory for the moment of a hand-over.

use super::*;
use crate::store::{Opening, Token};

const NS: i64 = START_MS * 1_000_000;

fn open_beside(dir: &Path, token: &Token) -> Result<Store, OpenError> {
    let (config, clock, token) = (Config::default(), clock(), Some(token.clone()));
    Store::open_as(Opening { dir, config, clock, meter: &meter(), token })
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE);
        std::thread::yield_now();
    }
}

#[test]
fn successor_writes_beside_its_predecessor_and_takes_over_what_that_leaves() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), &clock()).close(DEADLINE).unwrap();
    let old = open(dir.path(), &clock());
    old.append_logs(vec![line(NS, "j", "old sealed")]);
    old.close(DEADLINE).unwrap();
    let old = open(dir.path(), &clock());
    old.append_logs(vec![line(NS + 1, "j", "old open")]);
    old.append_scrape(scrape(START_MS, &[(series("s", "a"), 1.0)]));
    old.sync().unwrap();
    let token = old.offer().unwrap();
    let new = open_beside(dir.path(), &token).unwrap();
    assert_eq!(bodies(&new), ["old sealed"], "what the predecessor has open is its own");
    assert!(new.is_beside() && !old.is_beside());
    new.append_logs(vec![line(NS + 3, "j", "new")]);
    new.sync().unwrap();
    // Both accept for a moment.
    old.append_logs(vec![line(NS + 2, "j", "old still open")]);
    old.sync().unwrap();
    assert_eq!(bodies(&old), ["old sealed", "old open", "old still open"]);
    old.close(DEADLINE).unwrap();
    drop(old);
    wait_until(|| {
        new.sync().unwrap();
        !new.is_beside()
    });
    assert_eq!(bodies(&new), ["old sealed", "old open", "old still open", "new"]);
    assert_eq!(values(&new, "s"), [(START_MS, 1.0)]);
    let err = open_with(dir.path(), Config::default(), &clock()).err().unwrap();
    assert!(matches!(err, OpenError::Locked { pid, .. } if pid == std::process::id()));
    new.close(DEADLINE).unwrap();
    let after = open(dir.path(), &clock());
    assert_eq!(bodies(&after).len(), 4);
    after.close(DEADLINE).unwrap();
}

#[test]
fn nobody_else_comes_beside() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path(), &clock());
    let refused = |token: &Token| matches!(open_beside(dir.path(), token), Err(OpenError::Locked { pid, .. }) if pid == std::process::id());
    assert!(refused(&Token::draw()), "nothing is offered");
    let token = old.offer().unwrap();
    assert!(refused(&Token::draw()), "another token");
    let new = open_beside(dir.path(), &token).unwrap();
    assert!(refused(&token), "there is one place");
    new.close(DEADLINE).unwrap();
    drop(new);
    old.withdraw().unwrap();
    assert!(refused(&token), "the offer was taken back");
    old.close(DEADLINE).unwrap();
}

#[test]
fn what_a_successor_wrote_that_went_again_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let old = open(dir.path(), &clock());
    old.append_logs(vec![line(NS, "j", "old")]);
    old.sync().unwrap();
    let token = old.offer().unwrap();
    let gone = open_beside(dir.path(), &token).unwrap();
    gone.append_logs(vec![line(NS + 1, "j", "gone")]);
    gone.sync().unwrap();
    // It dies: its partitions stay as they are.
    let copy = tempfile::tempdir().unwrap();
    copy_tree(dir.path(), copy.path());
    gone.close(DEADLINE).unwrap();
    old.close(DEADLINE).unwrap();
    let after = open(copy.path(), &clock());
    assert_eq!(bodies(&after), ["old", "gone"]);
    after.close(DEADLINE).unwrap();
}

#[test]
fn successor_without_a_predecessor_is_an_ordinary_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_beside(dir.path(), &Token::draw()).unwrap();
    store.append_logs(vec![line(NS, "j", "0")]);
    store.close(DEADLINE).unwrap();
    drop(store);
    let store = open(dir.path(), &clock());
    assert_eq!(bodies(&store), ["0"]);
    store.close(DEADLINE).unwrap();
}
