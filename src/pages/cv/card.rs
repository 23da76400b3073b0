//! The picture that other sites show beside a link to the page (OpenGraph): a PNG of 1200 by
//! 630, drawn when the CV is loaded.
//!
//! Text is shaped and laid out by cosmic-text, right to left where it is so, in typefaces of
//! the program. Pictures among the letters are left out, and so is a line that the typefaces
//! cannot write; a name that they cannot write has no picture: none is better than one of
//! empty boxes. The photo is not drawn: that needs a decoder of every format that it may have.

use cosmic_text::{
    Align, Attrs, Buffer, Color, Family, FontSystem, Metrics, Shaping, SwashCache, Weight, Wrap, fontdb,
};

use super::contacts::country;
use super::labels::Labels;
use super::{display_name, shown_label};
use crate::cv::color::Role;
use crate::cv::{Cv, Disclosed};

/// The size that sites ask for.
pub const WIDTH: u32 = 1_200;

/// The height for that.
pub const HEIGHT: u32 = 630;

const MARGIN: i32 = 96;
const BAR: u32 = 20;
const TEXT_WIDTH: f32 = (WIDTH as i32 - 2 * MARGIN) as f32;

/// More of a text cannot be seen; a longer one is cut before it is shaped.
const TEXT_MAX_CHARS: usize = 300;

const PAPER: [u8; 3] = [0xfd, 0xfc, 0xfa];
const INK: [u8; 3] = [0x1f, 0x23, 0x28];
const SOFT: [u8; 3] = [0x5b, 0x61, 0x68];
const ACCENT: [u8; 3] = [0x20, 0x50, 0x6a];

const FAMILY: &str = "Source Serif 4";

/// The typefaces, by script: as TTF, others are passed over in silence.
const FONTS: [&[u8]; 13] = [
    include_bytes!("../../../assets/fonts/serif-600-latin.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-latin-ext.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-vietnamese.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-cyrillic.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-cyrillic-ext.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-greek.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-latin.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-latin-ext.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-vietnamese.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-cyrillic.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-cyrillic-ext.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-greek.ttf"),
    include_bytes!("../../../assets/fonts/arabic-600.ttf"),
];

/// How large a name is, and in how many lines: the first that has room for all of its words,
/// or else the last, with an ellipsis. Each is as high as the others.
const NAME_SIZES: [(f32, usize); 3] = [(92.0, 2), (76.0, 2), (62.0, 3)];

/// How many shades each ink has, from none to full; three inks of 64 fit into a palette.
const N_SHADES: u8 = 64;

/// What is drawn with: a pixel is `ink × N_SHADES + shade`.
#[derive(Clone, Copy)]
enum Ink {
    Accent,
    Main,
    Soft,
}

/// How a text is set.
#[derive(Clone, Copy)]
struct Style {
    weight: u16,
    size: f32,
    n_lines: usize,
    ink: Ink,
}

fn line_height(style: &Style) -> f32 {
    (style.size * 1.16).round()
}

/// Draws the picture, with the host of the site when it has one; none for a name in a script
/// that the typefaces do not have.
pub fn card(cv: &Disclosed, host: Option<&str>) -> Option<Vec<u8>> {
    let labels = Labels::of_cv(cv);
    let label = Style { weight: 400, size: 44.0, n_lines: 2, ink: Ink::Accent };
    let note = Style { size: 32.0, n_lines: 1, ink: Ink::Soft, ..label };
    let name = Style { weight: 600, ink: Ink::Main, ..label };
    let mut canvas = Canvas::new();
    let name = canvas.lay_out_name(display_name(cv, labels), name)?;
    // The other lines begin where the name does, whatever they are written in.
    let align = if name.is_rtl() { Align::Right } else { Align::Left };
    let label = shown_label(cv).and_then(|said| canvas.lay_out(said, &label, Some(align)));
    let place = place(cv);
    let mut notes: Vec<&str> = [place.as_deref(), host].into_iter().flatten().collect();
    notes.retain(|said| canvas.lay_out(said, &note, None).is_some());
    let note = canvas.lay_out(&notes.join(" · "), &note, Some(align));

    let gap = 28.0;
    let height = name.height + label.as_ref().map_or(0.0, |label| gap + label.height);
    let mut top = (BAR as f32 + (HEIGHT - BAR) as f32 / 2.0 - height / 2.0 - 30.0).max(72.0);
    canvas.draw(&name, top);
    top += name.height + gap;
    if let Some(label) = label {
        canvas.draw(&label, top);
    }
    if let Some(note) = note {
        canvas.draw(&note, HEIGHT as f32 - 72.0 - note.height);
    }
    Some(canvas.png(&palette(cv)))
}

