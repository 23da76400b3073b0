//! What is wrong with a CV, where, and what would be right.

use std::fmt;

/// A place in a file, counted from one; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from one.
    pub line: usize,
    /// Column in characters, from one.
    pub column: usize,
}

impl Place {
    /// The first character of a file.
    pub const START: Place = Place { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Whether a problem keeps the CV from being shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file cannot be read as a CV: its syntax or the shape of its parts is wrong.
    Error,
    /// The CV can be shown; something in it was mended, left out or not understood.
    Warning,
}

/// One thing wrong with a CV; its `Display` is one line that reads alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the CV is unusable because of it.
    pub severity: Severity,
    /// Name of the file as the caller gave it; empty where it is about no file.
    pub file: String,
    /// Where in the file; none for the file as a whole.
    pub place: Option<Place>,
    /// The value concerned, as `work[0].startDate`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, naming the value that was found.
    pub message: String,
    /// What would be accepted, or what was done instead; may be empty.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}:{place}: ", self.file)?,
            None if self.file.is_empty() => {}
            None => write!(f, "{}: ", self.file)?,
        }
        f.write_str(&self.what())?;
        if !self.hint.is_empty() {
            write!(f, ": {}", self.hint)?;
        }
        Ok(())
    }
}

impl Problem {
    /// Returns a problem with a file as a whole, or with none.
    pub fn of_file(severity: Severity, file: impl Into<String>, message: impl Into<String>) -> Problem {
        let (file, message) = (file.into(), message.into());
        Problem { severity, file, place: None, path: String::new(), message, hint: String::new() }
    }

    /// Returns what is wrong and with which value, without the place.
    pub fn what(&self) -> String {
        if self.path.is_empty() { self.message.clone() } else { format!("{}: {}", self.path, self.message) }
    }

    /// Whether the CV is unusable because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A fault that ends the reading of a file: what the readers of YAML and JSON return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The value concerned; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty.
    pub hint: String,
}

impl Fault {
    pub(super) fn new(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Fault { place, path: String::new(), message: message.into(), hint: hint.into() }
    }

    pub(super) fn at_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(super) fn into_problem(self, file: &str) -> Problem {
        Problem {
            severity: Severity::Error,
            file: file.to_string(),
            place: Some(self.place),
            path: self.path,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// Longest piece of a value that a message quotes; enough to recognise it, short enough for one line.
const EXCERPT_CHARS_MAX: usize = 60;

/// Returns a value in quotes, on one line and cut to a readable length.
pub(super) fn quoted(value: &str) -> String {
    let mut res = String::from("\"");
    for (idx, character) in value.chars().enumerate() {
        if idx == EXCERPT_CHARS_MAX {
            res.push('…');
            break;
        }
        match character {
            '\n' => res.push_str("\\n"),
            control if control.is_control() => res.extend(control.escape_default()),
            other => res.push(other),
        }
    }
    res.push('"');
    res
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_alone_on_one_line() {
        let fault = Fault::new(
            Place { line: 12, column: 5 },
            format!("{} is not a date", quoted("2014\n13")),
            "write YYYY, YYYY-MM or YYYY-MM-DD",
        );
        assert_eq!(
            fault.at_path("work[0].startDate").into_problem("cv.yaml").to_string(),
            r#"cv.yaml:12:5: work[0].startDate: "2014\n13" is not a date: write YYYY, YYYY-MM or YYYY-MM-DD"#
        );
    }

    #[test]
    fn a_problem_without_a_place_says_what_it_is_about_as_far_as_that_is_known() {
        let about = |file: &str| Problem::of_file(Severity::Warning, file, "not UTF-8").to_string();
        assert_eq!(about("style.css"), "style.css: not UTF-8");
        assert_eq!(about(""), "not UTF-8");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), EXCERPT_CHARS_MAX + 3);
    }
}
