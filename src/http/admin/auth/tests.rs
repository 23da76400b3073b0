//! The door, knocked at in every way.

use std::net::Ipv4Addr;

use futures_util::FutureExt;

use super::*;
use crate::balancer::{Lane, Lanes};
use crate::clock::UnixNanos;
use crate::record::LogRecord;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LIFETIMES: Lifetimes =
    Lifetimes { idle_max: Duration::from_secs(3_600), age_max: Duration::from_secs(7_200) };

fn here() -> Visitor {
    Visitor::new(HERE, "Mozilla/5.0")
}

struct Door {
    dir: tempfile::TempDir,
    clock: Clock,
    auth: Auth,
    password: String,
    written: Written,
}

/// What was written down.
type Written = Arc<Mutex<Vec<LogRecord>>>;

impl Door {
    /// Returns what was written down so far: who, from where, what.
    fn audit(&self) -> Vec<String> {
        let written = self.written.lock().unwrap();
        let line = |record: &LogRecord| {
            let from = record.metadata("client_address");
            format!(
                "{} {from} {}",
                record.metadata("actor").trim_end_matches(|c: char| c.is_numeric()),
                record.body
            )
        };
        written.iter().map(line).collect()
    }
}

fn heavy() -> Lane {
    Lanes::new(Duration::from_millis(100), &opentelemetry::global::meter("test")).heavy
}

fn door() -> Door {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixNanos(0));
    let (auth, generated, written) = open(dir.path(), None, &clock);
    Door { dir, clock, auth, password: generated.unwrap().reveal().to_string(), written }
}

fn open(
    dir: &Path,
    password_from_env: Option<&str>,
    clock: &Clock,
) -> (Auth, Option<GeneratedPassword>, Written) {
    let written = Written::default();
    let sink = written.clone();
    let audit = Audit::new(clock.clone(), move |record| sink.lock().unwrap().push(record));
    let (lifetimes, clock, heavy) = (LIFETIMES, clock.clone(), heavy());
    let (auth, generated) =
        Auth::open(Opening { dir, password_from_env, lifetimes, clock, heavy, audit }).unwrap();
    (auth, generated, written)
}

#[tokio::test]
async fn password_is_made_once_and_lets_in() {
    let door = door();
    let token = door.auth.login(door.password.clone(), "", here()).await.unwrap();
    assert!(door.auth.visit(&token).await.is_some());
    door.auth.logout(&token);
    assert!(door.auth.visit(&token).await.is_none());
    let (again, generated, _) = open(door.dir.path(), None, &door.clock);
    assert!(generated.is_none());
    assert!(again.login(door.password, "", here()).await.is_ok());
}

#[tokio::test]
async fn sessions_and_basic_die_with_the_password() {
    let door = door();
    let token = door.auth.login(door.password.clone(), "", here()).await.unwrap();
    door.auth.basic(door.password.clone(), HERE).await.unwrap();
    super::super::password::set(door.dir.path(), "another password").unwrap();
    door.clock.advance(FILE_CHECK_INTERVAL);
    assert!(!door.auth.is_alive(&token).await);
    assert_eq!(door.auth.basic(door.password, HERE).await, Err(LoginError::Wrong));
    assert!(door.auth.login("another password".into(), "", here()).await.is_ok());
}

#[tokio::test]
async fn broken_password_file_changes_nothing() {
    let door = door();
    let token = door.auth.login(door.password.clone(), "", here()).await.unwrap();
    std::fs::write(door.dir.path().join(super::super::password::FILE_NAME), "{").unwrap();
    door.clock.advance(FILE_CHECK_INTERVAL);
    assert!(door.auth.is_alive(&token).await);
    assert!(door.auth.login(door.password, "", here()).await.is_ok());
}