/// Returns the colours of all inks in all shades, the chosen ones where there are any: each was
/// held against the paper that was chosen with it, so the paper is taken as well.
fn palette(cv: &Cv) -> Vec<u8> {
    let chosen = |role| cv.meta.colors.iter().find(|chosen| chosen.role == role);
    let color = |role, default| chosen(role).map_or(default, |chosen| chosen.light.channels());
    let paper = color(Role::Paper, PAPER);
    let inks = [color(Role::Accent, ACCENT), color(Role::Ink, INK), color(Role::Soft, SOFT)];
    let full = u16::from(N_SHADES - 1);
    let mix = |shade: u16, under: u8, over: u8| {
        ((u16::from(over) * shade + u16::from(under) * (full - shade) + full / 2) / full) as u8
    };
    let shades = inks.into_iter().flat_map(|ink| (0..=full).map(move |shade| (ink, shade)));
    shades.flat_map(|(ink, shade)| [0, 1, 2].map(|idx| mix(shade, paper[idx], ink[idx]))).collect()
}

/// Returns city and country: a street is of no use to who only sees a link.
fn place(cv: &Cv) -> Option<String> {
    let parts = [cv.basics.location.city.as_deref(), country(cv)];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Returns a text as one line of writing: what is no writing is left out, and what could not be
/// seen is cut off.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.map(|word| word.replace(is_picture, "")).filter(|word| !word.is_empty());
    words.collect::<Vec<String>>().join(" ").chars().take(TEXT_MAX_CHARS).collect()
}

/// Returns the beginning of a text, without that many characters at its end and the word that
/// they were in.
fn shortened(text: &str, n_less: usize) -> &str {
    let end = text.char_indices().rev().nth(n_less - 1).map_or(0, |(at, _)| at);
    let rest = &text[..end];
    let rest = rest.rfind(' ').map_or(rest, |at| &rest[..at]);
    rest.trim_end_matches([' ', ',', ';', ':', '.', '-', '–', '—', '&', '(', '،'])
}

/// Whether a character is an arrow, a symbol or an emoji, or says how one looks.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f000}'..='\u{1faff}' | '\u{e0000}'..='\u{e01ef}')
}

/// A text with its place in lines.
struct Laid {
    buffer: Buffer,
    ink: Ink,
    height: f32,
    /// Whether every word is there, in one piece.
    is_whole: bool,
}

impl Laid {
    fn is_rtl(&self) -> bool {
        self.buffer.layout_runs().next().is_some_and(|run| run.rtl)
    }
}

struct Canvas {
    fonts: FontSystem,
    glyphs: SwashCache,
    pixels: Vec<u8>,
}

impl Canvas {
    /// Returns the paper with its bar.
    fn new() -> Self {
        let mut db = fontdb::Database::new();
        FONTS.iter().for_each(|font| db.load_font_data(font.to_vec()));
        let fonts = FontSystem::new_with_locale_and_db("en".to_string(), db);
        let mut pixels = vec![0; (WIDTH * HEIGHT) as usize];
        pixels[..(WIDTH * BAR) as usize].fill(Ink::Accent as u8 * N_SHADES + N_SHADES - 1);
        Canvas { fonts, glyphs: SwashCache::new(), pixels }
    }

    /// Lays a name out as large as it can be.
    fn lay_out_name(&mut self, name: &str, style: Style) -> Option<Laid> {
        let mut res = None;
        for (size, n_lines) in NAME_SIZES {
            res = self.lay_out(name, &Style { size, n_lines, ..style }, None);
            if res.as_ref().is_none_or(|laid| laid.is_whole) {
                break;
            }
        }
        res
    }

    /// Lays a text out in its lines; none when it is empty, or the typefaces cannot write it.
    /// Without an alignment it begins where its script does. What has no room is cut off at a
    /// word: the ellipsis of cosmic-text comes after a space, and with one before the last line.
    fn lay_out(&mut self, text: &str, style: &Style, align: Option<Align>) -> Option<Laid> {
        let text = one_line(text);
        if text.is_empty() {
            return None;
        }
        let mut buffer = self.shape(&text, style, align, Wrap::Word);
        let has_room = |buffer: &Buffer| buffer.layout_runs().count() <= style.n_lines;
        let is_whole = has_room(&buffer) && buffer.layout_runs().all(|run| run.line_w <= TEXT_WIDTH);
        if !is_whole {
            buffer = self.shape(&text, style, align, Wrap::WordOrGlyph);
            let seen = buffer.layout_runs().take(style.n_lines).flat_map(|run| run.glyphs);
            let seen = seen.map(|glyph| glyph.end).max().unwrap_or(0);
            // At 300 characters it is over after nine steps.
            let mut n_less = 1;
            while !has_room(&buffer) {
                let text = format!("{}…", shortened(&text[..seen], n_less));
                buffer = self.shape(&text, style, align, Wrap::WordOrGlyph);
                n_less *= 2;
            }
        }
        let glyphs = || buffer.layout_runs().flat_map(|run| run.glyphs.iter());
        if glyphs().next().is_none() || glyphs().any(|glyph| glyph.glyph_id == 0) {
            return None;
        }
        let height = line_height(style) * buffer.layout_runs().count() as f32;
        Some(Laid { buffer, ink: style.ink, height, is_whole })
    }

