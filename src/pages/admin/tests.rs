use std::time::Duration;

use super::*;
use crate::clock::UnixNanos;

const NOW: UnixNanos = UnixNanos(1_795_000_000_000_000_000);

fn worker(id: u32) -> WorkerView {
    WorkerView { id, incarnation: 1, in_flight: 3, in_flight_max: 64, done: 12_345, ..WorkerView::default() }
}

/// A busy, healthy server.
fn lifelike() -> OverviewView {
    let wave = |scale: f64, phase: f64| -> Vec<Option<f64>> {
        (0..60)
            .map(|idx| {
                Some(
                    scale
                        * (1.3
                            + (f64::from(idx) * 0.21 + phase).sin() * 0.6
                            + (f64::from(idx) * 0.9).cos() * 0.2),
                )
            })
            .collect()
    };
    let mut rate = wave(9.0, 0.0);
    rate[0] = None;
    let traffic = TrafficView {
        step: Duration::from_secs(60),
        at: (0..60).map(|idx| UnixNanos(NOW.0 - (59 - idx) * 60_000_000_000)).collect(),
        rate,
        errors: (0..60).map(|idx| Some(if idx % 23 == 5 { 0.2 } else { 0.0 })).collect(),
        p50: wave(0.000_8, 1.0),
        p95: wave(0.003, 2.0),
        p99: wave(0.009, 3.0),
        total: Totals {
            requests: 41_210.0,
            errors: 82.0,
            p50: Some(0.000_9),
            p95: Some(0.004),
            p99: Some(0.012),
            ..Totals::default()
        },
        rate_now: Some(8.7),
        ..TrafficView::default()
    };
    let machine = MachineView {
        cpu: wave(0.1, 0.1),
        own_cpu: wave(0.01, 0.2),
        memory: wave(200e6, 0.3),
        own_memory: wave(14e6, 0.4),
        received: wave(2e3, 0.5),
        sent: wave(9e3, 0.6),
        read: wave(1e3, 0.7),
        written: wave(3e4, 0.8),
        now: MachineNow {
            cpu: Some(0.12),
            n_cpus: Some(2.0),
            load: Some(0.3),
            memory: Some(205e6),
            memory_max: Some(512e6),
            own_memory: Some(22e6),
            own_cpu: Some(0.005),
            received: Some(2e3),
            sent: Some(9e3),
            disks: vec![("/".into(), 3e9, 10e9)],
        },
    };
    let marks = vec![Mark {
        at: UnixNanos(NOW.0 - 600_000_000_000),
        kind: MarkKind::Reload,
        text: "reloaded".into(),
        is_good: true,
    }];
    let mut tired = worker(3);
    tired.panics = 1;
    tired.incarnation = 2;
    tired.last_panic = Some((NOW, "index out of bounds: the len is 3".into()));
    let status = StatusView {
        version: "0.1.0".into(),
        uptime: Duration::from_secs(300_000),
        wants_traffic: true,
        workers: vec![worker(1), worker(2), tired, worker(4)],
        store: ["metrics", "logs"]
            .map(|signal| StoreView {
                signal: signal.into(),
                size_bytes: 31 << 20,
                size_max_bytes: 1 << 30,
                partitions: 4,
                active: 512,
                dropped: 0,
            })
            .to_vec(),
        ..StatusView::default()
    };
    let people = PeopleNow { now: Some(2.0), today: Some(7.0) };
    let queries = vec![("cpu", "/admin/metrics?q=busy".to_string())];
    OverviewView { status, traffic, machine, marks, people, queries }
}

fn frame() -> Frame {
    let assets = Assets {
        css: vec!["/assets/admin.css".into()],
        js: vec!["/assets/admin.js".into()],
        of_views: vec![(Tab::Metrics, "/assets/explore.js".into())],
        editor: "/assets/editor.js".into(),
    };
    Frame { assets, csrf: "csrf-token".into(), now: NOW, place: "/admin".into(), ..Frame::default() }
}

fn of_workers(status: StatusView) -> WorkersView {
    WorkersView { status, ..WorkersView::default() }
}

fn rendered(view: &OverviewView) -> String {
    // A no-break space is one to the eye.
    overview(&frame(), view).into_string().replace('\u{a0}', " ")
}

