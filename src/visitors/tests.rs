//! What a line says of a view, and what the day's numbers say of several.

use std::fs;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::record::names;
use crate::record::view::Shown;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0";
const NOON: UnixNanos = UnixNanos(20_000 * 86_400_000_000_000 + 43_200_000_000_000);

/// Visitors of a data directory with a clock that is moved by hand.
struct World {
    dir: tempfile::TempDir,
    clock: Clock,
    visitors: Arc<Visitors>,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOON);
        let visitors = World::open(&dir, &clock);
        visitors.add_earlier(Day::of(NOON), Some(Numbers::default()));
        World { dir, clock, visitors }
    }

    fn open(dir: &tempfile::TempDir, clock: &Clock) -> Arc<Visitors> {
        let tagged = Arc::new(Tagged::open(dir.path()));
        Arc::new(Visitors::open(dir.path(), tagged, None, clock.now()))
    }

    fn see(&self, address: &str, agent: &str) -> Fields {
        self.see_view(agent, view(address))
    }

    fn see_view(&self, agent: &str, view: View) -> Fields {
        let record = record(self.clock.now(), agent, view);
        seen(&self.visitors, &record)
    }

    fn value(&self, instrument: names::Instrument) -> Option<u64> {
        let readings = self.visitors.readings();
        readings.iter().find(|reading| reading.instrument == instrument).map(|reading| reading.value)
    }
}

fn seen(visitors: &Visitors, record: &AccessRecord) -> Fields {
    let mut fields = Fields::new();
    visitors.see(record, record.view.as_ref().unwrap(), &mut fields);
    fields
}

fn view(address: &str) -> View {
    View {
        shown: Shown { document: CvDocument::Page, lang: "en".into() },
        address: address.parse().unwrap(),
        referrer_host: None,
        via: None,
    }
}

fn record(at: UnixNanos, agent: &str, view: View) -> AccessRecord {
    AccessRecord {
        user_agent: (!agent.is_empty()).then(|| agent.into()),
        view: Some(view),
        ..AccessRecord::specimen(at)
    }
}

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

#[test]
fn a_line_says_who_looked_with_what_and_from_where() {
    let world = World::new();
    world.visitors.tagged.create("Acme", world.clock.now_ms()).unwrap();
    let view = View {
        shown: Shown { document: CvDocument::Pdf, lang: "pt-BR".into() },
        referrer_host: Some("WWW.LinkedIn.com".into()),
        via: Some("ACME".into()),
        ..view("198.51.100.77")
    };
    let fields = world.see_view(FIREFOX, view);
    let visitor = field(&fields, "visitor");
    assert!(visitor.len() == 16 && visitor.bytes().all(|byte| byte.is_ascii_hexdigit()), "{visitor}");
    for (name, value) in [
        ("document", "cv.pdf"),
        ("lang", "pt-BR"),
        ("user_agent_name", "Firefox"),
        ("user_agent_os_name", "Linux"),
        ("bot", ""),
        ("referrer_host", "linkedin.com"),
        ("via", "acme"),
        ("geo_country_iso_code", ""),
    ] {
        assert_eq!(field(&fields, name), value, "{name}");
    }
    assert!(!format!("{fields:?}").contains("198.51"), "{fields:?}");
    assert_eq!(world.value(names::VISITORS_VIA_TODAY), Some(1));
}

