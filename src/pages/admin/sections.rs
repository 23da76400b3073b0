//! The pages that belong together under the settings.

use maud::{Markup, html};

use super::lang::Lang;

/// The pages that belong together under the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The configuration.
    Configuration,
    /// Who may enter.
    Access,
    /// Who did what.
    Audit,
    /// How Grafana is attached.
    Grafana,
}

impl Section {
    const ALL: [Section; 4] = [Section::Configuration, Section::Access, Section::Audit, Section::Grafana];

    fn path(self) -> &'static str {
        match self {
            Section::Configuration => "/admin/settings",
            Section::Access => "/admin/settings/access",
            Section::Audit => "/admin/settings/audit",
            Section::Grafana => "/admin/settings/grafana",
        }
    }

    fn name(self, lang: Lang) -> &'static str {
        match self {
            Section::Configuration => lang.tr("Configuration"),
            Section::Access => lang.tr("Access"),
            Section::Audit => lang.tr("Audit log"),
            Section::Grafana => "Grafana",
        }
    }
}

/// Renders the way to the other pages of the settings.
pub(super) fn sections(lang: Lang, current: Section) -> Markup {
    html! {
        nav.sections aria-label=(lang.tr("Settings")) {
            @for section in Section::ALL {
                a href=(section.path()) aria-current=[(section == current).then_some("page")] { (section.name(lang)) }
            }
        }
    }
}
