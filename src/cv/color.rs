//! Colours that an owner chooses (`meta.themeOptions.colors`), and whether text in them can be
//! read.

use std::fmt;
use std::str::FromStr;

/// A colour of the sRGB space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    red: u8,
    green: u8,
    blue: u8,
}

/// A text that is no colour.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a colour: write it as #20506a or #abc")]
pub struct NoColor(pub String);

impl FromStr for Color {
    type Err = NoColor;

    fn from_str(text: &str) -> Result<Self, NoColor> {
        let fault = || NoColor(text.to_string());
        let digits = text.trim().strip_prefix('#').ok_or_else(fault)?;
        let digits: String = match digits.len() {
            3 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            _ => digits.to_string(),
        };
        let mut bytes = [0; 3];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| fault())?;
        let [red, green, blue] = bytes;
        Ok(Color { red, green, blue })
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

/// Least contrast of text with what is behind it (WCAG 2.2, success criterion 1.4.3).
pub const CONTRAST_MIN: f64 = 4.5;

impl Color {
    /// Returns red, green and blue.
    pub fn channels(self) -> [u8; 3] {
        [self.red, self.green, self.blue]
    }

    /// Returns the contrast with another colour, 1 to 21 (WCAG 2.2, "contrast ratio").
    pub fn contrast(self, other: Color) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    // WCAG 2.2, "relative luminance".
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.red) + 0.7152 * linear(self.green) + 0.0722 * linear(self.blue)
    }
}

/// What a colour is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Behind everything.
    Paper,
    /// Text.
    Ink,
    /// Text that matters less.
    Soft,
    /// Lines.
    Rule,
    /// Links and headings.
    Accent,
}

impl Role {
    /// Returns the role that a name in the file stands for: ours, or those of the theme `even`.
    pub fn named(name: &str) -> Option<Role> {
        match name {
            "paper" | "background" => Some(Role::Paper),
            "ink" | "primary" => Some(Role::Ink),
            "soft" | "secondary" => Some(Role::Soft),
            "rule" | "dimmed" => Some(Role::Rule),
            "accent" => Some(Role::Accent),
            _ => None,
        }
    }

    /// Returns the custom property of the stylesheets.
    pub fn property(self) -> &'static str {
        match self {
            Role::Paper => "--paper",
            Role::Ink => "--ink",
            Role::Soft => "--soft",
            Role::Rule => "--rule",
            Role::Accent => "--accent",
        }
    }

    /// Whether text is written in it.
    pub fn is_text(self) -> bool {
        matches!(self, Role::Ink | Role::Soft | Role::Accent)
    }
}

/// A colour in both colour schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// What it is for.
    pub role: Role,
    /// On light paper.
    pub light: Color,
    /// On dark paper.
    pub dark: Color,
}

/// The paper of the built-in themes, light and dark, that a chosen colour is held against.
const PAPER: [&str; 2] = ["#fdfcfa", "#16181b"];

/// Returns the chosen colours of text that are hard to read, with the contrast that they have.
pub fn hard_to_read(chosen: &[Chosen]) -> Vec<(Role, &'static str, f64)> {
    let paper = chosen.iter().find(|chosen| chosen.role == Role::Paper);
    let built_in = |text: &str| text.parse().expect("the built-in colours are colours");
    let light_paper = paper.map_or_else(|| built_in(PAPER[0]), |paper| paper.light);
    let dark_paper = paper.map_or_else(|| built_in(PAPER[1]), |paper| paper.dark);
    let texts = chosen.iter().filter(|chosen| chosen.role.is_text());
    texts
        .flat_map(|text| {
            [
                (text.role, "light", text.light.contrast(light_paper)),
                (text.role, "dark", text.dark.contrast(dark_paper)),
            ]
        })
        .filter(|(_, _, contrast)| *contrast < CONTRAST_MIN)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_and_written() {
        let read = |text: &str| text.parse::<Color>().map(|color| color.to_string()).unwrap_or_default();
        assert_eq!(read("#20506A"), "#20506a");
        assert_eq!(read(" #fa0"), "#ffaa00");
        for text in ["", "#", "20506a", "#12345", "#1234567", "red", "#gg0000", "#ä00"] {
            assert_eq!(read(text), "", "{text}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        let contrast = |a: &str, b: &str| a.parse::<Color>().unwrap().contrast(b.parse().unwrap());
        assert_eq!(contrast("#000", "#fff"), 21.0);
        assert_eq!(contrast("#fff", "#fff"), 1.0);
        // The greys that the guidelines' own tools name as the border.
        assert!(contrast("#767676", "#fff") >= CONTRAST_MIN);
        assert!(contrast("#777777", "#fff") < CONTRAST_MIN);
    }
}
