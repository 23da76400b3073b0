use super::*;
use crate::pages::admin::Tab;

const NOW: UnixNanos = UnixNanos(1_795_000_000_000_000_000);

fn frame(lang: Lang) -> Frame {
    Frame { lang, now: NOW, csrf: "csrf-token".into(), tab: Tab::Visitors, ..Frame::default() }
}

fn row(name: &str, people: u64, views: u64) -> Row {
    Row { name: name.into(), count: Count { people, views } }
}

fn busy() -> VisitorsView {
    VisitorsView {
        address: "https://cv.example.com".into(),
        yesterday: Count { people: 3, views: 5 },
        month: Count { people: 9, views: 20 },
        yesterday_by_link: vec![ByLink { tag: "acme".into(), label: Some("Acme".into()), people: 2 }],
        at: (0..30).map(|day| noon(20_000 + day)).collect(),
        people: vec![Some(1.0); 30],
        views: vec![Some(2.0); 30],
        tables: Tables {
            pages: (0..14).map(|n| row(&format!("page x{n}"), 20 - n, 20)).collect(),
            langs: vec![row("en", 7, 8)],
            referrers: vec![row("", 7, 8)],
            ..Tables::default()
        },
        links: vec![TaggedView { tag: "acme".into(), label: "Acme".into(), ..TaggedView::default() }],
        label_max_chars: 100,
        ..VisitorsView::default()
    }
}

#[test]
fn the_sentence_is_in_words_in_both_languages() {
    let page = |lang, view: &VisitorsView| sentence::sentence(lang, view).into_string();
    let mut view = busy();
    let english = page(Lang::En, &view);
    assert!(
        english.contains("3 people read your CV yesterday, 2 from your link “Acme” (via=acme)."),
        "{english}"
    );
    assert!(english.contains("Nobody yet today."), "{english}");
    let russian = page(Lang::Ru, &view);
    assert!(
        russian.contains("Вчера ваше резюме прочитали 3 человека, 2 — по вашей ссылке «Acme» (via=acme)."),
        "{russian}"
    );
    view.yesterday.people = 1;
    view.yesterday_by_link[0].people = 1;
    assert!(page(Lang::En, &view).contains("1 person read your CV yesterday, one from your link"));
    view.yesterday = Count::default();
    (view.today.people, view.now.people) = (2, 1);
    assert!(
        page(Lang::En, &view).contains("Nobody read your CV yesterday.</b> Today 2 so far. 1 is here now.")
    );
}

#[test]
fn a_long_table_is_cut_and_says_what_is_left() {
    let text = visitors(&frame(Lang::En), &busy()).into_string();
    assert!(text.contains("the page, x9") && !text.contains("the page, x10"), "{text}");
    assert!(text.contains("4 more"), "{text}");
    // Ten to seven of the last four.
    assert!(text.contains(r#"<td class="num">34</td>"#), "{text}");
    // One language is no question, and without a database there is no country.
    assert!(!text.contains(">Languages<") && !text.contains(">Country<"), "{text}");
    assert!(text.contains("directly, or not told"), "{text}");
}

#[test]
fn days_of_the_chart_are_named_by_their_date() {
    let text = visitors(&frame(Lang::En), &busy()).into_string();
    assert!(text.contains(">Day</th>") && !text.contains(">Until</th>"), "{text}");
    // 20 000 days after 1970, at noon.
    assert!(text.contains(r#"<time data-at="date" datetime="2024-10-04T12:00:00Z">10-04</time>"#), "{text}");
    assert!(
        text.contains("/admin/visitors?from=1728000000000&amp;to=1728086400000")
            || text.contains("from=1727956800000&amp;to=1728043200000"),
        "{text}"
    );
}

#[test]
fn every_form_has_its_token_and_a_deletion_is_said_before_it_is_done() {
    let text = visitors(&frame(Lang::Ru), &busy()).into_string();
    let n_forms = text.matches(r#"action="/admin/visitors"#).count();
    assert_eq!(n_forms, 2);
    assert!(text.matches(r#"name="csrf" value="csrf-token""#).count() >= n_forms);
    let delete = text.split("<summary>Удалить").nth(1).expect("it is folded away");
    assert!(delete.contains("action=\"/admin/visitors/links/acme/delete\""), "{delete}");
    assert!(!text.contains(" style="), "{text}");
}

#[test]
fn a_page_of_today_is_live_and_one_of_other_days_is_not() {
    let today = NOW.0 / 86_400_000_000_000;
    let page = |period: Period| {
        let view = VisitorsView { period, days: period.days(today), ..busy() };
        visitors(&frame(Lang::En), &view).into_string()
    };
    assert!(page(Period::Month).contains("data-stream=\"/admin/events?page=visitors&amp;range=30d\""));
    let picked = Period::Picked(Days { first: today - 3, last: today });
    assert!(page(picked).contains(&format!("page=visitors&amp;from={}", (today - 3) * 86_400_000)));
    assert!(!page(Period::Yesterday).contains("data-stream="));
    let ids: Vec<&str> = visitors_fragments(Lang::En, &busy()).iter().map(|part| part.id).collect();
    assert!(
        ids.iter().all(|id| page(Period::Today).matches(&format!("id=\"{id}\"")).count() == 1),
        "{ids:?}"
    );
}

#[test]
fn what_happened_is_marked_on_its_day_and_told_with_its_time() {
    use crate::pages::admin::MarkKind;
    let view = busy();
    // In the evening of the fifth day, after the noon that the chart shows.
    let at = UnixNanos(view.at[4].0 + 8 * 3_600_000_000_000);
    let mark = Mark { at, kind: MarkKind::Reload, text: "reloaded".into(), is_good: true };
    let text = visitors(&frame(Lang::En), &VisitorsView { marks: vec![mark], ..view }).into_string();
    assert_eq!(text.matches("path class=\"mark").count(), 1, "{text}");
    assert!(text.contains("1 event is marked") && text.contains("reloaded"), "{text}");
    assert!(text.contains("T20:00:00"), "{text}");
}
