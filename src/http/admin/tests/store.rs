//! The store's page as a browser sees it.

use super::*;
use crate::pages::admin as view;

/// What the store of a case says of itself.
pub(super) fn facts() -> view::StoreFacts {
    let part = |from: i64, to: i64, is_open: bool| view::PartitionFacts {
        name: format!("{from}-g000001-000001"),
        range: Some((UnixNanos((NOW_MS - from) * 1_000_000), UnixNanos((NOW_MS - to) * 1_000_000))),
        n_records: 1_000_000,
        size_bytes: 1_400_000,
        is_open,
        ..view::PartitionFacts::default()
    };
    let kind = |kind, partitions: Vec<view::PartitionFacts>| view::KindFacts {
        kind,
        size_bytes: partitions.iter().map(|part| part.size_bytes).sum(),
        n_records: partitions.iter().map(|part| part.n_records).sum(),
        size_max_bytes: 1 << 30,
        max_age: Duration::from_secs(7 * 86_400),
        oldest: partitions.first().and_then(|part| part.range).map(|(from, _)| from),
        partitions,
        ..view::KindFacts::default()
    };
    let two = vec![part(2 * 86_400_000, 86_400_000, false), part(86_400_000, 0, true)];
    view::StoreFacts {
        dir: "/data/store".into(),
        kinds: vec![kind(view::HistoryKind::Samples, two), kind(view::HistoryKind::Lines, Vec::new())],
        n_series: 512,
        n_series_max: 20_000,
        ..view::StoreFacts::default()
    }
}

async fn store(case: &Case, uri: &str) -> String {
    let (cookie, _) = case.enter().await;
    let answer = case.get(uri, &cookie).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.text.replace('\u{a0}', " ")
}

/// Puts a counter into the store that rose once, ten minutes ago.
fn counted(case: &Case, labels: &[(&str, &str)], n: f64) {
    let mut labels = labels.to_vec();
    labels.push(("job", "vitrine"));
    for age in (0..120).rev() {
        case.store.sample(&labels, NOW_MS - age * 10_000, if age < 60 { n } else { 0.0 });
    }
}

#[actix_web::test]
async fn the_page_says_what_is_kept_and_what_was_lost() {
    let case = case();
    let dropped = [("__name__", "vitrine_store_dropped_total"), ("signal", "logs"), ("reason", "limit")];
    counted(&case, &dropped, 12.0);
    counted(&case, &[("__name__", "vitrine_ingest_records_total"), ("network_transport", "udp")], 500.0);
    counted(&case, &[("__name__", "vitrine_ingest_bytes_total"), ("network_transport", "udp")], 2_048.0);
    counted(
        &case,
        &[("__name__", "vitrine_push_refused_total"), ("protocol", "loki"), ("reason", "late")],
        3.0,
    );
    for signal in ["metrics", "logs"] {
        case.store.sample(
            &[("__name__", "vitrine_store_size_bytes"), ("job", "vitrine"), ("signal", signal)],
            NOW_MS,
            140.0,
        );
        case.store.sample(
            &[("__name__", "vitrine_store_records"), ("job", "vitrine"), ("signal", signal)],
            NOW_MS,
            100.0,
        );
    }
    let page = store(&case, "/admin/store").await;
    for piece in [
        "<b>2.67 MiB of 2 GiB used.</b> 1.4 B a sample.",
        "records were dropped in the last day.",
        "<td class=\"wrap\"><code>limit</code> There were too many series or streams.",
        "forward protocol, UDP</th>",
        "Loki's push</th>",
        // 1.4 MB a day, and a gigabyte.
        "At this rate age ends it, after 7 d 0 h, before its bytes are used up.",
        "in 6 d 0 h, by age",
        "is being written",
        "512 of 20,000",
        "id=\"chart-sample-bytes\" data-chart",
        "No line is packed yet",
        "href=\"/admin/metrics?q=sum+by+%28signal%29+%28vitrine_store_size_bytes",
    ] {
        assert!(page.contains(piece), "{piece} is not in {page}");
    }
    // Another time has other losses; the sentence is about the day.
    let (from, to) = ((NOW_MS - 300_000).to_string(), NOW_MS.to_string());
    let page = store(&case, &format!("/admin/store?from={from}&to={to}")).await;
    assert!(page.contains("Nothing: every sample, line and span that came was kept."), "{page}");
    assert!(page.contains("records were dropped in the last day."), "{page}");
}

#[actix_web::test]
async fn a_quiet_store_says_so_and_names_what_to_do() {
    let page = store(&case(), "/admin/store").await;
    for piece in [
        "Nothing was dropped in the last day.",
        "Send logs by the Fluentd forward protocol",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "No query of the last day took longer than 10 ms",
    ] {
        assert!(page.contains(piece), "{piece} is not in {page}");
    }
}

#[actix_web::test]
async fn slow_queries_are_listed_with_the_way_to_ask_them_again() {
    let case = case();
    let recorder = |door| crate::query::journal::Journal::recorder(&case.state.parts.journal, door);
    let run = |door, language, text: &'static str, ms, outcome: Result<u64, &'static str>| {
        let effort =
            |n_samples: &u64| crate::query::journal::Effort { n_samples: *n_samples, ..Default::default() };
        let evaluate = || {
            case.clock.advance(Duration::from_millis(ms));
            outcome
        };
        let recorder = recorder(door);
        // The outcome is the caller's; what is noted is what this is about.
        _ = crate::query::journal::Recorder::measured(
            Some(&recorder),
            language,
            || text.to_string(),
            effort,
            evaluate,
        );
    };
    use crate::query::journal::{Door, Language};
    run(Door::Api, Language::PromQl, "sum(rate(x[5m]))", 70, Ok(9_000));
    run(Door::Command, Language::LogQl, "{job=\"<b>\"}", 90, Err("query <timed> out"));
    run(Door::Page, Language::PromQl, "fast", 2, Ok(1));
    let page = store(&case, "/admin/store").await;
    for piece in [
        "<a href=\"/admin/metrics?q=sum%28rate%28x%5B5m%5D%29%29\"><code>sum(rate(x[5m]))</code></a>",
        "<a href=\"/admin/logs?logql=%7Bjob%3D%22%3Cb%3E%22%7D\">",
        "query &lt;timed&gt; out",
        "9,000 samples",
        "command line",
    ] {
        assert!(page.contains(piece), "{piece} is not in {page}");
    }
    assert!(page.find("90 ms").unwrap() < page.find("70 ms").unwrap());
    assert!(!page.contains("<code>fast</code>"));
}
