//! Text from elsewhere, made safe for a terminal.

use std::fmt::Write as _;

/// The text with every character escaped that a terminal would obey or that would make the text look like another one:
/// control characters (also tabs and line ends, so that a field stays a field) and marks that reorder or hide text.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if deceives(character) {
            // Writing to a string does not fail.
            let _ = write!(safe, "{}", character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator, zero-width space.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'
            // Left-to-right and right-to-left marks, line and paragraph separators, embeddings and overrides.
            | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, isolates, deprecated format characters.
            | '\u{2060}'..='\u{206f}'
            // Byte order mark, interlinear annotations, tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(printable("one\ttwo\nthree\r\u{7f}\u{9b}"), "one\\u{9}two\\u{a}three\\u{d}\\u{7f}\\u{9b}");
        assert_eq!(printable("gro\u{202e}knab"), "gro\\u{202e}knab");
        assert_eq!(printable("\u{2066}\u{200b}\u{feff}\u{e0041}"), "\\u{2066}\\u{200b}\\u{feff}\\u{e0041}");
    }

    #[test]
    fn ordinary_text_of_any_script_stays() {
        for text in ["Merci für alles", "昼ご飯", "שלום", "می\u{200c}خواهم", "👩\u{200d}🚀", "back\\slash"]
        {
            assert_eq!(printable(text), text);
        }
    }
}
