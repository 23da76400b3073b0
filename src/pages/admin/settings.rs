//! How it is set, and by what.

use maud::{Markup, html};

use super::lang::Lang;

/// The pages that belong together under the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Who may enter.
    Access,
}

impl Section {
    const ALL: [Section; 1] = [Section::Access];

    fn path(self) -> &'static str {
        match self {
            Section::Access => "/admin/settings/access",
        }
    }

    fn name(self, lang: Lang) -> &'static str {
        match self {
            Section::Access => lang.tr("Access"),
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
