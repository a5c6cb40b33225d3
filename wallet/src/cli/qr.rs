//! QR codes: in a terminal, and as pictures.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode, render::unicode::Dense1x2};

/// Light modules round a code, as scanners want them.
const MARGIN: usize = 4;

/// Pixels of a module in a PNG.
const MODULE_PIXELS: usize = 8;

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Pixels, black and white.
    Png,
    /// Shapes.
    Svg,
}

impl Format {
    /// By the extension of a file's name.
    pub(super) fn of(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }
}

/// The text as a picture of a QR code; nothing when it is too long for one.
pub(super) fn picture(text: &str, format: Format) -> Option<Vec<u8>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .or_else(|_| QrCode::with_error_correction_level(text, EcLevel::L));
    let grid = Grid { side: code.as_ref().ok()?.width(), dark: code.ok()?.to_colors() };
    match format {
        Format::Png => grid.png().ok(),
        Format::Svg => Some(grid.svg().into_bytes()),
    }
}

/// The modules of a code, line by line.
struct Grid {
    side: usize,
    dark: Vec<Color>,
}

impl Grid {
    /// Whether the module at this place of the picture, margin included, is dark.
    fn is_dark(&self, line: usize, column: usize) -> bool {
        let inside = |place: usize| place.checked_sub(MARGIN).filter(|place| *place < self.side);
        let place = inside(line).zip(inside(column)).map(|(line, column)| line * self.side + column);
        place.and_then(|place| self.dark.get(place)).is_some_and(|color| *color == Color::Dark)
    }

    fn modules(&self) -> usize {
        self.side + 2 * MARGIN
    }

    /// One bit a pixel, white is 1.
    fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let pixels = self.modules() * MODULE_PIXELS;
        let mut data = Vec::with_capacity(pixels * pixels.div_ceil(8));
        for line in 0..pixels {
            let light = (0..pixels).map(|column| !self.is_dark(line / MODULE_PIXELS, column / MODULE_PIXELS));
            let light: Vec<bool> = light.collect();
            data.extend(
                light.chunks(8).map(|bits| {
                    (0..).zip(bits).fold(0u8, |byte, (place, light)| byte | u8::from(*light) << (7 - place))
                }),
            );
        }
        let mut file = Vec::new();
        let side = u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&data)?;
        writer.finish()?;
        Ok(file)
    }

    fn svg(&self) -> String {
        let side = self.modules();
        let mut dark = String::new();
        for (line, column) in (0..side).flat_map(|line| (0..side).map(move |column| (line, column))) {
            if self.is_dark(line, column) {
                // Writing to a string does not fail.
                let _ = write!(dark, "M{column} {line}h1v1h-1z");
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{dark}\"/></svg>\n"
        )
    }
}

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

    /// Both pictures show the modules of the code and a light margin.
    #[test]
    fn pictures_show_the_code() {
        let text = "farthing:pay?to=bob%40bank.example&amount=3.50&currency=EUR";
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let side = code.width() + 2 * MARGIN;
        let dark = |line: usize, column: usize| {
            let inside = |place: usize| (MARGIN..side - MARGIN).contains(&place);
            inside(line) && inside(column) && code[(column - MARGIN, line - MARGIN)] == Color::Dark
        };

        let file = picture(text, Format::Png).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width as usize, info.height as usize), (side * MODULE_PIXELS, side * MODULE_PIXELS));
        let svg = String::from_utf8(picture(text, Format::Svg).unwrap()).unwrap();
        for line in 0..side {
            for column in 0..side {
                // The middle of the module.
                let (x, y) = (column * MODULE_PIXELS + 4, line * MODULE_PIXELS + 4);
                let light = pixels[y * info.line_size + x / 8] >> (7 - x % 8) & 1 == 1;
                assert_eq!(light, !dark(line, column), "{line} {column}");
                assert_eq!(svg.contains(&format!("M{column} {line}h1v1h-1z")), dark(line, column));
            }
        }
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(
            (Format::of("PNG"), Format::of("svg"), Format::of("gif")),
            (Some(Format::Png), Some(Format::Svg), None)
        );
    }

    #[test]
    fn what_is_too_long_has_no_code() {
        assert!(picture(&"x".repeat(10_000), Format::Png).is_none());
        assert!(code(&"x".repeat(10_000), false).is_none());
    }
}
