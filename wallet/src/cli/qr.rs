//! QR codes in a terminal.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

/// White on black, whatever the colours of the terminal: scanners want dark modules on a light ground.
const WHITE_ON_BLACK: &str = "\x1b[97;40m";
const PLAIN: &str = "\x1b[0m";

/// The text as a QR code of half-height blocks, or nothing when it is too long for one. Without `color` it is drawn for a
/// dark terminal.
pub(super) fn code(text: &str, color: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    // The light modules are drawn, and the dark ones are the black ground.
    let picture = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let line = |line: &str| if color { format!("{WHITE_ON_BLACK}{line}{PLAIN}\n") } else { format!("{line}\n") };
    Some(picture.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_request_fits_and_has_a_light_margin() {
        let picture = code("farthing:bob@bank.example?amount=3.50&currency=EUR&memo=lunch", false).unwrap();
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines.len() > 15 && lines.len() < 40, "{}", lines.len());
        assert!(lines.first().unwrap().chars().all(|block| block == '█'));
        let width = lines.first().unwrap().chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width));
        assert!(code("x", true).unwrap().starts_with(WHITE_ON_BLACK));
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert!(code(&"x".repeat(10_000), false).is_none());
    }
}
