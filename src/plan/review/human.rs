//! Aligned text.

use super::Review;
use super::items::{Item, Row, Said, items};

/// Wide enough for the longest key.
const KEY_WIDTH: usize = 18;

pub(super) fn render(review: &Review<'_>) -> String {
    let mut out = format!(
        "{}: {}, against {}\n",
        review.hosts(),
        review.head(),
        review.against
    );
    let items = items(review);
    let risks = |item: &Item| -> Vec<String> {
        let risks = item.risks.iter();
        risks
            .map(|risk| format!("  {}: {risk}\n", item.name))
            .collect()
    };
    let risks: Vec<String> = items.iter().flat_map(risks).collect();
    if !risks.is_empty() {
        out.push_str("\nDELETIONS BECOME POSSIBLE\n");
        out.extend(risks);
    }
    for item in &items {
        out.push_str(&format!(
            "\n{} {}: {}\n",
            item.kind,
            item.name,
            item.class.word()
        ));
        for row in &item.rows {
            told(row, &mut out);
        }
        for (nth, then) in item.then.iter().enumerate() {
            let key = if nth == 0 { "then" } else { "" };
            out.push_str(&format!("  {key:KEY_WIDTH$}{then}\n"));
        }
    }
    out
}

fn told(row: &Row, out: &mut String) {
    let key = &row.key;
    let lines = match &row.what {
        Said::Value { value, .. } => vec![value.clone()],
        Said::Changed { before, after } => vec![format!("{before} → {after}")],
        Said::List { gone, came } => {
            let gone = gone.iter().map(|value| format!("- {value}"));
            let came = came.iter().map(|value| format!("+ {value}"));
            gone.chain(came).collect()
        }
    };
    for (nth, line) in lines.iter().enumerate() {
        let key = if nth == 0 { key } else { "" };
        out.push_str(&format!("  {key:KEY_WIDTH$}{line}\n"));
    }
}
