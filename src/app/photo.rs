//! The picture that a CV names: read when it lies in the site's folder, and only then.

use std::path::Path;

use super::data::read_bounded;
use crate::cv::{Cv, Image};
use crate::http::site::Photo;

/// A photo of a page is well below 1 MB; past this a visitor on a phone waits for seconds.
const PHOTO_MAX_BYTES: usize = 5_000_000;

/// The formats that every browser shows, by their endings.
const FORMATS: [(&str, &str); 4] =
    [("jpg", "image/jpeg"), ("jpeg", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp")];

/// Reads the CV's picture; an error is a warning for the owner, and the page goes without.
///
/// A picture on another host is none of ours: `cv` warns about it, and it is not loaded.
pub fn read(folder: &Path, cv: &Cv) -> Result<Option<Photo>, String> {
    let Some(Image::File(name)) = &cv.basics.image else { return Ok(None) };
    let path = folder.join(name);
    let warn =
        |fault: String| format!("basics.image: {}: {fault}; the page is shown without it", path.display());
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let format = FORMATS.iter().find(|(known, _)| *known == ending);
    let Some((ending, content_type)) = format else {
        return Err(warn("not a picture that browsers show: use jpg, png or webp".into()));
    };
    let inside = path.canonicalize().and_then(|real| Ok((real, folder.canonicalize()?)));
    let (real, folder) = inside.map_err(|fault| warn(fault.to_string()))?;
    if !real.starts_with(&folder) {
        return Err(warn("it is a link out of the site folder".into()));
    }
    let bytes = read_bounded(&real, PHOTO_MAX_BYTES).map_err(|fault| warn(fault.to_string()))?;
    Ok(Some(Photo { bytes, content_type, path: format!("/photo.{ending}") }))
}