#[test]
fn a_program_has_a_name_and_no_browser() {
    let world = World::new();
    let fields = world
        .see("198.51.100.77", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
    assert_eq!((field(&fields, "bot"), field(&fields, "user_agent_name")), ("Googlebot", ""));
    assert_eq!(field(&world.see("198.51.100.78", ""), "bot"), "no user agent");
    assert_eq!((world.value(names::VISITORS_TODAY), world.value(names::BOT_VIEWS_TODAY)), (Some(0), Some(2)));
}

#[test]
fn a_visitor_is_an_address_and_an_agent_for_a_day() {
    let world = World::new();
    let visitor = |address: &str, agent: &str| field(&world.see(address, agent), "visitor").to_string();
    let first = visitor("198.51.100.77", FIREFOX);
    assert_eq!(visitor("198.51.100.77", FIREFOX), first);
    assert_ne!(visitor("198.51.100.78", FIREFOX), first);
    assert_ne!(visitor("198.51.100.77", &FIREFOX.replace("Linux", "Windows")), first);
    // One household's addresses, of which a phone has a new one each day and more.
    let home = visitor("2001:db8:1:2:3:4:5:6", FIREFOX);
    assert_eq!(visitor("2001:db8:1:2::9", FIREFOX), home);
    assert_ne!(visitor("2001:db8:1:3::9", FIREFOX), home);
    assert_eq!(world.value(names::VISITORS_TODAY), Some(5));
    world.clock.advance(day::LENGTH);
    assert!(world.visitors.is_day_over(world.clock.now()));
    let (ended, last) = world.visitors.turn(world.clock.now());
    assert_eq!((ended, last[0].value), (Day::of(NOON), 5));
    assert_ne!(visitor("198.51.100.77", FIREFOX), first, "nobody is followed into another day");
    assert_eq!(world.value(names::VISITORS_TODAY), Some(1));
}

#[test]
fn the_salt_of_a_day_is_destroyed_at_midnight_though_nobody_comes() {
    let world = World::new();
    world.see("198.51.100.77", FIREFOX);
    let path = world.dir.path().join("visitors-salt.json");
    let before = fs::read_to_string(&path).unwrap();
    world.clock.advance(day::LENGTH / 2 - Duration::from_nanos(1));
    assert!(!world.visitors.is_day_over(world.clock.now()));
    world.clock.advance(Duration::from_nanos(1));
    assert!(world.visitors.is_day_over(world.clock.now()));
    world.visitors.turn(world.clock.now());
    let salt = before.split('"').rfind(|part| part.len() == 64).unwrap();
    assert!(!fs::read_to_string(&path).unwrap().contains(salt));
}

#[test]
fn a_restart_and_a_process_beside_know_the_visitor_again() {
    let world = World::new();
    let first = world.see("198.51.100.77", FIREFOX);
    let line: Fields = first.clone();
    let again = World::open(&world.dir, &world.clock);
    let mut earlier = Numbers::default();
    again.count_line(&mut earlier, |name| field(&line, name));
    // A line of something else is no view.
    again.count_line(&mut earlier, |_| "");
    let record = record(world.clock.now(), FIREFOX, view("198.51.100.77"));
    let second = seen(&again, &record);
    assert_eq!(field(&second, "visitor"), field(&first, "visitor"));
    assert_eq!(again.readings(), [], "not before the day is known");
    assert!(again.has_counted(record.trace.span_id));
    again.add_earlier(Day::of(NOON), Some(earlier));
    let readings = again.readings();
    assert_eq!(readings[0].value, 1, "one visitor");
    let views = readings.iter().find(|reading| reading.instrument == names::VIEWS_TODAY).unwrap();
    assert_eq!(views.value, 2);
    assert_eq!(views.attributes, [("document", "page".to_string()), ("lang", "en".to_string())]);
}

#[test]
fn the_country_is_that_of_the_whole_address_and_a_reload_brings_another_database() {
    let world = World::new();
    let country = |address| field(&world.see(address, FIREFOX), "geo_country_iso_code").to_string();
    assert_eq!(country("198.51.100.77"), "");
    let dir = tempfile::tempdir().unwrap();
    for (code, config) in [("DE", true), ("PT", true), ("", false)] {
        let path = dir.path().join("a.mmdb");
        fs::write(&path, country::specimen::database("GeoLite2-Country", &[("198.51.100.0", 24, code)]))
            .unwrap();
        let config = Config { countries: config.then_some(path) };
        world.visitors.use_countries(config.read().unwrap());
        assert_eq!(country("198.51.100.77"), code);
    }
}

#[test]
fn a_tag_that_is_not_on_the_list_is_in_the_line_and_makes_no_series() {
    let world = World::new();
    let fields = world.see_view(FIREFOX, View { via: Some("stranger".into()), ..view("198.51.100.77") });
    assert_eq!(field(&fields, "via"), "stranger");
    assert_eq!(world.value(names::VISITORS_VIA_TODAY), None);
    assert_eq!(world.value(names::VISITORS_TODAY), Some(1));
}
