//! Where the QR code of a link or a request goes.

use std::{fs, path::Path};

use serde_json::json;

use super::Session;
use crate::cli::{
    problem::Problem,
    qr::{self, Format},
    show::Shown,
};

/// Where a QR code goes.
pub(super) enum Place<'a> {
    /// To the terminal, if a person looks at one.
    Terminal,
    /// Into a file.
    File(&'a Path, Format),
}

impl<'a> Place<'a> {
    /// Looks at the file's extension before anything is done.
    pub(super) fn of(file: Option<&'a Path>) -> Result<Self, Problem> {
        let Some(path) = file else { return Ok(Self::Terminal) };
        let format = path.extension().and_then(|extension| Format::of(extension.to_str()?));
        format.map(|format| Self::File(path, format)).ok_or_else(|| {
            Problem::usage(
                format!("cannot tell from {} which kind of picture to write", path.display()),
                "Name a file that ends with .png or .svg.",
            )
        })
    }

    /// Puts the code of a text there, and says so in what is shown.
    pub(super) fn show(&self, shown: &mut Shown, text: &str, session: &Session<'_>) -> Result<(), Problem> {
        match self {
            Self::Terminal => {
                if session.output.is_terminal()
                    && let Some(code) = qr::code(text, session.output.color())
                {
                    shown.text += &code;
                }
            }
            Self::File(path, format) => {
                let picture = qr::picture(text, *format)
                    .ok_or_else(|| Problem::usage("this is too long for a QR code", "Make the memo shorter."))?;
                fs::write(path, picture).map_err(|error| Problem::file("write", path, &error))?;
                let place = path.display().to_string();
                shown.text += &format!("Its QR code is in {place}.\n");
                shown.document["file"] = json!(place);
            }
        }
        Ok(())
    }
}
