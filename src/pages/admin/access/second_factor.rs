//! The second factor: on, off, or waiting for its first code.

use maud::{Markup, html};

use crate::pages::admin::frame::Frame;
use crate::pages::admin::lang::Lang;

/// How the second factor is.
#[derive(Clone, Default)]
pub enum SecondFactorView {
    /// The password alone opens.
    #[default]
    Off,
    /// A secret waits for its first code: as it is typed, and the address for an app's camera.
    Proposed {
        /// The secret as base32.
        secret: String,
        /// The `otpauth` address.
        url: String,
    },
    /// A code is asked for.
    On,
}

// A secret has no place in a log.
impl std::fmt::Debug for SecondFactorView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SecondFactorView::Off => "Off",
            SecondFactorView::Proposed { .. } => "Proposed(…)",
            SecondFactorView::On => "On",
        })
    }
}

pub fn second_factor(frame: &Frame, view: &SecondFactorView) -> Markup {
    let lang = frame.lang;
    html! {
        section aria-labelledby="second-factor-title" {
            h2 id="second-factor-title" { (lang.tr("Second factor")) }
            @match view {
                SecondFactorView::Off => {
                    p.note {
                        (lang.tr(
                            "With it a login needs a code of an authenticator app, too. Programs then come in by \
                             tokens alone, no longer by the password."
                        ))
                    }
                    form method="post" action="/admin/settings/access/second-factor/begin" {
                        (frame.csrf())
                        button type="submit" { (lang.tr("Set up an app")) }
                    }
                }
                SecondFactorView::Proposed { secret, url } => {
                    p { (lang.tr("Scan this with the app, or type the key into it. Then say the code that it shows.")) }
                    (qr(lang, url))
                    p { (lang.tr("Key:")) " " code.secret { (secret) } }
                    form.fields method="post" action="/admin/settings/access/second-factor/confirm" {
                        (frame.csrf())
                        (code_field(lang, "second-factor-code"))
                        button type="submit" { (lang.tr("Switch it on")) }
                    }
                }
                SecondFactorView::On => {
                    p { (lang.tr("It is on: a login needs the password and a code.")) " "
                        (lang.tr("Without the app, this on the server takes it away:")) " " code { "vitrine password" } }
                    details.ask {
                        summary { (lang.tr("Switch it off")) }
                        form.fields method="post" action="/admin/settings/access/second-factor/off" {
                            (frame.csrf())
                            p { (lang.tr("The password alone will open again.")) }
                            (code_field(lang, "second-factor-code"))
                            button type="submit" { (lang.tr("Switch it off")) }
                        }
                    }
                }
            }
        }
    }
}

fn code_field(lang: Lang, id: &str) -> Markup {
    html! {
        div.field {
            label for=(id) { (lang.tr("Code of the authenticator app")) }
            input id=(id) type="text" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="12" required;
        }
    }
}

/// Draws an address as a QR code: dark on light whatever the colours of the page, with the
/// quiet zone of four modules that scanners need (ISO/IEC 18004).
fn qr(lang: Lang, url: &str) -> Markup {
    const QUIET: usize = 4;
    let Ok(code) = qrcode::QrCode::new(url) else { return html! {} };
    let width = code.width();
    let mut path = String::new();
    for (idx, color) in code.to_colors().into_iter().enumerate() {
        if color == qrcode::Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", idx % width + QUIET, idx / width + QUIET));
        }
    }
    let side = width + 2 * QUIET;
    html! {
        svg.qr viewBox={ "0 0 " (side) " " (side) } role="img" aria-label=(lang.tr("QR code of the key")) {
            rect.light width=(side) height=(side) {}
            path.dark d=(path) {}
        }
    }
}