#[test]
fn healthy_page_says_so_in_one_sentence() {
    let text = rendered(&lifelike());
    assert!(
        text.contains("All is well.</b> All 4 workers ready. 0.2 % errors in the last hour, p95 4 ms."),
        "{text}"
    );
    assert!(text.contains("82 in the last hour") && text.contains(">41,210<") && text.contains(">8.7<"));
    assert!(text.contains("3 % of 1 GiB"));
    assert!(
        text.contains("0.24 of 2 processors, load 0.3") && text.contains("2.79 GiB of 9.31 GiB"),
        "{text}"
    );
    let workers = workers(&frame(), &of_workers(lifelike().status)).into_string();
    assert!(workers.contains("index out of bounds"));
}

#[test]
fn missing_workers_and_a_broken_cv_come_first() {
    let mut view = lifelike();
    view.status.workers[0].state = WorkerState::Draining;
    assert!(rendered(&view).contains("Worth a look.</b> 3 of 4 workers ready."));
    for worker in &mut view.status.workers {
        worker.state = WorkerState::Stopped;
    }
    view.status.is_cv_stale = true;
    let text = rendered(&view);
    assert!(text.contains("Something is wrong.</b> No worker is ready"));
    assert!(text.contains("visitors see the last good one"));
}

#[test]
fn broken_cv_is_told_once_and_by_its_reason() {
    let mut view = lifelike();
    let fault = "cv.yaml:3:5: a tab cannot indent";
    view.status.is_cv_stale = true;
    view.status.problems =
        vec![ProblemView { is_error: true, message: fault.into(), ..ProblemView::default() }];
    view.status.reload = Some(ReloadView { at: NOW, outcome: Err(fault.into()) });
    let text = rendered(&view);
    assert!(text.contains(&format!(
        "Something is wrong.</b> The CV on disk is broken and visitors see the last good one: {fault}. All 4"
    )));
    let banners = &text[text.find("id=\"banners\"").unwrap()..text.find("id=\"tiles\"").unwrap()];
    assert_eq!((banners.matches("banner bad").count(), banners.matches(fault).count()), (1, 1), "{banners}");
}

#[test]
fn all_is_not_well_when_nothing_is_recorded_or_workers_panic() {
    let mut view = lifelike();
    view.traffic.total.panics = 65.0;
    assert!(rendered(&view).contains("Worth a look.</b> 65 panics in the last hour. All 4 workers ready."));
    view.status.store_degraded = Some("flush: no space left on device".into());
    let text = rendered(&view);
    let expect = "wrong.</b> Nothing is being recorded: flush: no space left on device. 65 panics";
    assert!(text.contains(expect), "{text}");
    // What the store does not have, a young process knows itself.
    let mut view = lifelike();
    view.status.uptime = Duration::from_secs(600);
    view.status.store[1].dropped = 12;
    assert!(
        rendered(&view).contains("One panic in the last hour. 12 records were dropped in the last hour.")
    );
}

#[test]
fn unsealed_data_is_not_shown_as_nothing() {
    let mut view = lifelike();
    view.status.store[0].size_bytes = 0;
    let wal = StoreView { signal: StoreView::WAL.into(), size_bytes: 3 << 20, ..StoreView::default() };
    view.status.store.push(wal);
    let text = rendered(&view);
    assert!(text.contains("in the write-ahead log"), "{text}");
    assert!(text.contains("<dt>Write-ahead log</dt><dd class=\"value\">3 MiB</dd>"), "{text}");
}

#[test]
fn one_error_on_a_quiet_day_is_no_alarm() {
    let mut view = lifelike();
    view.traffic.total.requests = 10.0;
    view.traffic.total.errors = 1.0;
    assert!(rendered(&view).contains("Worth a look.</b> All 4 workers ready. 10 % errors"));
    view.traffic.total.errors = 5.0;
    assert!(rendered(&view).contains("Something is wrong.</b>"));
}

#[test]
fn an_empty_store_says_what_to_do() {
    let text = rendered(&OverviewView { traffic: TrafficView::default(), ..lifelike() });
    assert!(text.contains("No visitors' requests in the last hour."), "{text}");
    assert!(text.contains("Open the CV once"));
}

