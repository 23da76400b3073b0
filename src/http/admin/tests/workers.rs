//! The workers, and what they are told by buttons.

use super::*;

const PLACE: &str = "/admin/workers";

async fn press(case: &Case, uri: &str, cookie: &str, fields: &[(&str, &str)]) -> String {
    let fields = [fields, &[("place", PLACE)]].concat();
    let req = test::TestRequest::post().uri(uri).insert_header(("Cookie", cookie));
    let answer = case.send(req.insert_header(("Accept", "text/html")).set_form(&fields)).await;
    assert_eq!((answer.status, answer.header(LOCATION)), (StatusCode::SEE_OTHER, PLACE));
    case.get(PLACE, cookie).await.text
}

#[actix_web::test]
async fn a_button_lands_on_the_page_that_says_how_the_command_ended() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let own = [("csrf", csrf.as_str())];
    for (uri, expect) in [
        ("/admin/api/v1/workers/1/drain", "Worker 1 is drained"),
        ("/admin/api/v1/workers/1/enable", "Worker 1 takes requests again."),
        ("/admin/api/v1/workers/1/restart", "Worker 1 was restarted"),
        ("/admin/api/v1/workers/0/drain", "Worker 0 was not drained: it is the last one"),
    ] {
        let page = press(&case, uri, &cookie, &own).await;
        assert!(page.contains(expect), "{expect} {page}");
    }
    let scale = [("csrf", csrf.as_str()), ("count", "5")];
    let page = press(&case, "/admin/api/v1/workers", &cookie, &scale).await;
    assert!(page.contains("There are 5 workers now, until the next reload."), "{page}");
    assert_eq!(case.commanded.lock().unwrap().last(), Some(&WorkerCommand::Scale(5)));
}

#[actix_web::test]
async fn every_way_in_which_a_command_fails_has_words() {
    use crate::pages::admin::Lang;
    let (worker, grace) = (WorkerId(3), Duration::from_secs(15));
    let faults = [
        ControlError::NoSuchWorker(worker),
        ControlError::LastWorker(worker),
        ControlError::Drained(worker),
        ControlError::Count(1_000),
        ControlError::Superseded { n_wanted: 4 },
        ControlError::NotStarted { worker, grace },
        ControlError::StillBusy { worker, n_jobs: 2, grace },
    ];
    for fault in faults {
        for lang in Lang::ALL {
            let words = super::super::workers::not_done(lang, &fault);
            assert!(!words.contains(['{', '|']), "{words}");
        }
    }
    let busy = ControlError::StillBusy { worker, n_jobs: 1, grace };
    let words = super::super::workers::not_done(Lang::Ru, &busy);
    assert!(words.contains("остался 1 запрос"), "{words}");
}

#[actix_web::test]
async fn workers_are_drawn_over_time_from_the_store() {
    let case = case();
    for age_ms in (0..=600_000).step_by(10_000) {
        for worker in ["0", "1"] {
            let labels = |name| [("__name__", name), ("job", "vitrine"), ("worker_id", worker)];
            case.store.sample(&labels("vitrine_worker_ready"), NOW_MS - 600_000 + age_ms, 1.0);
            case.store.sample(&labels("vitrine_worker_in_flight"), NOW_MS - 600_000 + age_ms, 3.0);
        }
    }
    let (cookie, _) = case.enter().await;
    for query in ["", "?range=15m", "?range=24h"] {
        let page = case.get(&format!("{PLACE}{query}"), &cookie).await.text;
        let ready = page.split("id=\"chart-ready\"").nth(1).unwrap();
        assert!(ready.contains("<td>2</td>"), "{query} {page}");
        let held = page.split("id=\"chart-in-flight\"").nth(1).unwrap();
        assert!(held.contains("<td>6</td><td>3</td>"), "{query} {page}");
    }
}

#[actix_web::test]
async fn the_stream_brings_what_can_be_done_with_the_token_of_its_session() {
    let case = case();
    let (cookie, csrf) = case.enter().await;
    let mut body = stream_of(&case, &cookie, PLACE).await;
    let first = next_event(&mut body).await.unwrap();
    for id in ["workers", "worker-commands", "chart-ready", "chart-in-flight"] {
        assert!(first.contains(&format!("\"{id}\":")), "{id} {first}");
    }
    assert!(first.contains(&csrf));
    case.clock.advance(Duration::from_secs(2));
    let second = next_event(&mut body).await.unwrap();
    assert!(second.contains(r#""fragments":{}"#) && !second.contains("charts"), "{second}");
}
