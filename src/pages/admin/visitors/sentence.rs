//! The sentence on top: how many read the CV yesterday, by which links, and who is here now.

use maud::{Markup, html};

use super::{ByLink, VisitorsView};
use crate::pages::admin::lang::Lang;

/// More links than this make no sentence; the table below has all of them.
const LINKS_MAX: usize = 3;

pub(super) fn sentence(lang: Lang, view: &VisitorsView) -> Markup {
    if view.month.people == 0 && view.people.iter().flatten().all(|people| *people == 0.0) {
        return share(lang, view);
    }
    let is_good = view.yesterday.people + view.today.people > 0;
    html! {
        div.verdict.(if is_good { "good" } else { "calm" }) id="verdict" {
            p { b { (yesterday(lang, view)) } " " (today(lang, view)) }
            p.aside { (lang.tr("Days are those of UTC. A person counts once a day, without a cookie and without a stored address; programs are counted apart.")) }
        }
    }
}

/// What to do before anybody came.
fn share(lang: Lang, view: &VisitorsView) -> Markup {
    html! {
        div.verdict.calm id="verdict" {
            p { b { (lang.tr("Nobody has read your CV yet.")) } }
            p {
                (lang.tr("Share your link, in an application, on LinkedIn, below your mails:")) " "
                a href=(view.address) { (view.address) }
            }
            p.aside { (lang.tr("A tagged link for each place, made below, tells you which of them was followed.")) }
        }
    }
}

fn yesterday(lang: Lang, view: &VisitorsView) -> String {
    let n = view.yesterday.people;
    if n == 0 {
        return lang.tr("Nobody read your CV yesterday.").to_string();
    }
    let read = lang.trn(n, "{n} person read your CV yesterday", "{n} people read your CV yesterday");
    let links: Vec<String> =
        view.yesterday_by_link.iter().take(LINKS_MAX).map(|link| by_link(lang, link)).collect();
    match links.as_slice() {
        [] => format!("{read}."),
        links => format!("{read}, {}.", links.join(", ")),
    }
}

fn by_link(lang: Lang, link: &ByLink) -> String {
    let (label, tag) = (link.label.as_deref().unwrap_or_default(), &link.tag);
    if label.is_empty() {
        return lang.trnf(
            link.people,
            "one from a link with via={tag}",
            "{n} from a link with via={tag}",
            &[("tag", tag)],
        );
    }
    lang.trnf(
        link.people,
        "one from your link “{label}” (via={tag})",
        "{n} from your link “{label}” (via={tag})",
        &[("label", &label), ("tag", tag)],
    )
}

fn today(lang: Lang, view: &VisitorsView) -> String {
    let mut res = match view.today.people {
        0 => lang.tr("Nobody yet today.").to_string(),
        n => lang.trn(n, "Today {n} so far.", "Today {n} so far."),
    };
    if view.now.people > 0 {
        res.push(' ');
        res.push_str(&lang.trn(view.now.people, "{n} is here now.", "{n} are here now."));
    }
    res
}
