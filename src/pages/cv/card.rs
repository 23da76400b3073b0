//! The picture that other sites show beside a link to the page (OpenGraph): a PNG of 1200 by
//! 630, drawn when the CV is loaded.
//!
//! Text is shaped and laid out by cosmic-text, right to left where it is so, in typefaces of
//! the program. What they cannot write is left out, and a name that they cannot write has no
//! picture: none is better than one of empty boxes.

use cosmic_text::{
    Align, Attrs, Buffer, Color, Ellipsize, EllipsizeHeightLimit, Family, FontSystem, Metrics, Shaping,
    SwashCache, Weight, fontdb,
};

use super::labels::Labels;
use super::{contacts, display_name};
use crate::cv::Disclosed;
use crate::cv::color::Role;

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

const BOLD: &str = "Source Serif 4 SemiBold";
const REGULAR: &str = "Source Serif 4";

/// The typefaces, by script.
const FONTS: [&[u8]; 9] = [
    include_bytes!("../../../assets/fonts/serif-600-latin.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-latin-ext.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-cyrillic.ttf"),
    include_bytes!("../../../assets/fonts/serif-600-greek.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-latin.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-latin-ext.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-cyrillic.ttf"),
    include_bytes!("../../../assets/fonts/serif-400-greek.ttf"),
    include_bytes!("../../../assets/fonts/arabic-600.ttf"),
];

/// How a text is set.
struct Style {
    family: &'static str,
    weight: u16,
    size: f32,
    n_lines: usize,
    color: [u8; 3],
}

/// Draws the picture, with the host of the site when it has one; none for a name in a script
/// that the typefaces do not have.
pub fn card(cv: &Disclosed, host: Option<&str>) -> Option<Vec<u8>> {
    let labels = Labels::of(cv.lang.as_deref().unwrap_or("en"));
    let accent = cv.meta.colors.iter().find(|chosen| chosen.role == Role::Accent);
    let accent = accent.map_or(ACCENT, |chosen| chosen.light.channels());
    let mut canvas = Canvas::new();
    canvas.fill(0, 0, WIDTH, BAR, accent);
    let name = Style { family: BOLD, weight: 600, size: 92.0, n_lines: 2, color: INK };
    let label = Style { family: REGULAR, weight: 400, size: 44.0, n_lines: 2, color: accent };
    let note = Style { family: REGULAR, weight: 400, size: 32.0, n_lines: 1, color: SOFT };

    let name = canvas.lay_out(display_name(cv, labels), &name)?;
    let said = cv.basics.label.as_deref().filter(|_| cv.basics.name.is_some());
    let label = said.and_then(|said| canvas.lay_out(said, &label));
    let place = contacts::place(cv);
    let notes: Vec<&str> = [place.as_deref(), host].into_iter().flatten().collect();
    let note = canvas.lay_out(&notes.join("  ·  "), &note);

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
    Some(canvas.png())
}

/// A text with its place in lines.
struct Laid {
    buffer: Buffer,
    color: [u8; 3],
    height: f32,
}

struct Canvas {
    fonts: FontSystem,
    glyphs: SwashCache,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new() -> Self {
        let mut db = fontdb::Database::new();
        FONTS.iter().for_each(|font| db.load_font_data(font.to_vec()));
        let fonts = FontSystem::new_with_locale_and_db("en".to_string(), db);
        let pixels = PAPER.repeat((WIDTH * HEIGHT) as usize);
        Canvas { fonts, glyphs: SwashCache::new(), pixels }
    }

    fn fill(&mut self, x: u32, y: u32, width: u32, height: u32, color: [u8; 3]) {
        for row in y..y + height {
            let from = ((row * WIDTH + x) * 3) as usize;
            self.pixels[from..from + (width * 3) as usize]
                .chunks_exact_mut(3)
                .for_each(|pixel| pixel.copy_from_slice(&color));
        }
    }

