//! The owner's part of the style: colours chosen in the CV.

use std::fmt::Write;

use crate::cv::Cv;
use crate::cv::color::Chosen;

/// Returns the rules for the colours of a CV, to stand behind those of a theme; paper keeps
/// the theme's, which are made for ink.
pub fn colors(cv: &Cv) -> String {
    let colors = &cv.meta.colors;
    if colors.is_empty() {
        return String::new();
    }
    let rules = |pick: fn(&Chosen) -> String| {
        colors.iter().fold(String::new(), |mut rules, chosen| {
            _ = write!(rules, "{}:{};", chosen.role.property(), pick(chosen));
            rules
        })
    };
    let (light, dark) = (rules(|chosen| chosen.light.to_string()), rules(|chosen| chosen.dark.to_string()));
    format!(
        "@media screen{{:root{{{light}}}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )
}
