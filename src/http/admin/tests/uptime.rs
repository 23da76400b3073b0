//! The public status page when the store is slow or cannot be read.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::overview::{troubled, until};
use super::*;
use crate::pages::admin::Lang;
use crate::record::read::ReadError;

const MINUTE: Duration = Duration::from_secs(60);

fn sampled(case: &Case) {
    for age in 0..60 {
        let labels = [("__name__", "process_uptime_seconds"), ("job", "vitrine")];
        case.store.sample(&labels, NOW_MS - (59 - age) * 10_000, 1.0);
    }
}

#[actix_web::test]
async fn a_page_that_could_not_be_read_is_not_kept_and_the_last_good_one_is() {
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = is_broken.clone();
    let case = troubled(move |_| match broken.load(Ordering::Relaxed) {
        true => Err(ReadError::Store("a sector is gone".into())),
        false => Ok(ControlFlow::Continue(())),
    });
    sampled(&case);
    assert!(case.state.status_page(Lang::En).await.is_none(), "nothing was read yet");
    is_broken.store(false, Ordering::Relaxed);
    assert!(case.state.status_page(Lang::En).await.is_none(), "it has just failed");
    case.clock.advance(MINUTE / 6);
    let page = case.state.status_page(Lang::En).await.unwrap();
    assert!(page.contains("On record since"), "{page}");
    is_broken.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        case.clock.advance(20 * MINUTE);
        assert_eq!(case.state.status_page(Lang::En).await.as_ref(), Some(&page));
    }
    assert!(case.state.status_page(Lang::Ru).await.unwrap().contains("Запись ведётся с"));
}

#[actix_web::test]
async fn the_old_page_is_shown_while_one_reads_the_next_whoever_leaves() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (held, is_slow, n_held) =
        (Mutex::new(held), Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (slow, n) = (is_slow.clone(), n_held.clone());
    let case = troubled(move |select| {
        let is_uptime = select
            .matchers
            .iter()
            .any(|matcher| matcher.name == "__name__" && matcher.accepts_value("process_uptime_seconds"));
        if is_uptime && slow.load(Ordering::Relaxed) {
            n.fetch_add(1, Ordering::Relaxed);
            _ = held.lock().unwrap().recv();
        }
        Ok(crate::pace::give_way())
    });
    sampled(&case);
    // The first visitor goes away before there is a page; the second one gets it nevertheless.
    let state = case.state.clone();
    let first = actix_web::rt::spawn(async move { state.status_page(Lang::En).await });
    until(|| n_held.load(Ordering::Relaxed) == 1).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    is_slow.store(false, Ordering::Relaxed);
    release.send(()).unwrap();
    let page = case.state.status_page(Lang::En).await.unwrap();
    assert!(page.contains("On record since"), "{page}");
    // At its end one of many reads the next page, and nobody waits for it.
    is_slow.store(true, Ordering::Relaxed);
    case.clock.advance(2 * MINUTE);
    for _ in 0..50 {
        assert_eq!(case.state.status_page(Lang::En).await.as_ref(), Some(&page));
    }
    until(|| n_held.load(Ordering::Relaxed) == 2).await;
    for _ in 0..50 {
        assert_eq!(case.state.status_page(Lang::En).await.as_ref(), Some(&page));
    }
    assert_eq!(n_held.load(Ordering::Relaxed), 2);
    is_slow.store(false, Ordering::Relaxed);
    release.send(()).unwrap();
    until(|| case.state.shown_at() == 2 * MINUTE).await;
    assert!(case.state.status_page(Lang::En).await.unwrap() != page);
}

#[actix_web::test]
async fn a_full_lane_turns_nobody_away_who_can_be_shown_an_old_page() {
    let case = case();
    sampled(&case);
    let page = case.state.status_page(Lang::En).await.unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let filling: Vec<_> = (0..40)
        .map(|_| {
            let (heavy, held) = (case.state.parts.heavy.clone(), held.clone());
            actix_web::rt::spawn(async move {
                heavy.run(move || held.lock().unwrap().recv().is_ok()).await.is_ok()
            })
        })
        .collect();
    while case.state.parts.heavy.snapshot().n_refused == 0 {
        tokio::time::advance(Duration::from_millis(10)).await;
        tokio::task::yield_now().await;
    }
    case.clock.advance(2 * MINUTE);
    assert_eq!(case.state.status_page(Lang::En).await.as_ref(), Some(&page));
    case.clock.advance(20 * MINUTE);
    assert_eq!(case.state.status_page(Lang::En).await.as_ref(), Some(&page));
    drop(release);
    for filling in filling {
        filling.await.unwrap();
    }
}
