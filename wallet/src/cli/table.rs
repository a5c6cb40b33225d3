//! Tables: aligned columns for people, tab-separated values for programs.

/// How a column is aligned on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows under headings. Cells must be [`printable`](super::printable::printable).
pub(crate) struct Table {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Space between columns.
const GAP: &str = "  ";

impl Table {
    /// A table without rows.
    pub(crate) fn new(headings: &[(&'static str, Align)]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each heading.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        debug_assert_eq!(row.len(), self.headings.len());
        self.rows.push(row);
    }

    /// Rows of tab-separated cells without headings, for `cut` and `awk`.
    pub(crate) fn tab_separated(&self) -> String {
        self.rows.iter().map(|row| row.join("\t") + "\n").collect()
    }

    /// Aligned columns under their headings. Widths are counted in characters.
    pub(crate) fn aligned(&self) -> String {
        let headings: Vec<String> = self.headings.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&self.headings).zip(&widths).map(|((cell, (_, align)), &width)| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned() + "\n"
        };
        std::iter::once(&headings).chain(&self.rows).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rows_for_people_and_for_programs() {
        let mut table = Table::new(&[("KIND", Align::Left), ("AMOUNT", Align::Right), ("MEMO", Align::Left)]);
        table.push(vec!["pay".to_owned(), "3.50".to_owned(), "für Öl".to_owned()]);
        table.push(vec!["withdraw".to_owned(), "1200.00".to_owned(), String::new()]);
        assert_eq!(
            table.aligned(),
            "KIND       AMOUNT  MEMO\n\
             pay          3.50  für Öl\n\
             withdraw  1200.00\n"
        );
        assert_eq!(table.tab_separated(), "pay\t3.50\tfür Öl\nwithdraw\t1200.00\t\n");
    }
}