    fn shape(&mut self, text: &str, style: &Style, align: Option<Align>, wrap: Wrap) -> Buffer {
        let mut res = Buffer::new(&mut self.fonts, Metrics::new(style.size, line_height(style)));
        let attrs = Attrs::new().family(Family::Name(FAMILY)).weight(Weight(style.weight));
        res.set_text(text, &attrs, Shaping::Advanced, align);
        res.set_size(Some(TEXT_WIDTH), None);
        res.set_wrap(wrap);
        res.shape_until_scroll(&mut self.fonts, false);
        res
    }

    fn draw(&mut self, laid: &Laid, top: f32) {
        let (mut buffer, top) = (laid.buffer.clone(), top.round() as i32);
        let (pixels, ink) = (&mut self.pixels, laid.ink as u8 * N_SHADES);
        let color = Color::rgb(0, 0, 0);
        buffer.draw(&mut self.fonts, &mut self.glyphs, color, |x, y, width, height, color| {
            let shade = color.a() / (256 / u16::from(N_SHADES)) as u8;
            let (x, y) = (x + MARGIN, y + top);
            for (x, y) in (y..y + height as i32).flat_map(|y| (x..x + width as i32).map(move |x| (x, y))) {
                if (0..WIDTH as i32).contains(&x) && (0..HEIGHT as i32).contains(&y) {
                    let pixel = &mut pixels[y as usize * WIDTH as usize + x as usize];
                    // Where two glyphs meet, the darker stays.
                    if shade > *pixel % N_SHADES {
                        *pixel = ink + shade;
                    }
                }
            }
        });
    }

