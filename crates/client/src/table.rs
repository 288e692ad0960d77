//! Rows in columns.

use crate::readable::one_line;

/// Space between columns.
const GAP: &str = "  ";

/// Rows as lines, each column as wide as its widest cell. The first row is the heading. Cells lose their control characters.
#[must_use]
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut rows = rows.to_vec();
    for cell in rows.iter_mut().flatten() {
        *cell = one_line(cell, usize::MAX);
    }
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join(GAP).trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ID", "STATUS", ""], ["ä-1", "o\u{1b}", "x"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "ID   STATUS\nä-1  o       x\n");
    }
}
