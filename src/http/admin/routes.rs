//! Every route below `/admin`, and how it treats who is not let in.
//!
//! Tests of the door knock at each of them; a test here compares the list with what is added
//! to the server, so that a new route cannot be left out.

/// What a route answers to who is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It is the door, or leads there.
    Open,
    /// A page or one of its forms: the way to the login.
    Page,
    /// What a page's script asks for: 401.
    Fetch,
    /// An address of the API: 401, with what would be accepted.
    Machine,
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminRoute {
    /// Its template.
    pub path: &'static str,
    /// The methods that it takes.
    pub methods: &'static [&'static str],
    /// Whom it lets in.
    pub door: Door,
}

const LOOK: &[&str] = &["GET", "HEAD"];
const CHANGE: &[&str] = &["POST"];
const BOTH: &[&str] = &["GET", "HEAD", "POST"];

const fn route(path: &'static str, methods: &'static [&'static str], door: Door) -> AdminRoute {
    AdminRoute { path, methods, door }
}

/// Every route.
pub const ROUTES: &[AdminRoute] = &[
    route("/admin", LOOK, Door::Page),
    route("/admin/", LOOK, Door::Open),
    route("/admin/login", BOTH, Door::Open),
    route("/admin/logout", CHANGE, Door::Page),
    route("/admin/language", CHANGE, Door::Page),
    route("/admin/logs", LOOK, Door::Page),
    route("/admin/logs/rows", LOOK, Door::Fetch),
    route("/admin/logs/histogram", LOOK, Door::Fetch),
    route("/admin/traces", LOOK, Door::Page),
    route("/admin/traces/{id}", LOOK, Door::Page),
    route("/admin/visitors", LOOK, Door::Page),
    route("/admin/visitors/links", CHANGE, Door::Page),
    route("/admin/visitors/links/{tag}/delete", CHANGE, Door::Page),
    route("/admin/workers", LOOK, Door::Page),
    route("/admin/cv", LOOK, Door::Page),
    route("/admin/cv/reload", CHANGE, Door::Page),
    route("/admin/cv/edit", LOOK, Door::Page),
    route("/admin/cv/draft/check", CHANGE, Door::Page),
    route("/admin/cv/draft/preview", CHANGE, Door::Page),
    route("/admin/cv/draft/publish", CHANGE, Door::Page),
    route("/admin/cv/preview/{rest:.*}", LOOK, Door::Page),
    route("/admin/cv/versions", LOOK, Door::Page),
    route("/admin/cv/versions/{id}", LOOK, Door::Page),
    route("/admin/cv/versions/{id}/restore", CHANGE, Door::Page),
    route("/admin/releases", LOOK, Door::Page),
    route("/admin/releases/rollback", CHANGE, Door::Page),
    route("/admin/links", BOTH, Door::Page),
    route("/admin/links/{id}/revoke", CHANGE, Door::Page),
    route("/admin/settings", LOOK, Door::Page),
    route("/admin/settings/audit", LOOK, Door::Page),
    route("/admin/settings/grafana", LOOK, Door::Page),
    route("/admin/settings/access", LOOK, Door::Page),
    route("/admin/settings/access/sessions/end-others", CHANGE, Door::Page),
    route("/admin/settings/access/sessions/{number}/end", CHANGE, Door::Page),
    route("/admin/settings/access/tokens", CHANGE, Door::Page),
    route("/admin/settings/access/tokens/{id}/revoke", CHANGE, Door::Page),
    route("/admin/settings/access/password", CHANGE, Door::Page),
    route("/admin/settings/access/second-factor/{step}", CHANGE, Door::Page),
    route("/admin/events", LOOK, Door::Fetch),
    route("/admin/api/v1/reload", CHANGE, Door::Machine),
    route("/admin/api/v1/log-level", BOTH, Door::Machine),
    route("/admin/api/v1/workers", BOTH, Door::Machine),
    route("/admin/api/v1/workers/{id}/{command}", CHANGE, Door::Machine),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::observe::OTHER_ROUTES;

    /// Returns the resources that the source adds, with the methods that they take.
    fn added() -> Vec<(String, Vec<&'static str>)> {
        let source = include_str!("mod.rs");
        let routes = source.split("pub fn routes(").nth(1).unwrap().split("\n}\n").next().unwrap();
        let compact: String = routes.split_whitespace().collect();
        let (pages, api) = compact.split_once(r#"web::scope("/api")"#).unwrap();
        let of = |text: &str, prefix: &str| -> Vec<(String, Vec<&'static str>)> {
            let resources = text.split(r#"web::resource(""#).skip(1);
            let read = |resource: &str| {
                let (path, rest) = resource.split_once('"').unwrap();
                let takes = |method: &&str| rest.contains(&format!(".{}(", method.to_lowercase()));
                (format!("{prefix}{path}"), ["GET", "HEAD", "POST"].into_iter().filter(takes).collect())
            };
            resources.map(read).collect()
        };
        [of(pages, "/admin"), of(api, "/admin/api")].concat()
    }

    #[test]
    fn the_list_has_every_route_with_its_methods() {
        let mut listed: Vec<(String, Vec<&str>)> =
            ROUTES.iter().map(|route| (route.path.to_string(), route.methods.to_vec())).collect();
        let mut added = added();
        listed.sort();
        added.sort();
        assert_eq!(listed, added);
    }

    #[test]
    fn requests_of_every_route_are_counted_under_its_template() {
        for route in ROUTES {
            let is_counted = OTHER_ROUTES.contains(&route.path);
            // It only leads to another one.
            assert!(is_counted || route.path == "/admin/", "{} is not in OTHER_ROUTES", route.path);
        }
    }
}