#[test]
fn the_page_speaks_russian() {
    let frame = Frame { lang: Lang::Ru, ..frame() };
    let text = overview(&frame, &lifelike()).into_string().replace('\u{a0}', " ");
    for piece in [
        "<html lang=\"ru\">",
        "Всё хорошо.</b> Готовы все 4 воркера. 0,2 % ошибок за последний час, p95 4 мс.",
        "0,24 из 2 процессоров, нагрузка 0,3",
        ">English</button>",
    ] {
        assert!(text.contains(piece), "{piece} is not in {text}");
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let evil = "<script>alert(1)</script>";
    let mut view = lifelike();
    view.status.problems =
        vec![ProblemView { message: evil.into(), hint: evil.into(), place: evil.into(), is_error: true }];
    view.status.reload = Some(ReloadView { at: NOW, outcome: Err(evil.into()) });
    view.status.workers[0].last_panic = Some((NOW, evil.into()));
    view.marks[0].text = evil.into();
    let frame = Frame {
        place: format!("/admin?q=\"{evil}"),
        notice: Some(Notice { is_good: false, text: evil.into() }),
        ..frame()
    };
    let pages = [overview(&frame, &view), workers(&frame, &of_workers(view.status.clone()))];
    for page in pages {
        assert!(!page.into_string().contains(evil));
    }
}

#[test]
fn page_needs_no_inline_script_or_style() {
    let text = rendered(&lifelike());
    assert!(!text.contains(" style="), "the content security policy refuses inline styles");
    assert!(!text.contains("<script>") && !text.contains(" onclick="));
}

#[test]
fn every_fragment_has_its_id_on_the_page() {
    let view = lifelike();
    let text = rendered(&view);
    for fragment in fragments(Lang::En, &view) {
        let markup = fragment.markup.into_string();
        let root = &markup[..markup.find('>').unwrap()];
        assert!(root.contains(&format!("id=\"{}\"", fragment.id)), "{root}");
        assert!(text.contains(&markup.replace('\u{a0}', " ")), "{} is not on the page as it is", fragment.id);
    }
}

#[test]
fn the_script_knows_every_chart_of_the_page() {
    let view = lifelike();
    let text = rendered(&view);
    let charts = drawn(Lang::En, &view);
    assert_eq!(charts.len(), text.matches("data-chart=").count());
    for Drawn { id, data, .. } in charts {
        assert!(text.contains(&format!("id=\"{id}\"")), "{id}");
        assert_eq!(data["lines"][0]["values"].as_array().unwrap().len(), 60, "{id}");
    }
}

#[test]
fn the_lines_behind_a_step_are_one_link_away() {
    let view = lifelike();
    let (to, from) = (NOW.to_millis().0, NOW.to_millis().0 - 60_000);
    let text = rendered(&view);
    assert!(text.contains(&format!("href=\"/admin/logs?from={from}&amp;to={to}\"")), "{text}");
    assert!(text.contains(&format!("href=\"/admin/logs?level=error&amp;from={from}&amp;to={to}\"")));
}

#[test]
fn a_chart_leads_to_its_query() {
    let text = rendered(&lifelike());
    let expect =
        "<a class=\"query\" href=\"/admin/metrics?q=busy\" aria-label=\"PromQL: Processors busy\">PromQL</a>";
    assert!(text.contains(expect), "{text}");
    assert_eq!(text.matches("class=\"query\"").count(), 1, "a chart without one has no link");
}

#[test]
fn every_id_is_given_once() {
    let mut view = lifelike();
    view.status.problems = vec![ProblemView::default()];
    let text = rendered(&view);
    let mut ids: Vec<&str> =
        text.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let n_ids = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n_ids);
}

#[test]
fn login_page_shows_its_notice_and_never_the_version() {
    let view = LoginView { notice: Some("That is not the password.".into()), ..LoginView::default() };
    let text = login(&view).into_string();
    assert!(text.contains("That is not the password."));
    assert!(!text.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn styles_and_scripts_weigh_less_than_sixty_kilobytes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/web/admin");
    let mut n_bytes = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension == "txt") {
            continue;
        }
        let mut packed = Vec::new();
        let params = brotli::enc::BrotliEncoderParams::default();
        brotli::BrotliCompress(&mut &std::fs::read(path).unwrap()[..], &mut packed, &params).unwrap();
        n_bytes += packed.len();
    }
    assert!((20_000..60_000).contains(&n_bytes), "{n_bytes}");
}
