//! The overview when what it reads is slow, breaks off or fails in part.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;
use crate::pace::give_way;
use crate::pages::admin::OverviewView;
use crate::record::read::{ReadError, SeriesSelect};
use crate::record::{Coverage, Labels, Metadata, Resolution, RolledStep, Sample};

/// What happens when series are selected; the series follow when it says so.
type Before = Box<dyn Fn(&SeriesSelect) -> Result<ControlFlow<()>, ReadError> + Send + Sync>;

/// Reads numbers after something else.
pub(super) struct Troubled {
    pub(super) store: Arc<MemoryStore>,
    pub(super) before: Before,
}

impl MetricRead for Troubled {
    fn series(
        &self,
        select: &SeriesSelect,
        visit: &mut dyn FnMut(&Labels, &[Sample]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        match (self.before)(select)? {
            ControlFlow::Continue(()) => self.store.series(select, visit),
            // A store that is told to end hands over what it has as if that were all.
            ControlFlow::Break(()) => Ok(()),
        }
    }

    fn rollups(
        &self,
        select: &SeriesSelect,
        resolution: Resolution,
        visit: &mut dyn FnMut(&Labels, &[RolledStep]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        match (self.before)(select)? {
            ControlFlow::Continue(()) => self.store.rollups(select, resolution, visit),
            ControlFlow::Break(()) => Ok(()),
        }
    }

    fn coverage(&self) -> Vec<Coverage> {
        self.store.coverage()
    }

    fn label_sets(&self, select: &SeriesSelect) -> Result<Vec<Labels>, ReadError> {
        self.store.label_sets(select)
    }

    fn metadata(&self) -> Vec<Metadata> {
        self.store.metadata()
    }
}

pub(super) fn troubled(
    before: impl Fn(&SeriesSelect) -> Result<ControlFlow<()>, ReadError> + Send + Sync + 'static,
) -> Case {
    case_reading(Config::default(), |store| Arc::new(Troubled { store, before: Box::new(before) }))
}

const HOUR: Window = Window::Moving(Range::Hour);

/// Lets others run until something is so, for ten seconds of the real time.
pub(super) async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never came to be");
        tokio::task::yield_now().await;
    }
}

fn requests(view: &OverviewView) -> f64 {
    view.traffic.total.requests
}

#[actix_web::test]
async fn what_a_viewer_who_left_broke_off_is_shown_to_nobody() {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let asked = n_asked.clone();
    let case = troubled(move |_| {
        let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        // The first viewer's leaving is what ends the first look.
        while is_first && give_way().is_continue() {}
        Ok(give_way())
    });
    case.serve(7.0, "200", "/", "0.01");
    let state = case.state.clone();
    let first = actix_web::rt::spawn(async move { overview_view(&state, HOUR).await.is_ok() });
    until(|| n_asked.load(Ordering::Relaxed) > 0).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(requests(&overview_view(&case.state, HOUR).await.unwrap()), 7.0);
}

#[actix_web::test]
async fn a_window_that_takes_long_takes_one_thread_and_holds_up_no_other() {
    const MONTH_MS: i64 = 30 * 86_400_000;
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (held, n_asked) = (Mutex::new(held), Arc::new(AtomicUsize::new(0)));
    let asked = n_asked.clone();
    let case = troubled(move |select| {
        if select.to.0 - select.from.0 >= MONTH_MS / 2 && asked.fetch_add(1, Ordering::Relaxed) == 0 {
            // Released when the test has seen enough, or is gone.
            _ = held.lock().unwrap().recv();
        }
        Ok(ControlFlow::Continue(()))
    });
    case.serve(7.0, "200", "/", "0.01");
    let month = Window::Fixed { from: UnixMillis(NOW_MS - MONTH_MS), to: UnixMillis(NOW_MS) };
    let of = |window| {
        let state = case.state.clone();
        actix_web::rt::spawn(
            async move { overview_view(&state, window).await.map(|view| requests(&view)).ok() },
        )
    };
    let slow = [of(month), of(month), of(month)];
    until(|| n_asked.load(Ordering::Relaxed) > 0).await;
    let quick = of(HOUR);
    until(|| quick.is_finished()).await;
    assert_eq!(quick.await.unwrap(), Some(7.0));
    assert!(slow.iter().all(|slow| !slow.is_finished()));
    release.send(()).unwrap();
    for slow in slow {
        assert_eq!(slow.await.unwrap(), Some(7.0));
    }
}

#[actix_web::test]
async fn an_old_view_is_shown_while_a_new_one_is_read() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (held, n_asked) = (Mutex::new(held), Arc::new(AtomicUsize::new(0)));
    let is_slow = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (asked, slow) = (n_asked.clone(), is_slow.clone());
    let case = troubled(move |_| {
        if slow.swap(false, Ordering::Relaxed) {
            asked.fetch_add(1, Ordering::Relaxed);
            _ = held.lock().unwrap().recv();
        }
        Ok(ControlFlow::Continue(()))
    });
    case.serve(7.0, "200", "/", "0.01");
    assert_eq!(requests(&overview_view(&case.state, HOUR).await.unwrap()), 7.0);
    case.clock.advance(Duration::from_secs(10));
    is_slow.store(true, Ordering::Relaxed);
    let state = case.state.clone();
    let slow = actix_web::rt::spawn(async move { overview_view(&state, HOUR).await.is_ok() });
    until(|| n_asked.load(Ordering::Relaxed) > 0).await;
    let state = case.state.clone();
    let quick =
        actix_web::rt::spawn(
            async move { overview_view(&state, HOUR).await.map(|view| requests(&view)).ok() },
        );
    until(|| quick.is_finished()).await;
    assert_eq!((quick.await.unwrap(), slow.is_finished()), (Some(7.0), false));
    release.send(()).unwrap();
    assert!(slow.await.unwrap());
}

#[actix_web::test]
async fn a_part_that_cannot_be_read_leaves_the_others() {
    let case = troubled(|select| {
        let named = || select.matchers.iter().filter(|matcher| matcher.name == "__name__");
        let is_of = |name: &str| named().any(|matcher| matcher.accepts_value(name));
        if is_of("vitrine_visitors_today") || is_of("system_memory_limit_bytes") {
            return Err(ReadError::Store("a sector is gone".into()));
        }
        Ok(ControlFlow::Continue(()))
    });
    case.serve(7.0, "200", "/", "0.01");
    let view = overview_view(&case.state, HOUR).await.unwrap();
    assert_eq!((requests(&view), view.traffic.unreadable.as_deref()), (7.0, None));
    assert_eq!((view.people.now, view.people.today, view.machine.now.memory), (None, None, None));
    let (cookie, _) = case.enter().await;
    let page = case.get("/admin", &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("No sample yet: the first one comes ten seconds after the start."));
    assert!(!page.text.contains("a sector is gone"), "the reason is in the log");
}
