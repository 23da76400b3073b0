//! Metrics by PromQL as a browser sees them.

use serde_json::Value;

use super::*;

fn address(page: &str, parameters: &[(&str, &str)]) -> String {
    crate::pages::admin::address(page, parameters)
}

/// A case whose store has some series of the last minutes.
fn filled() -> Case {
    let case = case();
    for age in (0..30).rev() {
        let at = NOW_MS - age * 10_000;
        let n = (30 - age) as f64;
        for (path, scale) in [("/", 1.0), ("/b", 3.0), ("/<i>", 2.0)] {
            let labels = [("__name__", "hits_total"), ("job", "shop"), ("path", path)];
            case.store.sample(&labels, at, n * scale);
        }
        case.store.sample(&[("__name__", "process_memory_usage_bytes"), ("job", "vitrine")], at, 20e6);
    }
    case
}

async fn metrics(case: &Case, query: &str) -> String {
    let (cookie, _) = case.enter().await;
    let answer = case.get(&address("/admin/metrics", &[("q", query)]), &cookie).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.text.replace('\u{a0}', " ")
}

async fn json(case: &Case, uri: &str) -> Value {
    let (cookie, _) = case.enter().await;
    let answer = case.get(uri, &cookie).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (StatusCode::OK, "application/json"), "{uri}");
    serde_json::from_str(&answer.text).unwrap()
}

