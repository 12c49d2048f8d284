//! Layouts: aligned text, and Markdown.

use super::sheet::{Kind, Row, Sheet, Value};

/// Wide enough for every key.
const KEY_WIDTH: usize = 10;

pub(super) fn human(head: &str, sheets: &[Sheet]) -> String {
    let mut out = format!("{head}\n");
    for sheet in sheets {
        let indent = "  ".repeat(sheet.depth);
        out.push_str(&format!("\n{indent}{}\n", sheet.title));
        for row in filled(sheet) {
            // Notes stand in one column of their own.
            let width = row
                .values
                .iter()
                .map(|value| value.text.chars().count())
                .max()
                .unwrap_or(0);
            for (nth, value) in row.values.iter().enumerate() {
                let key = if nth == 0 { row.key } else { "" };
                let line = match &value.note {
                    Some(note) => {
                        format!("{indent}  {key:KEY_WIDTH$}{:width$}  {note}", value.text)
                    }
                    None => format!("{indent}  {key:KEY_WIDTH$}{}", value.text),
                };
                out.push_str(line.trim_end());
                out.push('\n');
            }
        }
    }
    out
}

pub(super) fn markdown(head: &str, sheets: &[Sheet]) -> String {
    let mut out = format!("# heliostat plan\n\n{}\n", plain(head));
    for sheet in sheets {
        out.push_str(&format!(
            "\n{} {}\n\n| | |\n| --- | --- |\n",
            "#".repeat(sheet.depth + 2),
            plain(&sheet.title)
        ));
        let (commands, rows): (Vec<&Row>, Vec<&Row>) = filled(sheet)
            .partition(|row| row.values.iter().any(|value| value.kind == Kind::Command));
        for row in rows {
            let values: Vec<String> = row.values.iter().map(cell).collect();
            out.push_str(&format!("| {} | {} |\n", row.key, values.join("<br>")));
        }
        for value in commands.iter().flat_map(|row| &row.values) {
            let fence = fence(&value.text, 3);
            out.push_str(&format!("\n{fence}sh\n{}\n{fence}\n", value.text));
        }
    }
    out
}

fn filled(sheet: &Sheet) -> impl Iterator<Item = &Row> {
    sheet.rows.iter().filter(|row| !row.values.is_empty())
}

fn cell(value: &Value) -> String {
    let text = match value.kind {
        Kind::Pattern => code(&value.text),
        Kind::Words | Kind::Command => plain(&value.text),
    };
    match &value.note {
        Some(note) => format!("{text} ({})", plain(note)),
        None => text,
    }
}

/// Text that means itself in Markdown, also in a table. Backticks stay: they are our own.
pub(in crate::plan) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    for c in text.chars() {
        match c {
            '`' => code = !code,
            '|' => out.push('\\'), // In code, too: a table's cells are cut first.
            '\\' | '*' | '_' | '<' | '>' | '[' | ']' | '#' | '~' | '&' if !code => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
    out
}

/// A code span in a table's cell, in which only the bar needs care.
pub(in crate::plan) fn code(text: &str) -> String {
    let fence = fence(text, 1);
    let pad = if text.starts_with('`') || text.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// Backticks, one more than any run of them inside.
fn fence(text: &str, least: usize) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(least))
}