    fn png(self, palette: &[u8]) -> Vec<u8> {
        let mut res = Vec::new();
        let mut encoder = png::Encoder::new(&mut res, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(palette);
        encoder.set_compression(png::Compression::Balanced);
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header().expect("writing to a vector cannot fail");
        writer.write_image_data(&self.pixels).expect("there are as many pixels as the header says");
        writer.finish().expect("writing to a vector cannot fail");
        res
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::cv::Config;
    use crate::pages::cv::tests::disclosed;

    fn drawn(basics: serde_json::Value) -> Option<Vec<u8>> {
        let text = json!({ "basics": basics }).to_string();
        card(&disclosed("cv.json", &text, &Config::default()), Some("cv.example.com"))
    }

    /// Returns the pixels that are no paper, by row and column, of a picture of the right size.
    fn marked(png: &[u8]) -> Vec<(u32, u32)> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
        let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let marked = places.zip(pixels.chunks_exact(3)).filter(|(_, pixel)| *pixel != PAPER);
        marked.map(|(place, _)| place).filter(|(_, y)| *y >= BAR).collect()
    }

    #[test]
    fn every_typeface_is_read() {
        assert_eq!(Canvas::new().fonts.db().len(), FONTS.len());
    }

    #[test]
    fn names_of_four_scripts_are_written_within_the_margins() {
        let dir = std::env::var("VITRINE_PAGES_DIR").ok();
        let long_label = "Engineer of very long titles that go on and on ".repeat(4);
        for (file, name, label) in [
            ("latin", "Mira Lindqvist", "Backend engineer, payments and reliability"),
            ("accents", "Łukasz Žižka-Đorđević", "Inżynier"),
            ("vietnamese", "Nguyễn Thị Hồng Phượng", "Kỹ sư phần mềm"),
            ("cyrillic", "Мира Линдквист", "Инженер подъёмных кранов"),
            ("kazakh", "Әлия Қасымова", "Бағдарламашы"),
            ("greek", "Μίρα Λίντκβιστ", "Μηχανικός"),
            ("arabic", "ميرا لندكفست", "مهندسة برمجيات"),
            ("persian", "علی\u{200c}رضا پژوهشگر", "Backend engineer"),
            ("long", "Maria del Carmen Fernández-Villaverde y Álvarez de Toledo Gonzaga", &long_label),
            ("endless", &"Wolfeschlegelsteinhausenbergerdorff".repeat(9), &long_label),
            ("one", "Mira", ""),
        ] {
            let basics = json!({"name": name, "label": label});
            let png = drawn(basics.clone()).unwrap_or_else(|| panic!("{name}"));
            let marked = marked(&png);
            assert!(marked.len() > 1_000 && png.len() < 60_000, "{name}: {} bytes", png.len());
            let (left, right) = (marked.iter().map(|at| at.0).min(), marked.iter().map(|at| at.0).max());
            assert!(left.unwrap() > 80 && right.unwrap() < WIDTH - 80, "{name}: {left:?} to {right:?}");
            let is_apart = marked.iter().all(|(_, y)| !(485..515).contains(y));
            assert!(is_apart, "{name}: the host stands apart from what is above");
            if let Some(dir) = &dir {
                std::fs::write(std::path::Path::new(dir).join(format!("card-{file}.png")), &png).unwrap();
            }
            assert_eq!(drawn(basics), Some(png), "{name}: the same each time");
        }
    }

    #[test]
    fn every_line_begins_where_the_name_does() {
        let edges = |name: &str, label: &str| {
            let marked = marked(&drawn(json!({"name": name, "label": label})).unwrap());
            let columns = || marked.iter().map(|at| at.0);
            (columns().min().unwrap(), columns().max().unwrap())
        };
        let (left, right) = edges("ميرا", "Engineer");
        assert!(left > WIDTH / 2 && right > WIDTH - 120, "{left} to {right}");
        let (left, right) = edges("Mira (ميرا)", "مهندسة");
        assert!(left < 120 && right < WIDTH * 3 / 4, "{left} to {right}");
    }

    #[test]
    fn a_name_is_as_large_as_has_room_for_its_words() {
        fn check(name: &str, size: f32, n_lines: usize, is_whole: bool) {
            let style = Style { weight: 600, size: 0.0, n_lines: 0, ink: Ink::Main };
            let laid = Canvas::new().lay_out_name(name, style).unwrap();
            let found = (laid.buffer.metrics().font_size, laid.buffer.layout_runs().count(), laid.is_whole);
            assert_eq!(found, (size, n_lines, is_whole), "{name}");
        }
        check("Mira", 92.0, 1, true);
        check("Maximilian Alexander von Lindqvist", 92.0, 2, true);
        check("Wolfeschlegelsteinhausen", 76.0, 1, true);
        check("Maria del Carmen Fernández-Villaverde y Álvarez de Toledo Gonzaga", 62.0, 3, true);
        check(&"Maria ".repeat(1_000), 62.0, 3, false);
        check(&"Maria".repeat(1_000), 62.0, 3, false);
    }

    #[test]
    fn what_cannot_be_written_is_left_out() {
        assert_eq!(drawn(json!({"name": "王小明"})), None);
        let plain = drawn(json!({"name": "Ada", "label": "Engineer"})).unwrap();
        let with_pictures = drawn(json!({"name": "Ada\u{200d} 🚀", "label": "❤️  Engineer ✨"}));
        assert_eq!(with_pictures.as_ref(), Some(&plain));
        let without = drawn(json!({"name": "Ada"})).unwrap();
        assert_eq!(drawn(json!({"name": "Ada", "label": "工程师"})), Some(without.clone()));
        let far = json!({"name": "Ada", "location": {"city": "上海"}});
        assert_eq!(drawn(far), Some(without), "the host is written without the place");
    }

    #[test]
    fn chosen_colors_come_with_their_paper() {
        let colors = json!({"paper": "#102030", "accent": "#e0d0c0"});
        let cv = json!({"basics": {"name": "Ada"}, "meta": {"themeOptions": {"colors": colors}}}).to_string();
        let cv = disclosed("cv.json", &cv, &Config::default());
        let (paper, accent) = (0, usize::from(N_SHADES - 1) * 3);
        let palette = palette(&cv);
        assert_eq!(palette[paper..paper + 3], [0x10, 0x20, 0x30]);
        assert_eq!(palette[accent..accent + 3], [0xe0, 0xd0, 0xc0]);
    }

    #[test]
    fn the_street_is_not_written() {
        let city = json!({"name": "Ada", "location": {"city": "Malmö", "countryCode": "SE"}});
        let mut street = city.clone();
        street["location"]["address"] = json!("Storgatan 1");
        street["location"]["postalCode"] = json!("211 42");
        assert_ne!(drawn(city.clone()), drawn(json!({"name": "Ada"})));
        assert_eq!(drawn(city), drawn(street));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_text_makes_it_panic(name: String, label in "\\PC{0,400}", city in "[\\pM\\pC\\s]{0,99}", repeated in 1..500_usize) {
            let location = json!({"city": city.repeat(repeated)});
            let basics = json!({"name": format!("A{name}").repeat(repeated), "label": label, "location": location});
            prop_assert!(drawn(basics).is_none_or(|png| png.len() < 100_000));
        }
    }
}
