//! The address of the page as a QR code, for paper.

use qrcode::QrCode;
use qrcode::render::svg;

/// Draws an address as SVG; none when it is too long for a code.
pub fn qr(url: &str) -> Option<String> {
    let code = QrCode::new(url).ok()?;
    Some(code.render::<svg::Color>().min_dimensions(200, 200).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_code_unless_it_is_too_long() {
        assert!(qr("https://cv.example.com/").unwrap().contains("<svg"));
        assert_eq!(qr(&"a".repeat(10_000)), None);
    }
}
