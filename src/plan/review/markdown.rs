//! Markdown for a pull request: an alert where deletions become possible, and one table of what changes.

use super::Review;
use super::items::{Item, Row, Said, items};
use crate::plan::explain::{code, plain};

pub(super) fn render(review: &Review<'_>) -> String {
    let mut out = format!(
        "## {}\n\n**{}**, against {}.\n",
        plain(&capital(&review.hosts())),
        capital(&review.head()),
        plain(review.against)
    );
    let items = items(review);
    if items.iter().any(|item| !item.risks.is_empty()) {
        out.push_str("\n> [!CAUTION]\n> **Deletions become possible.**\n>\n");
        for item in &items {
            for risk in &item.risks {
                out.push_str(&format!("> - {}: {}\n", code(&item.name), plain(risk)));
            }
        }
    }
    if items.is_empty() {
        return out;
    }
    out.push_str("\n| | class | key | before | after |\n| --- | --- | --- | --- | --- |\n");
    for item in &items {
        let mut first = true;
        let mut line = |key: &str, before: &str, after: &str| {
            // The name stands once; the rows below it are the same item's.
            let (name, class) = if std::mem::take(&mut first) {
                (
                    format!("{} {}", item.kind, code(&item.name)),
                    format!("**{}**", item.class.word()),
                )
            } else {
                (String::new(), String::new())
            };
            out.push_str(&format!(
                "| {name} | {class} | {key} | {before} | {after} |\n"
            ));
        };
        for row in &item.rows {
            let [before, after] = cells(row);
            line(&row.key, &before, &after);
        }
        if item.rows.is_empty() {
            line("as its source", "", "");
        }
    }
    out.push_str("\nWhat follows:\n\n");
    for item in items.iter().filter(|item| !item.then.is_empty()) {
        out.push_str(&consequences(item));
    }
    out
}

fn consequences(item: &Item) -> String {
    let then: Vec<String> = item.then.iter().map(|then| plain(then)).collect();
    format!("- {}: {}.\n", code(&item.name), then.join("; "))
}

/// Before and after.
fn cells(row: &Row) -> [String; 2] {
    let list = |values: &[String]| {
        let values: Vec<String> = values.iter().map(|value| code(value)).collect();
        values.join("<br>")
    };
    match &row.what {
        Said::Value { value, came: true } => [String::new(), code(value)],
        Said::Value { value, came: false } => [code(value), String::new()],
        Said::Changed { before, after } => [code(before), code(after)],
        Said::List { gone, came } => [list(gone), list(came)],
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}