#[tokio::test]
async fn remembered_basic_credential_costs_no_hash_and_expires() {
    let door = door();
    door.auth.basic(door.password.clone(), HERE).await.unwrap();
    let others: Vec<Place> = (0..CREDENTIALS_MAX as u8).map(|n| door.auth.enter([n; 32]).unwrap()).collect();
    assert!(door.auth.basic(door.password.clone(), HERE).await.is_ok());
    assert_eq!(door.auth.basic("guess guess".into(), HERE).await, Err(LoginError::Overloaded));
    door.clock.advance(BASIC_REMEMBERED);
    assert_eq!(door.auth.basic(door.password.clone(), HERE).await, Err(LoginError::Overloaded));
    drop(others);
    assert!(door.auth.basic(door.password, HERE).await.is_ok());
    assert!(door.auth.queue().0.is_empty());
}

#[tokio::test]
async fn a_right_credential_in_parallel_is_right_every_time() {
    let door = door();
    let all = (0..40).map(|_| door.auth.basic(door.password.clone(), HERE));
    for outcome in futures_util::future::join_all(all).await {
        assert_eq!(outcome, Ok(()));
    }
}

#[tokio::test]
async fn guesses_in_parallel_gain_nothing() {
    let door = door();
    let all = (0..40).map(|_| door.auth.basic("guess guess".into(), HERE));
    let outcomes = futures_util::future::join_all(all).await;
    let n_hashed = outcomes.iter().filter(|outcome| **outcome == Err(LoginError::Wrong)).count();
    assert_eq!((n_hashed, outcomes.len()), (5, 40));
    let different = (0..40).map(|n| door.auth.basic(format!("guess {n}"), [10, 0, 0, n].into()));
    let outcomes = futures_util::future::join_all(different).await;
    let n_hashed = outcomes.iter().filter(|outcome| **outcome == Err(LoginError::Wrong)).count();
    assert_eq!(n_hashed, CREDENTIALS_MAX);
}

#[tokio::test]
async fn a_guess_is_counted_also_when_the_caller_leaves() {
    let door = door();
    for _ in 0..5 {
        let mut guess = Box::pin(door.auth.basic("guess guess".into(), HERE));
        // One poll takes the only turn and begins to hash.
        assert!((&mut guess).now_or_never().is_none());
        drop(guess);
        drop(door.auth.0.hashing.acquire().await.unwrap());
    }
    assert!(matches!(door.auth.may_try(HERE), Err(LoginError::TooSoon { .. })));
}

#[tokio::test]
async fn what_one_address_proved_is_no_help_for_guessing_from_another() {
    let door = door();
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    door.auth.basic(door.password.clone(), HERE).await.unwrap();
    for _ in 0..5 {
        assert!(door.auth.basic("guess guess".into(), elsewhere).await.is_err());
    }
    let refused = door.auth.basic(door.password.clone(), elsewhere).await;
    assert!(matches!(refused, Err(LoginError::TooSoon { .. })), "{refused:?}");
    assert!(door.auth.basic(door.password, HERE).await.is_ok());
}

#[tokio::test]
async fn no_session_outlives_the_password_that_opened_it() {
    let door = door();
    let verified = door.auth.state().hash.clone();
    door.auth.set_password("changed here").unwrap();
    assert_eq!(door.auth.begin_session(&verified, here()).err(), Some(LoginError::Wrong));
    let now = door.clock.elapsed();
    door.auth.state().remember(&verified, [1; 32], now);
    assert!(door.auth.remembered(&[1; 32]).is_none());
}

#[tokio::test]
async fn a_changed_password_is_taken_up_when_asked_or_refused_with_the_reason() {
    let door = door();
    let token = door.auth.login(door.password, "", here()).await.unwrap();
    super::super::password::set(door.dir.path(), "another password").unwrap();
    door.auth.reread().await.unwrap();
    assert!(!door.auth.is_alive(&token).await);
    assert!(door.auth.login("another password".into(), "", here()).await.is_ok());
    std::fs::remove_file(door.dir.path().join(super::super::password::FILE_NAME)).unwrap();
    let missing = door.auth.reread().await.unwrap_err();
    assert!(matches!(missing, PasswordError::Malformed { .. }), "{missing}");
}

