//! Prometheus's API as Grafana and others ask it, and `vitrine query`.

use serde_json::{Value, json};

use crate::harness::{Folders, Response, Vitrine, basic_auth, wait_until};

const FORM: &str = "application/x-www-form-urlencoded";

fn get(vitrine: &Vitrine, path: &str) -> Response {
    vitrine.request("GET", path, &[("authorization", &basic_auth())])
}

fn post(vitrine: &Vitrine, path: &str, kind: &str, body: &str) -> Response {
    vitrine.send("POST", path, &[("authorization", &basic_auth()), ("content-type", kind)], body.as_bytes())
}

fn parsed(response: &Response) -> Value {
    serde_json::from_str(&response.text()).unwrap_or_else(|_| panic!("no JSON: {}", response.text()))
}

/// A vitrine that has sampled itself, so that there are series.
fn sampled() -> Vitrine {
    let vitrine = Vitrine::start();
    wait_until("there are samples", || {
        let answer = parsed(&get(&vitrine, "/api/v1/query?query=vitrine_build_info"));
        answer["data"]["result"].as_array().filter(|result| !result.is_empty()).map(|_| ())
    });
    vitrine
}

/// The checks G1 to G10, G17 and G18 of what a Grafana data source asks.
#[test]
fn a_grafana_data_source_is_answered_as_by_prometheus() {
    let vitrine = sampled();
    let g1 = post(&vitrine, "/api/v1/query", FORM, "query=1%2B1&time=4");
    assert_eq!(
        (g1.status, g1.text().as_str()),
        (200, r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#)
    );
    assert_eq!(g1.header("content-type"), "application/json");

    let g2 = parsed(&get(&vitrine, "/api/v1/status/buildinfo"));
    let version = g2["data"]["version"].as_str().unwrap();
    let (major, rest) = version.split_once('.').unwrap();
    assert!(major.parse::<u32>().unwrap() >= 3 && rest.starts_with(|c: char| c.is_ascii_digit()));
    assert!(g2["data"]["features"].is_null());

    let g3 = "limit=40000&start=1&end=4000000000&match%5B%5D=%7B__name__%3D~%22.%2B%22%2C%7D";
    let g3 = parsed(&post(&vitrine, "/api/v1/labels", FORM, g3));
    let names: Vec<&str> = g3["data"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.contains(&"__name__") && names.is_sorted(), "{names:?}");
    let mut unique = names.clone();
    unique.dedup();
    assert_eq!(unique, names);

    let g4 = parsed(&get(&vitrine, "/api/v1/label/__name__/values?limit=1"));
    assert_eq!(g4["data"].as_array().unwrap().len(), 1);
    assert_eq!(g4["warnings"], json!(["results truncated due to limit"]));

    let g5 = "/api/v1/query_exemplars?query=test&start=1795334656000&end=1795334657000";
    assert_eq!(get(&vitrine, g5).text(), r#"{"status":"success","data":[]}"#);

    let g6 = get(&vitrine, "/api/v1/metadata?metric=nope");
    assert_eq!(g6.text(), r#"{"status":"success","data":{}}"#);

    let g7 = post(&vitrine, "/api/v1/series", FORM, "");
    assert_eq!((g7.status, parsed(&g7)["errorType"].clone()), (400, json!("bad_data")));

    let g8 = get(&vitrine, "/api/v1/query?query=sum(");
    assert!(g8.status == 400 && g8.text().contains("parse error"), "{}", g8.text());

    assert_eq!(get(&vitrine, "/api/v1/label/U__http_2e_status/values").status, 200);

    let g10 = "query=group%20by%20(__name__)%20(%7B__name__!%3D%22%22%2Cjob%3D~%22.%2B%22%7D)%20unless%20\
               (group%20by%20(__name__)%20(%7B__name__!%3D%22%22%7D%20offset%201h))";
    let g10 = parsed(&post(&vitrine, "/api/v1/query", FORM, g10));
    assert_eq!(g10["data"]["resultType"], "vector");
    assert!(!g10["data"]["result"].as_array().unwrap().is_empty());

    let g17 = get(&vitrine, "/api/v1/query?query=1&time=4&nothing=7&dedup=true");
    assert_eq!(g17.status, 200);
    let charset = "application/x-www-form-urlencoded; charset=UTF-8";
    let g18 = post(&vitrine, "/api/v1/query", charset, "query=1%2B1&time=4");
    assert!(g18.text().contains(r#"[4,"2"]"#), "{}", g18.text());
}

#[test]
fn parameters_of_both_places_are_merged_and_faults_are_named() {
    let vitrine = Vitrine::start();
    let merged = post(&vitrine, "/api/v1/query_range?start=0&end=60", FORM, "query=time()&step=30");
    assert_eq!(
        merged.text(),
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"0"],[30,"30"],[60,"60"]]}]}}"#
    );
    for (path, status, kind, text) in [
        (
            "query?query=1&time=soon",
            400,
            "bad_data",
            r#"invalid parameter "time": invalid time value for 'time': cannot parse "soon" to a valid timestamp"#,
        ),
        ("query?query=up{", 400, "bad_data", r#"invalid parameter "query": 1:4: parse error: "#),
        ("query?query=rates(up[5m])", 400, "bad_data", r#"unknown function with name "rates""#),
        (
            "query?query=",
            400,
            "bad_data",
            r#"invalid parameter "query": unknown position: parse error: no expression found in input"#,
        ),
        ("query?query=1&timeout=x", 400, "bad_data", r#"cannot parse "x" to a valid duration"#),
        ("query?query=1&limit=-1", 400, "bad_data", "limit must be non-negative"),
        (
            "query_range?query=1&start=2&end=1&step=1",
            400,
            "bad_data",
            r#"invalid parameter "end": end timestamp must not be before start time"#,
        ),
        (
            "query_range?query=1&start=1&end=2&step=0",
            400,
            "bad_data",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ),
        (
            "query_range?query=1&start=1&end=2&step=NaN",
            400,
            "bad_data",
            r#"invalid parameter "step": zero or negative query resolution step widths"#,
        ),
        (
            "query_range?query=1&start=0&end=315360000&step=1",
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ),
        ("query_range?query=1&start=0&end=x&step=1", 400, "bad_data", r#"invalid parameter "end""#),
        (
            "query_range?query=up[5m]&start=0&end=1&step=1",
            400,
            "bad_data",
            r#"invalid expression type "range vector" for range query, must be Scalar or instant Vector"#,
        ),
        (
            "query?query=label_replace(vector(1),%22%22,%22%22,%22%22,%22%22)",
            422,
            "execution",
            "invalid destination label name in label_replace(): ",
        ),
        (
            "query?query=vector(1)%5B10y:1s%5D",
            422,
            "execution",
            "query processing would load too many samples into memory in query execution",
        ),
        ("series?match[]={", 400, "bad_data", "parse error"),
        ("status/flags", 404, "not_found", "no such endpoint"),
    ] {
        let answer = get(&vitrine, &format!("/api/v1/{path}"));
        let body = parsed(&answer);
        assert_eq!((answer.status, body["errorType"].as_str()), (status, Some(kind)), "{path}: {body}");
        assert!(body["error"].as_str().unwrap().contains(text), "{path}: {body}");
    }
    assert_eq!(post(&vitrine, "/api/v1/metadata", FORM, "").status, 405);
    assert_eq!(vitrine.get("/api/v1/query?query=1").status, 401);
}

#[test]
fn bad_input_ends_within_limits_and_the_page_is_served_meanwhile() {
    let vitrine = sampled();
    let long = format!("query={}1", "1%2B".repeat(300_000));
    let nested = format!("query={}1{}", "(".repeat(200_000), ")".repeat(200_000));
    let regex = format!("query={{__name__=~\"{}\"}}", "(a%2B)%2B".repeat(50));
    let explosion =
        "query=topk(1000000,label_replace({__name__!=\"\"},\"x\",\"$0$0$0\",\"__name__\",\".*\"))";
    for body in [long.as_str(), &nested, &regex, explosion, "query=\"never closed", "query=NaN[5m]"] {
        let answer = post(&vitrine, "/api/v1/query", FORM, body);
        assert!([200, 400, 422].contains(&answer.status), "{}", answer.text());
        assert!(["success", "error"].contains(&parsed(&answer)["status"].as_str().unwrap()));
        assert_eq!(vitrine.get("/").status, 200);
    }
    let huge = format!("query={}", "x".repeat(5 << 20));
    let refused = post(&vitrine, "/api/v1/query", FORM, &huge);
    assert!(refused.status == 400 && refused.text().contains("form of more than"), "{}", refused.text());
}

#[test]
fn names_series_and_meanings_are_found() {
    let vitrine = sampled();
    let series = parsed(&get(&vitrine, "/api/v1/series?match[]=vitrine_build_info&match[]=none"));
    assert_eq!(series["data"][0]["__name__"], "vitrine_build_info");
    assert_eq!(series["data"].as_array().unwrap().len(), 1);
    let jobs = parsed(&get(&vitrine, "/api/v1/label/job/values?match[]=vitrine_build_info"));
    assert_eq!(jobs["data"], json!(["vitrine"]));
    let past = parsed(&get(&vitrine, "/api/v1/label/job/values?start=0&end=60"));
    assert_eq!(past["data"], json!([]));
    let metadata = parsed(&get(&vitrine, "/api/v1/metadata?limit=3"));
    assert_eq!(metadata["data"].as_object().unwrap().len(), 3);
    let counted = parsed(&get(&vitrine, "/api/v1/status/tsdb?limit=2"));
    assert!(counted["data"]["headStats"]["numSeries"].as_u64().unwrap() > 10);
    assert_eq!(counted["data"]["seriesCountByMetricName"].as_array().unwrap().len(), 2);
    let formatted = get(&vitrine, "/api/v1/format_query?query=sum(up)by(job)");
    assert_eq!(parsed(&formatted)["data"], "sum by (job) (up)");
    let tree = parsed(&get(&vitrine, "/api/v1/parse_query?query=rate(up[5m])"));
    assert_eq!(tree["data"]["func"]["name"], "rate");
    assert_eq!(tree["data"]["args"][0]["range"], 300_000);
    assert_eq!(parsed(&get(&vitrine, "/api/v1/rules"))["data"], json!({"groups": []}));
    assert_eq!(parsed(&get(&vitrine, "/api/v1/alerts"))["data"], json!({"alerts": []}));
    let packed = vitrine.request(
        "GET",
        "/api/v1/label/__name__/values",
        &[("authorization", &basic_auth()), ("accept-encoding", "gzip")],
    );
    assert_eq!(packed.header("content-encoding"), "gzip");
}

#[test]
fn the_command_asks_the_running_process() {
    let vitrine = sampled();
    let dir: &Folders = vitrine.dir();
    let found = dir.run(&["query", "vitrine_build_info"]);
    assert_eq!(found.code, 0, "{}", found.err);
    assert!(found.out.trim_start().starts_with("1  vitrine_build_info{"), "{}", found.out);
    let number = dir.run(&["query", "1 + 1"]);
    assert_eq!((number.code, number.out.as_str()), (0, "2\n"));
    let range = dir.run(&["query", "vector(7)", "--range", "-1m", "--step", "30s", "--time", "60"]);
    assert_eq!(
        range.out,
        "{}\n  1970-01-01T00:00:00Z  7\n  1970-01-01T00:00:30Z  7\n  1970-01-01T00:01:00Z  7\n"
    );
    let json = dir.run(&["query", "vector(7)", "--json", "--time", "4"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["data"]["result"][0]["value"], json!([4, "7"]));
    let wrong = dir.run(&["query", "sum(rat(x))"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("sum(rat(x))\n    ^^^"), "{}", wrong.err);
    let told = dir.run(&["query", "quantile(2, vitrine_build_info)"]);
    assert!(
        told.err.contains("PromQL warning: quantile value should be between 0 and 1, got 2"),
        "{}",
        told.err
    );
}
