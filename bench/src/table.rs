//! The table, results.json and the machine that they are of.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Number, Value};

use crate::{Failure, plot};

/// The bars that were set for the project: key, bound, and whether the figure has to be above it.
pub(crate) const BARS: [(&str, f64, bool); 8] = [
    ("pay1_batch64_over_floor", 1.35, false),
    ("pay1_alone_over_floor", 2.5, false),
    ("end_to_end_share", 0.75, true),
    ("act64_ratio", 10.0, true),
    ("cdk_swap10_ratio", 5.0, true),
    ("nullifiers_1e7_over_1e5", 0.9, true),
    ("bad_flood_share", 0.4, true),
    ("restore_cpu_s_per_1e6", 60.0, false),
];

/// Everything that was measured so far. Rows are printed as they come.
#[derive(Default)]
pub(crate) struct Table {
    machine: Vec<(String, String)>,
    figures: BTreeMap<String, f64>,
    texts: BTreeMap<String, String>,
}

impl Table {
    /// Says something about the machine.
    pub(crate) fn machine(&mut self, name: &str, value: &str) {
        println!("{name}: {value}");
        self.machine.push((name.to_owned(), value.to_owned()));
        self.texts.insert(format!("machine_{}", name.replace([' ', '-'], "_").to_lowercase()), value.to_owned());
    }

    /// Begins a part.
    pub(crate) fn part(&mut self, title: &str) {
        println!("\n{title}\n\n| what | figure | unit | ratio | to what |\n|---|---|---|---|---|");
    }

    /// A figure.
    pub(crate) fn row(&mut self, key: &str, what: &str, figure: f64, unit: &str) {
        println!("| {what} | {} | {unit} | | |", pretty(figure));
        self.figures.insert(key.to_owned(), figure);
    }

    /// A figure with its ratio to another, which has a key of its own.
    pub(crate) fn ratio(&mut self, keys: (&str, &str), what: &str, figure: f64, unit: &str, ratio: f64, to: &str) {
        println!("| {what} | {} | {unit} | {} | {to} |", pretty(figure), pretty(ratio));
        self.figures.insert(keys.0.to_owned(), figure);
        self.figures.insert(keys.1.to_owned(), ratio);
    }

    /// A remark below the rows.
    #[cfg(feature = "peers")]
    pub(crate) fn remark(&mut self, text: &str) {
        println!("| {text} | | | | |");
    }

    /// What was measured under this key.
    pub(crate) fn get(&self, key: &str) -> Option<f64> {
        self.figures.get(key).copied()
    }

    /// The machine in one line.
    pub(crate) fn machine_line(&self) -> String {
        let wanted = |name: &str| self.machine.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let [processor, cores, compiler] = ["processor", "cores", "compiler"].map(|name| wanted(name).unwrap_or("?"));
        format!("{processor}, {cores} cores, {compiler}")
    }

    /// Compares with the bars and writes the files.
    pub(crate) fn finish(self, out: &Path) -> Result<(), Failure> {
        println!("\nThe bars\n\n| key | figure | bar | |\n|---|---|---|---|");
        for (key, bound, is_above) in BARS {
            let sign = if is_above { "≥" } else { "≤" };
            match self.get(key) {
                Some(figure) => {
                    let holds = if is_above { figure >= bound } else { figure <= bound };
                    let word = if holds { "reached" } else { "missed" };
                    println!("| {key} | {} | {sign} {bound} | {word} |", pretty(figure));
                }
                None => println!("| {key} | – | {sign} {bound} | not measured |"),
            }
        }
        let figures = self.figures.iter().filter_map(|(key, figure)| {
            let rounded = (figure * 10_000.0).round() / 10_000.0;
            Some((key.clone(), Value::Number(Number::from_f64(rounded)?)))
        });
        let texts = self.texts.iter().map(|(key, text)| (key.clone(), Value::String(text.clone())));
        let results = Value::Object(figures.chain(texts).collect());
        fs::create_dir_all(out)?;
        fs::write(out.join("results.json"), format!("{results:#}\n"))?;
        fs::write(out.join("results.svg"), plot::svg(&self))?;
        println!("\nwritten: {0}/results.json and {0}/results.svg", out.display());
        Ok(())
    }
}

/// Three figures, and no more digits than that.
fn pretty(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 0.01 || size == 0.0 => format!("{figure:.2}"),
        _ => format!("{figure:.5}"),
    }
}