#[actix_web::test]
async fn strangers_learn_nothing_of_metrics_and_the_store() {
    let case = filled();
    for uri in ["/admin/metrics?q=hits_total", "/admin/metrics/cardinality", "/admin/store"] {
        let answer = case.get(uri, "vitrine_admin=guess").await;
        assert_eq!(
            (answer.status, answer.header(LOCATION)),
            (StatusCode::SEE_OTHER, &*login_for(uri)),
            "{uri}"
        );
    }
    for uri in ["/admin/metrics/check?q=up", "/admin/metrics/complete?q=hi&at=2"] {
        let answer = case.get(uri, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{uri}");
        assert!(!answer.text.contains("hits_total"), "{uri}");
    }
    let (cookie, _) = case.enter().await;
    for page in ["/admin/metrics", "/admin/metrics/cardinality", "/admin/store"] {
        for query in ["range=a&range=b", "q=%FF%", "&&=&", "match=%FF", "from=9&to=3"] {
            assert_eq!(
                case.get(&format!("{page}?{query}"), &cookie).await.status,
                StatusCode::OK,
                "{page} {query}"
            );
        }
        let req = test::TestRequest::default().method(actix_web::http::Method::PUT).uri(page);
        assert_eq!(case.send(req).await.header("Allow"), "GET, HEAD", "{page}");
    }
}

#[actix_web::test]
async fn a_query_has_a_chart_a_table_and_its_costs() {
    let case = filled();
    let page = metrics(&case, "rate(hits_total[1m])").await;
    for piece in [
        ">3 series, ",
        "samples read, took ",
        "id=\"chart-answer\"",
        "<code class=\"pair\">job=&quot;shop&quot;</code>",
        // The greatest first, told apart by what differs, with the query that selects it.
        "{path=&quot;/b&quot;}",
        "<td class=\"num\">0.3</td>",
        "rate(hits_total[1m])</textarea>",
        "src=\"/assets/explore.1.js\"",
    ] {
        assert!(page.contains(piece), "{piece} is not in {page}");
    }
    let place = |piece: &str| page.find(piece).unwrap();
    assert!(place("path=&quot;/b&quot;}") < place("path=&quot;/&lt;i&gt;&quot;}"));
    assert!(!page.contains("<i>"), "a label's value is no markup");
    let (cookie, _) = case.enter().await;
    assert!(!case.get("/admin", &cookie).await.text.contains("explore.1.js"), "other views do without");
}

#[actix_web::test]
async fn every_kind_of_query_is_answered() {
    let case = filled();
    for (query, expect) in [
        ("1 + 1", "<p class=\"answer-number\">2</p>"),
        ("\"a <b>\"", "<pre class=\"text-value\">a &lt;b&gt;</pre>"),
        ("hits_total[30s]", "30 @ <time"),
        ("process_memory_usage_bytes", "19.1 MiB</td><td class=\"num\">20000000</td>"),
        ("absent_metric", "No series has a value at this moment."),
        ("topk(1, hits_total)", "hits_total{job=&quot;shop&quot;,path=&quot;/b&quot;}"),
        ("rate(process_memory_usage_bytes[1m])", "PromQL info: metric might not be a counter"),
        ("hits_total / ignoring (path) hits_total", "This query has no answer:"),
    ] {
        let page = metrics(&case, query).await;
        assert!(page.contains(expect), "{query}: {expect} is not in {page}");
    }
    // A sorted answer stays as it is.
    let page = metrics(&case, "sort(hits_total)").await;
    let row = |path: &str| page.find(&format!("path=&quot;{path}&quot;}}</a>")).unwrap();
    assert!(row("/") < row("/&lt;i&gt;") && row("/&lt;i&gt;") < row("/b"), "{page}");
}

#[actix_web::test]
async fn more_series_than_can_be_drawn_are_counted() {
    let case = case();
    for n in 0..250 {
        let n_text = format!("{n:03}");
        for age in [20_000, 10_000, 0] {
            case.store.sample(&[("__name__", "many"), ("n", &n_text)], NOW_MS - age, f64::from(n));
        }
    }
    let page = metrics(&case, "many").await;
    assert!(page.contains("250 series, ") && page.contains("230 more series are not drawn"), "{page}");
    assert!(page.contains("50 more series are not listed"));
    assert_eq!(page.matches("<path class=\"line l1\" d=\"M0.0").count(), 0, "they begin late in the hour");
    assert_eq!(
        page.matches("class=\"key\" viewBox").count(),
        40,
        "twenty in the legend, twenty in the table"
    );
    // Of series that ended only those are listed that are drawn.
    for n in 0..30 {
        case.store.sample(&[("__name__", "gone"), ("n", &n.to_string())], NOW_MS - 900_000, 1.0);
    }
    let page = metrics(&case, "gone").await;
    assert_eq!(page.matches("ended before").count(), 20, "{page}");
    assert!(page.contains("30 series, ") && page.contains("10 more series are not listed"), "{page}");
    // The limit of the configuration holds here, too.
    let page = metrics(&case, "many[1h:1s]").await;
    assert!(page.contains("query processing would load too many samples into memory"), "{page}");
}

#[actix_web::test]
async fn a_wrong_query_is_marked_where_it_is_wrong() {
    let case = filled();
    let page = metrics(&case, "sum(rate(hits_total[5m]) by (").await;
    assert!(page.contains("<b>Line 1, column "), "{page}");
    assert!(
        page.contains("<pre class=\"marked\">sum(rate(hits_total[5m]) <mark>by</mark> (</pre>"),
        "{page}"
    );
    let check = async |query| json(&case, &address("/admin/metrics/check", &[("q", query)])).await;
    assert_eq!(check("rate(hits_total[5m])").await["ok"], true);
    let fault = check("😀 up").await;
    assert_eq!((&fault["start"], &fault["line"]), (&Value::from(0), &Value::from(1)), "{fault}");
}

#[actix_web::test]
async fn an_empty_box_offers_what_this_store_can_answer() {
    let page = metrics(&filled(), " ").await;
    assert!(page.contains("Memory of this process") && page.contains("Metrics with most series"), "{page}");
    assert!(!page.contains("Visitors of the day"), "there is no such series: {page}");
}

#[actix_web::test]
async fn an_empty_store_says_when_to_come_back() {
    assert!(metrics(&case(), "").await.contains("Nothing is stored yet"));
}

#[actix_web::test]
async fn words_are_offered_as_one_types() {
    let case = filled();
    let offers = async |query: &str, at: &str| {
        let found = json(&case, &address("/admin/metrics/complete", &[("q", query), ("at", at)])).await;
        let items = found["items"].as_array().unwrap().clone();
        items.into_iter().map(|item| item["text"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(offers("hits", "4").await, ["hits_total"]);
    assert_eq!(offers("hits_total{path=\"", "17").await, ["\"/\"", "\"/<i>\"", "\"/b\""]);
    assert!(offers("x", "nonsense").await.contains(&"exp(".to_string()));
    assert!(offers(&"x".repeat(9_000), "3").await.is_empty());
    // In the viewer's language.
    let (cookie, _) = case.enter().await;
    let uri = address("/admin/metrics/complete", &[("q", "rate"), ("at", "4")]);
    let req = test::TestRequest::get().uri(&uri).insert_header(("Accept-Language", "ru"));
    let text = case.send(req.insert_header(("Cookie", cookie))).await.text;
    assert!(text.contains("Скорость счётчика"), "{text}");
}

#[actix_web::test]
async fn series_are_counted_and_narrowed_by_the_address() {
    let case = filled();
    let (cookie, _) = case.enter().await;
    let get = async |parameters: &[(&str, &str)]| {
        case.get(&address("/admin/metrics/cardinality", parameters), &cookie)
            .await
            .text
            .replace('\u{a0}', " ")
    };
    let page = get(&[]).await;
    assert!(page.contains("<dt>Series in this time</dt><dd class=\"value\">4</dd>"), "{page}");
    assert!(page.contains("<dt>Written now</dt><dd class=\"value\">512</dd>"), "{page}");
    assert!(page.contains("match=hits_total\">hits_total</a></th><td class=\"num\">3</td>"), "{page}");
    let page = get(&[("match", "hits_total{path!=\"/\"}"), ("label", "path")]).await;
    assert!(page.contains("<dt>Series in this time</dt><dd class=\"value\">2</dd>"), "{page}");
    assert!(page.contains("Values of path") && page.contains("/&lt;i&gt;</a>"), "{page}");
    assert!(get(&[("match", "hits{")]).await.contains("Nothing was counted: 1:6: parse error: "));
    assert!(get(&[("match", "nothing")]).await.contains("No series fits."));
}

/// Moves on to the next tick with charts, and returns what it says.
async fn next_charts(case: &Case, body: &mut std::pin::Pin<Box<BoxBody>>) -> Value {
    loop {
        case.clock.advance(Duration::from_secs(2));
        let text = next_event(body).await.unwrap();
        let data: Value = serde_json::from_str(text.split("data: ").nth(1).unwrap().trim()).unwrap();
        if data.get("charts").is_some() {
            return data;
        }
    }
}

#[actix_web::test]
async fn an_answer_goes_on_while_it_is_looked_at() {
    let case = filled();
    let (cookie, _) = case.enter().await;
    let page = address("/admin/metrics", &[("q", "hits_total")]);
    let mut body = stream_of(&case, &cookie, &page).await;
    let first = next_charts(&case, &mut body).await;
    assert_eq!(first["figures"], serde_json::json!([]), "the page has this chart: {first}");
    assert_eq!(first["charts"]["chart-answer"]["lines"].as_array().unwrap().len(), 3);

    let labels = [("__name__", "hits_total"), ("job", "shop"), ("path", "/new")];
    case.store.sample(&labels, NOW_MS, 7.0);
    let second = next_charts(&case, &mut body).await;
    let figure = second["figures"][0].as_str().unwrap();
    assert!(figure.contains("id=\"chart-answer\"") && figure.contains("/new"), "other lines: {second}");
    assert!(second["fragments"]["answer-value"].as_str().unwrap().contains("/new"), "{second}");
    let third = next_charts(&case, &mut body).await;
    assert_eq!(third["figures"], serde_json::json!([]), "the page has it now: {third}");

    let fixed = format!("{page}&from={}&to={}", NOW_MS - 600_000, NOW_MS);
    assert!(!case.get(&fixed, &cookie).await.text.contains("data-stream="), "what is over does not change");
}

#[actix_web::test]
async fn the_store_is_told_anew_while_it_is_looked_at() {
    let case = filled();
    let (cookie, _) = case.enter().await;
    let mut body = stream_of(&case, &cookie, "/admin/store").await;
    let first = next_charts(&case, &mut body).await;
    for part in ["verdict", "trouble", "kept", "writing", "exports", "queues", "came-and-went", "events"] {
        assert!(first["fragments"][part].is_string(), "{part} {first}");
    }
    for chart in ["chart-size", "chart-samples", "chart-lines", "chart-sample-bytes", "chart-line-bytes"] {
        assert!(first["charts"][chart].is_object(), "{chart} {first}");
    }
}
