//! What to put into Grafana, so that it asks this server.

use maud::{Markup, html};

use super::access::MadeTokenView;
use super::frame::Frame;
use super::lang::Lang;
use super::sections::{Section, sections};

/// The page.
#[derive(Clone, Debug, Default)]
pub struct GrafanaView {
    /// The address of this server, as the browser sees it.
    pub url: String,
    /// How often metrics are sampled, as it is configured.
    pub sample_interval: String,
    /// A token that was just made; no other page shows it.
    pub made: Option<MadeTokenView>,
    /// A name for a token that no other one has; none when there are enough tokens.
    pub free_name: Option<String>,
    /// Whether others on the way can read what Grafana sends.
    pub is_overheard: bool,
}

/// What stands where the token belongs, as long as there is none.
const NO_SECRET: &str = "vtr_…";

/// The user of Basic auth: any will do, and this one says who it is.
const USER: &str = "grafana";

/// Renders the page.
pub fn grafana(frame: &Frame, view: &GrafanaView) -> Markup {
    let lang = frame.lang;
    let secret = view.made.as_ref().map_or(NO_SECRET, |made| &made.secret);
    let content = html! {
        (sections(lang, Section::Grafana))
        p { (lang.tr("This server answers the query APIs of Prometheus and Loki, so Grafana asks it directly, as two data sources.")) }
        @if view.is_overheard {
            p.banner.warn {
                (lang.tr("This page came over plain HTTP from another machine. If Grafana comes the same way, others can read its token: set up HTTPS."))
            }
        }
        (token(frame, view))
        section aria-labelledby="file-title" {
            h2 id="file-title" { (lang.tr("By a file")) }
            p.note { (lang.tr("Put this into")) " " code { "/etc/grafana/provisioning/datasources/vitrine.yaml" } ", "
                (lang.tr("and restart Grafana.")) }
            div.scroll tabindex="0" role="region" aria-label="vitrine.yaml" {
                pre.copied { code { (provisioning(&view.url, &view.sample_interval, secret)) } }
            }
            p.note { (lang.tr("If Grafana reaches this server by another name, in a network of containers for example, put that in place of")) " "
                code { (view.url) } "." }
        }
        (by_hand(lang, view, secret))
    };
    frame.page("Grafana", &content)
}

fn token(frame: &Frame, view: &GrafanaView) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="token-title" {
            h2 id="token-title" { (lang.tr("A token that reads")) }
            @if let Some(made) = &view.made {
                p.banner.good role="status" id="made-token" {
                    (lang.trf("The token {name} is made and stands below, only now: copy what you need.", &[("name", &made.name)]))
                }
            } @else if let Some(name) = &view.free_name {
                p.note { (lang.tr("Grafana needs no password: a token that reads is enough, and is revoked without touching anything else. It is filled in below, once.")) }
                form.fields method="post" action="/admin/settings/access/tokens" {
                    (frame.csrf())
                    input type="hidden" name="place" value="/admin/settings/grafana";
                    input type="hidden" name="name" value=(name);
                    input type="hidden" name="scope" value="read";
                    button type="submit" { (lang.tr("Make a read token")) }
                }
            } @else {
                p.empty { (lang.tr("There are as many tokens as there can be: revoke those that nobody needs.")) " "
                    a href="/admin/settings/access" { (lang.tr("Access")) } }
            }
        }
    }
}

fn by_hand(lang: Lang, view: &GrafanaView, secret: &str) -> Markup {
    html! {
        section aria-labelledby="hand-title" {
            h2 id="hand-title" { (lang.tr("By hand")) }
            ol.steps {
                li { (lang.tr("In Grafana: Connections, Data sources, Add data source, Prometheus.")) }
                li { (lang.tr("Under Connection, the server's address:")) " " code.secret { (view.url) } }
                li {
                    (lang.tr("Under Authentication choose Basic authentication. User:")) " " code.secret { (USER) } ", "
                    (lang.tr("password: the token,")) " " code.secret { (secret) }
                }
                li { (lang.tr("Under Interval behaviour, the scrape interval:")) " " code.secret { (view.sample_interval) } }
                li { (lang.tr("Press Save & test.")) }
                li { (lang.tr("Add another data source, Loki, with the same address, user and password.")) }
                li { (lang.tr("The dashboards in grafana/dashboards of the repository are imported as they are: Dashboards, New, Import.")) }
            }
        }
    }
}

/// Writes what Grafana reads of its data sources (Grafana, "Provision Grafana"): one for
/// metrics and one for lines, whose trace ids lead to all lines of a request.
fn provisioning(url: &str, sample_interval: &str, secret: &str) -> String {
    format!(
        r#"apiVersion: 1

datasources:
  - name: vitrine (metrics)
    uid: vitrine-metrics
    type: prometheus
    access: proxy
    url: {url}
    basicAuth: true
    basicAuthUser: {USER}
    secureJsonData:
      basicAuthPassword: {secret}
    jsonData:
      httpMethod: POST
      timeInterval: {sample_interval}

  - name: vitrine (logs)
    uid: vitrine-logs
    type: loki
    access: proxy
    url: {url}
    basicAuth: true
    basicAuthUser: {USER}
    secureJsonData:
      basicAuthPassword: {secret}
    jsonData:
      maxLines: 1000
      derivedFields:
        - name: all lines of the request
          matcherType: label
          matcherRegex: trace_id
          datasourceUid: vitrine-logs
          url: '{{service_name="vitrine"}} | trace_id="$${{__value.raw}}"'
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> GrafanaView {
        GrafanaView {
            url: "https://cv.example.com".into(),
            sample_interval: "10s".into(),
            free_name: Some("grafana 2".into()),
            ..GrafanaView::default()
        }
    }

    #[test]
    fn the_file_is_the_one_of_the_repository_with_this_address_and_a_token() {
        let shipped = include_str!("../../../grafana/provisioning/datasources/vitrine.yml");
        let of_vitrine = shipped.split("  - name: vitrine (metrics)").nth(1).unwrap();
        let lines = of_vitrine.lines().filter(|line| !line.trim_start().starts_with('#'));
        let expect = lines.collect::<Vec<_>>().join("\n");
        let expect = expect
            .replace("http://vitrine:2727", "https://cv.example.com")
            .replace("basicAuthUser: admin", "basicAuthUser: grafana")
            .replace("$VITRINE_ADMIN_PASSWORD", "vtr_token");
        let written = provisioning("https://cv.example.com", "10s", "vtr_token");
        let written = written.split("  - name: vitrine (metrics)").nth(1).unwrap();
        assert_eq!(written.trim_end(), expect.trim_end());
    }

    #[test]
    fn a_new_token_is_filled_in_and_otherwise_one_is_offered() {
        let frame = Frame { csrf: "csrf-token".into(), ..Frame::default() };
        let page = grafana(&frame, &view()).into_string();
        assert!(page.contains(r#"name="name" value="grafana 2""#) && page.contains("vtr_…"), "{page}");
        let made = Some(MadeTokenView { name: "grafana 2".into(), secret: "vtr_secret".into() });
        let page = grafana(&frame, &GrafanaView { made, ..view() }).into_string();
        assert_eq!(page.matches("vtr_secret").count(), 3, "{page}");
        assert!(!page.contains("vtr_…") && !page.contains("Make a read token"));
        let page = grafana(&frame, &GrafanaView { free_name: None, ..view() }).into_string();
        assert!(page.contains("revoke those that nobody needs"), "{page}");
    }
}
