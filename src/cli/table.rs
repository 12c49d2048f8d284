//! Tables: columns as wide as their widest cell.

use std::io::{self, Write};

/// Prints rows, the first of which is the header. `right`: columns of numbers. `paint` gives a cell with colours around it
/// (row, column, cell), if it is to have any.
pub fn print<const N: usize>(
    rows: &[[String; N]],
    right: &[usize],
    paint: impl Fn(usize, usize, &str) -> Option<String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let painted = paint(index, column, cell);
            let cell = painted.as_deref().unwrap_or(cell);
            line.push_str(&match right.contains(&column) && index > 0 {
                true => format!("{pad}{cell}"),
                false => format!("{cell}{pad}"),
            });
            line.push_str("  ");
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
