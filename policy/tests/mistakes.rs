//! Each file in `tests/mistakes` with what people are told about it. `FARTHING_WRITE_EXPECTED=1` writes the texts anew.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use farthing_policy::Policy;

#[test]
fn every_mistake_is_reported_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut sources: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    sources.sort();
    assert!(sources.len() >= 20, "found {}", sources.len());
    for path in sources {
        let name = path.file_name().unwrap().to_str().unwrap();
        let source = fs::read_to_string(&path).unwrap();
        let mistakes = Policy::parse(&source).expect_err(name);
        let shown = mistakes.render(name, &source);
        for mistake in &mistakes {
            assert!(shown.contains(&format!("{name}:{}:{}: ", mistake.line(), mistake.column())), "{mistake:?}");
        }
        let expected = path.with_extension("txt");
        if std::env::var_os("FARTHING_WRITE_EXPECTED").is_some() {
            fs::write(&expected, &shown).unwrap();
        }
        assert_eq!(shown, fs::read_to_string(&expected).expect(name), "{name}");
    }
}

#[test]
fn the_document_shows_what_people_are_told() {
    let source = include_str!("../../policy.example.toml").replace("fee =", "fees =");
    let shown = Policy::parse(&source).unwrap_err().render("policy.toml", &source);
    let indented: String =
        shown.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect();
    assert!(include_str!("../../docs/POLICY.md").contains(&indented), "{indented}");
}
