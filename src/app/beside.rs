//! What lies beside the CV in the site's folder: the picture that it names, the owner's
//! styles, their page for what is not there.

use std::io;
use std::path::Path;

use super::data::read_bounded;
use crate::cv::{Cv, Image, Problem, Severity};
use crate::http::files::PDF;
use crate::http::site::{Beside, Photo};

/// A stylesheet is read before the page is shown; the built-in one has 12 kB.
const STYLE_MAX_BYTES: usize = 500_000;

/// A page that is held in memory and sent to whoever mistypes an address.
const NOT_FOUND_MAX_BYTES: usize = 1_000_000;

/// A photo of a page is well below 1 MB; past this a visitor on a phone waits for seconds.
const PHOTO_MAX_BYTES: usize = 5_000_000;

/// A good camera has as many; four bytes each are what a browser holds.
const PHOTO_MAX_PIXELS: usize = 50_000_000;

/// Rules after those of the theme.
pub const STYLE: &str = "style.css";
/// Rules in place of the theme's.
pub const THEME: &str = "theme/style.css";
/// The page for what is not there.
pub const NOT_FOUND: &str = "404.html";

/// Where the CV names its picture.
pub const IMAGE: &str = "basics.image";

/// What lies there under a name of its own.
pub const NAMES: [&str; 4] = [STYLE, THEME, NOT_FOUND, PDF];

/// The formats that every browser shows, by their endings.
const FORMATS: [(&str, &str); 4] =
    [("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp")];

/// Reads what there is beside a CV from the file `name`; what cannot be read is a warning for
/// the owner, and the page goes without.
pub fn read(folder: &Path, name: &str, cv: &Cv) -> (Beside, Vec<Problem>) {
    let mut warnings = Vec::new();
    let mut file = |name: &str, max_bytes: usize| match read_bounded(&folder.join(name), max_bytes) {
        Ok(bytes) => Some(bytes),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => None,
        Err(fault) => {
            warnings.push(left_out(name, fault.to_string()));
            None
        }
    };
    let style = file(STYLE, STYLE_MAX_BYTES);
    let theme = file(THEME, STYLE_MAX_BYTES);
    let not_found = file(NOT_FOUND, NOT_FOUND_MAX_BYTES);
    let mut text = |name: &str, bytes: Option<Vec<u8>>| match String::from_utf8(bytes?) {
        Ok(text) => Some(text),
        Err(_) => {
            warnings.push(left_out(name, "it is not UTF-8"));
            None
        }
    };
    let (style, theme) = (text(STYLE, style), text(THEME, theme));
    let photo = photo(folder, cv).unwrap_or_else(|message| {
        warnings.push(Problem {
            path: IMAGE.into(),
            hint: "the page is shown without it".into(),
            ..Problem::of_file(Severity::Warning, name, message)
        });
        None
    });
    let has_pdf = folder.join(PDF).is_file();
    (Beside { photo, style, theme, not_found, has_pdf }, warnings)
}

fn left_out(name: &str, why: impl Into<String>) -> Problem {
    Problem { hint: why.into(), ..Problem::of_file(Severity::Warning, name, "it is left out") }
}

/// Returns ending and media type of a picture, by its name.
fn format_of(path: &Path) -> Option<(&'static str, &'static str)> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    FORMATS.into_iter().find(|(known, _)| *known == ending)
}

/// Whether a file could be the CV's picture, by its name.
pub fn is_picture(name: &str) -> bool {
    format_of(Path::new(name)).is_some()
}

/// Reads the CV's picture, or says why it is not shown.
///
/// A picture on another host is none of ours: `cv` warns about it, and it is not loaded.
fn photo(folder: &Path, cv: &Cv) -> Result<Option<Photo>, String> {
    let Some(Image::File(name)) = &cv.basics.image else { return Ok(None) };
    let path = folder.join(name);
    let warn = |fault: String| format!("{name}: {fault}");
    let Some((ending, content_type)) = format_of(&path) else {
        return Err(warn("not a picture that browsers show: use jpg, png or webp".into()));
    };
    let inside = path.canonicalize().and_then(|real| Ok((real, folder.canonicalize()?)));
    let (real, folder) = inside.map_err(|fault| warn(fault.to_string()))?;
    if !real.starts_with(&folder) {
        return Err(warn("it is a link out of the site folder".into()));
    }
    let bytes = read_bounded(&real, PHOTO_MAX_BYTES).map_err(|fault| warn(fault.to_string()))?;
    // A few kilobytes can be a picture that a visitor's browser needs gigabytes to show.
    let size = imagesize::blob_size(&bytes)
        .map_err(|_| warn("it is not a picture, whatever its name says".into()))?;
    let (n_pixels, max) = (size.width.saturating_mul(size.height), PHOTO_MAX_PIXELS);
    if n_pixels > max {
        let (n_megapixels, max) = (n_pixels / 1_000_000, max / 1_000_000);
        return Err(warn(format!("it has {n_megapixels} megapixels, and {max} are the most that are shown")));
    }
    Ok(Some(Photo { bytes, content_type, path: format!("/photo.{ending}") }))
}
