//! The table that the benchmark prints.

use std::fmt;
use std::time::Duration;

/// One figure.
pub struct Row {
    what: String,
    figure: String,
    budget: Option<(String, bool)>,
    note: String,
}

impl Row {
    /// Returns a row with a figure.
    pub fn new(what: impl Into<String>, figure: impl fmt::Display) -> Self {
        Row { what: what.into(), figure: figure.to_string(), budget: None, note: String::new() }
    }

    /// Says what else is to be known.
    pub fn note(self, note: impl fmt::Display) -> Self {
        let gap = if self.note.is_empty() { "" } else { ", " };
        Row { note: format!("{}{gap}{note}", self.note), ..self }
    }

    /// Defends a budget.
    pub fn budget(self, budget: impl fmt::Display, is_kept: bool) -> Self {
        Row { budget: Some((budget.to_string(), is_kept)), ..self }
    }
}

/// The rows that one part of the benchmark gave.
pub struct Section {
    title: &'static str,
    rows: Vec<Row>,
    footnotes: Vec<String>,
}

impl Section {
    /// Begins a section.
    pub fn new(title: &'static str) -> Self {
        Section { title, rows: Vec::new(), footnotes: Vec::new() }
    }

    /// Adds a row, and says on the way that it is there.
    pub fn push(&mut self, row: Row) {
        eprintln!("  {}: {}", row.what, row.figure);
        self.rows.push(row);
    }

    /// Adds how the figures were taken.
    pub fn footnote(&mut self, text: impl Into<String>) {
        self.footnotes.push(text.into());
    }

    /// Returns how many budgets were missed.
    pub fn n_missed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.budget, Some((_, false)))).count()
    }
}

/// Prints every section with the same columns.
pub fn print(sections: &[Section]) {
    let rows = || sections.iter().flat_map(|section| &section.rows);
    let width = |of: fn(&Row) -> &str| rows().map(|row| of(row).chars().count()).max().unwrap_or(0);
    let budget_of: fn(&Row) -> &str = |row| row.budget.as_ref().map_or("", |(text, _)| text);
    let (what, figure, budget) = (width(|row| &row.what), width(|row| &row.figure), width(budget_of));
    for section in sections {
        println!("\n{}", section.title);
        for row in &section.rows {
            let verdict = match row.budget {
                Some((_, true)) => "ok",
                Some((_, false)) => "MISSED",
                None => "",
            };
            let line = format!(
                "  {:<what$}  {:>figure$}  {:>budget$} {verdict:<6}  {}",
                row.what,
                row.figure,
                budget_of(row),
                row.note,
            );
            println!("{}", line.trim_end());
        }
        section.footnotes.iter().for_each(|text| print_wrapped(text));
    }
}

/// Columns that a footnote may take.
const FOOTNOTE_WIDTH: usize = 110;

fn print_wrapped(text: &str) {
    let mut line = String::from("   ");
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > FOOTNOTE_WIDTH {
            println!("{line}");
            line = String::from("   ");
        }
        line = line + " " + word;
    }
    println!("{line}");
}

/// Writes a number of bytes in decimal units.
pub fn bytes(n: u64) -> String {
    match n {
        0..10_000 => format!("{n} B"),
        10_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

/// Writes a duration in ms.
pub fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        10.0.. => format!("{ms:.0} ms"),
        0.1.. => format!("{ms:.2} ms"),
        _ => format!("{ms:.4} ms"),
    }
}

/// Writes a count with its thousands apart.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut res = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            res.push(',');
        }
        res.push(digit);
    }
    res
}
