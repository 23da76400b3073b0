//! The log of `/admin` without a browser: pages, their parts, and the stream of what comes in.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::harness::{PATIENCE, Vitrine, wait_until};

/// The stream of a page, event by event.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(vitrine: &Vitrine, path: &str) -> Events {
        let mut stream = TcpStream::connect(vitrine.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (host, cookie) = (vitrine.address(), vitrine.cookie());
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Events(BufReader::new(stream))
    }

    /// Reads until a line of the stream has all of these texts, and returns it.
    fn until(&mut self, texts: &[&str]) -> String {
        loop {
            let mut line = String::new();
            let n_bytes = self.0.read_line(&mut line).unwrap();
            assert!(n_bytes > 0, "the stream ended before {texts:?}");
            if texts.iter().all(|text| line.contains(text)) {
                return line;
            }
        }
    }
}

#[test]
fn a_line_appears_in_the_stream_and_the_drain_ends_it() {
    let vitrine = Vitrine::start();
    let mut events = Events::open(&vitrine, "/admin/events?page=logs&q=comes-in");
    events.until(&["HTTP/1.1 200"]);
    events.until(&["event: begin"]);
    vitrine.get("/is-no-needle");
    vitrine.get("/comes-in");
    let line = events.until(&["data:", "\"rows\""]);
    assert!(line.contains("GET /comes-in 404") && !line.contains("is-no-needle"), "{line}");
    vitrine.signal(Signal::TERM);
    events.until(&["event: end"]);
    events.until(&["data: shutdown"]);
}

#[test]
fn a_request_is_found_counted_and_shown_among_its_neighbours() {
    let vitrine = Vitrine::start();
    for path in ["/first", "/second", "/third"] {
        vitrine.get(path);
    }
    wait_until("all are logged", || (vitrine.logged("/third").len() == 1).then_some(()));
    let page = vitrine.admin_page("/admin/logs?q=second&job=access");
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("{job=&quot;access&quot;} |= &quot;second&quot;"), "{text}");
    assert!(text.contains("/second") && !text.contains("/third"), "{text}");
    let around = text.split("class=\"ways\"><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let text = vitrine.admin_page(&around.replace("&amp;", "&")).text();
    let places: Vec<usize> =
        ["/third", "/second", "/first"].iter().map(|path| text.find(path).expect(path)).collect();
    assert!(places.is_sorted(), "{text}");
    let histogram = vitrine.admin_page("/admin/logs/histogram?q=GET+/second&range=15m").text();
    assert!(histogram.contains("info <b data-now=\"\">1</b>"), "{histogram}");
}
