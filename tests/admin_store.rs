//! What `/admin/store` says of a real store, of real exporters, and of queries that were slow.

use crate::harness::{Folders, Vitrine, metric, wait_until};

/// The page, with spaces as they look.
fn page(vitrine: &Vitrine) -> String {
    let answer = vitrine.admin_page("/admin/store");
    assert_eq!(answer.status, 200);
    answer.text().replace('\u{a0}', " ")
}

/// Returns the names of the folders below one of the store's.
fn partitions(dir: &Folders, kind: &str) -> Vec<String> {
    let found = std::fs::read_dir(dir.data().join("store").join(kind)).unwrap();
    let names = found.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.contains(".txt")).collect()
}

#[test]
fn the_page_names_what_is_on_disk_and_what_is_in_the_way() {
    let vitrine = Vitrine::start();
    assert_eq!(vitrine.get("/").status, 200);
    // Nothing is packed yet.
    assert!(page(&vitrine).contains("No line is packed yet"));
    let dir = vitrine.stop();
    let names: Vec<String> =
        ["metrics", "logs"].into_iter().flat_map(|kind| partitions(&dir, kind)).collect();
    assert!(names.len() >= 2, "{names:?}");
    std::fs::write(dir.data().join("store/logs/notes.txt"), "mine").unwrap();
    let mut serve = dir.serve();
    // A port that nobody listens at.
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let vitrine = Vitrine::spawn(serve, dir);
    let text = page(&vitrine);
    for name in &names {
        assert!(text.contains(&format!("<code>{name}</code>")), "{name} is not in {text}");
    }
    for piece in
        ["000001-foreign-logs-notes.txt", "/store/set-aside</code>", "Logs reach back to", " a sample, "]
    {
        assert!(text.contains(piece), "{piece} is not in {text}");
    }
    // Metrics are sent at each interval, and fail.
    let text = wait_until("an export has failed", || {
        let text = page(&vitrine);
        text.contains("Last fault at").then_some(text)
    });
    assert!(text.contains("<code>http://127.0.0.1:9/v1/metrics</code>"), "{text}");
}

#[test]
fn slow_queries_are_found_by_the_way_they_came() {
    // Evaluates its inner half 900 times, and that 900 times a number: work for any machine.
    const SLOW: &str = "sum_over_time(sum_over_time(vector(1)[15m:1s])[15m:1s])";
    let vitrine = Vitrine::start();
    let of_promql = || {
        let text = vitrine.get_as_admin("/metrics").text();
        metric(&text, "vitrine_query_duration_seconds_count", &["query_language=\"promql\""])
    };
    let slow: String = url::form_urlencoded::byte_serialize(SLOW.as_bytes()).collect();
    assert_eq!(vitrine.get_as_admin(&format!("/api/v1/query?query={slow}")).status, 200);
    let n_before = of_promql();
    let asked = vitrine.dir().run(&["query", SLOW]);
    assert_eq!((asked.code, asked.err.as_str()), (0, ""), "{asked:?}");
    assert_eq!(of_promql(), n_before + 1.0);
    let text = page(&vitrine);
    let link = format!("<a href=\"/admin/metrics?q={slow}\"><code>{SLOW}</code></a>");
    assert_eq!(text.matches(&link).count(), 2, "once for each way: {text}");
    assert!(text.contains("<td>API</td>") && text.contains("<td>command line</td>"), "{text}");
    // The link leads to the answer.
    let answer = vitrine.admin_page(&format!("/admin/metrics?q={slow}")).text();
    assert!(answer.contains("<td class=\"num\">810000</td>"), "{answer}");
}