    /// Lays a text out in its lines; none when it is empty, or the typefaces cannot write it.
    fn lay_out(&mut self, text: &str, style: &Style) -> Option<Laid> {
        let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
        let text: String = words.join(" ").trim().chars().take(TEXT_MAX_CHARS).collect();
        if text.is_empty() {
            return None;
        }
        let line_height = (style.size * 1.16).round();
        let mut buffer = Buffer::new(&mut self.fonts, Metrics::new(style.size, line_height));
        buffer.set_size(Some(TEXT_WIDTH), Some(line_height * style.n_lines as f32));
        buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(style.n_lines)));
        let attrs = Attrs::new().family(Family::Name(style.family)).weight(Weight(style.weight));
        let is_rtl = text.chars().any(|c| matches!(c, '\u{590}'..='\u{8ff}'));
        let align = if is_rtl { Some(Align::Right) } else { None };
        buffer.set_text(&text, &attrs, Shaping::Advanced, align);
        buffer.shape_until_scroll(&mut self.fonts, false);
        let glyphs = || buffer.layout_runs().flat_map(|run| run.glyphs.iter());
        if glyphs().next().is_none() || glyphs().any(|glyph| glyph.glyph_id == 0) {
            return None;
        }
        let n_lines = buffer.layout_runs().count().min(style.n_lines);
        Some(Laid { buffer, color: style.color, height: line_height * n_lines as f32 })
    }

    fn draw(&mut self, laid: &Laid, top: f32) {
        let Laid { buffer, color: [red, green, blue], .. } = laid;
        let (mut buffer, top) = (buffer.clone(), top.round() as i32);
        let pixels = &mut self.pixels;
        let color = Color::rgb(*red, *green, *blue);
        buffer.draw(&mut self.fonts, &mut self.glyphs, color, |x, y, width, height, color| {
            let (x, y) = (x + MARGIN, y + top);
            for (x, y) in (y..y + height as i32).flat_map(|y| (x..x + width as i32).map(move |x| (x, y))) {
                if (0..WIDTH as i32).contains(&x) && (0..HEIGHT as i32).contains(&y) {
                    let from = (y as usize * WIDTH as usize + x as usize) * 3;
                    blend(&mut pixels[from..from + 3], color);
                }
            }
        });
    }

    fn png(self) -> Vec<u8> {
        let mut res = Vec::new();
        let mut encoder = png::Encoder::new(&mut res, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header().expect("writing to a vector cannot fail");
        writer.write_image_data(&self.pixels).expect("there are as many pixels as the header says");
        writer.finish().expect("writing to a vector cannot fail");
        res
    }
}

fn blend(pixel: &mut [u8], color: Color) {
    let alpha = u32::from(color.a());
    for (under, over) in pixel.iter_mut().zip([color.r(), color.g(), color.b()]) {
        *under = ((u32::from(over) * alpha + u32::from(*under) * (255 - alpha)) / 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cv::{Audience, Config, Source, parse};

    fn drawn(basics: serde_json::Value) -> Option<Vec<u8>> {
        let text = serde_json::json!({ "basics": basics }).to_string();
        let config = Config::default();
        let parsed = parse(&Source { name: "cv.json", bytes: text.as_bytes() }, &config);
        card(&parsed.cv?.disclose(Audience::Public, &config), Some("cv.example.com"))
    }

    /// Returns the pixels that are no paper, by row and column, of a picture of the right size.
    fn marked(png: &[u8]) -> Vec<(u32, u32)> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
        let places = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
        let marked = places.zip(pixels.chunks_exact(3)).filter(|(_, pixel)| *pixel != PAPER);
        marked.map(|(place, _)| place).filter(|(_, y)| *y >= BAR).collect()
    }

    #[test]
    fn names_of_four_scripts_are_written_within_the_margins() {
        let dir = std::env::var("VITRINE_PAGES_DIR").ok();
        for (file, name, label) in [
            ("latin", "Mira Lindqvist", "Backend engineer, payments and reliability"),
            ("accents", "Łukasz Žižka-Đorđević", "Inżynier"),
            ("cyrillic", "Мира Линдквист", "Инженер подъёмных кранов"),
            ("greek", "Μίρα Λίντκβιστ", "Μηχανικός"),
            ("arabic", "ميرا لندكفست", "مهندسة برمجيات"),
            (
                "long",
                "Wolfeschlegelsteinhausenbergerdorff the Extraordinarily Long Named Person of Great Patience",
                "Engineer of very long titles that go on and on and do not end before the line does, nor the one after it, as far as anyone can see",
            ),
            ("one", "Mira", ""),
        ] {
            let png =
                drawn(serde_json::json!({"name": name, "label": label})).unwrap_or_else(|| panic!("{name}"));
            let marked = marked(&png);
            assert!(marked.len() > 1_000 && png.len() < 100_000, "{name}: {} bytes", png.len());
            let (left, right) = (marked.iter().map(|at| at.0).min(), marked.iter().map(|at| at.0).max());
            assert!(left.unwrap() > 80 && right.unwrap() < WIDTH - 80, "{name}: {left:?} to {right:?}");
            if let Some(dir) = &dir {
                std::fs::write(std::path::Path::new(dir).join(format!("card-{file}.png")), &png).unwrap();
            }
            assert_eq!(drawn(serde_json::json!({"name": name, "label": label})), Some(png), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_left_out() {
        assert_eq!(drawn(serde_json::json!({"name": "王小明"})), None);
        let without = drawn(serde_json::json!({"name": "Ada", "label": "工程师"})).unwrap();
        assert_eq!(without, drawn(serde_json::json!({"name": "Ada"})).unwrap());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn no_text_makes_it_panic(name: String, label in "\\PC{0,400}") {
            drawn(serde_json::json!({"name": format!("A{name}"), "label": label}));
        }
    }
}