#[tokio::test]
async fn guesses_are_slowed_down_even_for_the_right_one() {
    let door = door();
    for _ in 0..5 {
        assert_eq!(door.auth.login("guess guess".into(), "", here()).await.err(), Some(LoginError::Wrong));
    }
    let wait = Duration::from_secs(1);
    let refused = door.auth.login(door.password.clone(), "", here()).await.err();
    assert_eq!(refused, Some(LoginError::TooSoon { wait }));
    door.clock.advance(wait);
    assert!(door.auth.login(door.password, "", here()).await.is_ok());
}

#[tokio::test]
async fn environment_wins_and_writes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixNanos(0));
    let (auth, generated, _) = open(dir.path(), Some("from outside"), &clock);
    assert!(generated.is_none());
    assert!(auth.login("from outside".into(), "", here()).await.is_ok());
    assert!(matches!(auth.set_password("changed here"), Err(PasswordError::FromEnvironment)));
    assert!(matches!(auth.reread().await, Err(PasswordError::FromEnvironment)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_terminal_takes_the_second_factor_away_whatever_becomes_of_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let stored = r#"{"version":1,"secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}"#;
    std::fs::write(dir.path().join("second-factor.json"), stored).unwrap();
    let (auth, _, written) = open(dir.path(), Some("from outside"), &Clock::manual(UnixNanos(0)));
    let refused = auth.login("from outside".into(), "", here()).await.err();
    assert_eq!(refused, Some(LoginError::WrongCode));
    assert!(super::super::second_factor::take_away(dir.path()).unwrap());
    assert!(matches!(auth.reread().await, Err(PasswordError::FromEnvironment)));
    assert!(auth.login("from outside".into(), "", here()).await.is_ok());
    let bodies: Vec<_> = written.lock().unwrap().iter().map(|record| record.body.clone()).collect();
    assert!(bodies.iter().any(|body| body == "took the second factor away"), "{bodies:?}");
}

#[tokio::test]
async fn setting_a_password_ends_sessions_at_once() {
    let door = door();
    let token = door.auth.login(door.password, "", here()).await.unwrap();
    door.auth.set_password("changed here").unwrap();
    assert!(!door.auth.is_alive(&token).await);
}

#[tokio::test]
async fn who_came_in_and_who_did_not_is_written_down_without_their_words() {
    let door = door();
    door.auth.login(door.password.clone(), "", here()).await.unwrap();
    door.auth.basic(door.password.clone(), HERE).await.unwrap();
    door.clock.advance(BASIC_REMEMBERED);
    door.auth.basic(door.password.clone(), HERE).await.unwrap();
    for _ in 0..5 {
        door.auth.login("guess guess".into(), "", here()).await.unwrap_err();
    }
    let expect = [
        "session  127.0.0.1 logged in with the password",
        "basic admin 127.0.0.1 came with the password, by Basic auth",
    ];
    let refused = ["stranger 127.0.0.1 login refused: wrong password"; 5];
    assert_eq!(door.audit(), [&expect[..], &refused].concat());
    super::super::password::set(door.dir.path(), "another password").unwrap();
    door.auth.reread().await.unwrap();
    assert_eq!(door.audit().last().unwrap(), "command line  changed the admin password; every session ended");
    assert!(!format!("{:?}", door.written.lock().unwrap()).contains("guess guess"));
}

#[tokio::test]
async fn attempts_that_are_refused_unread_are_written_down_seldom_and_counted() {
    let door = door();
    for _ in 0..5 {
        door.auth.login("guess guess".into(), "", here()).await.unwrap_err();
    }
    for _ in 0..100 {
        door.auth.login("guess guess".into(), "", here()).await.unwrap_err();
    }
    assert_eq!(door.audit().len(), 6);
    assert_eq!(door.audit()[5], "stranger 127.0.0.1 login refused: too many attempts, wait 2 s");
    door.clock.advance(REFUSALS_NOTED_EVERY);
    door.auth.login("guess guess".into(), "", here()).await.unwrap_err();
    door.auth.login("guess guess".into(), "", here()).await.unwrap_err();
    assert!(
        door.audit()[7].ends_with("; 99 more were refused since this was last said"),
        "{:?}",
        door.audit()
    );
}
