//! Commands to copy: those that stand in a sentence of the service, and those that act on a route.

use maud::{Markup, html};

/// Commands that sentences of the service name, with how many words belong to each behind its options.
const NAMED: [(&str, usize); 9] = [
    ("approve", 1),
    ("resume", 1),
    ("trigger", 1),
    ("rescan", 1),
    ("status", 0),
    ("doctor", 0),
    ("reload", 0),
    ("validate", 0),
    ("diff", 0),
];

/// Options that take a word.
const VALUED: [&str; 2] = ["--id", "--against"];

/// A text with its commands as code: what stands between backticks, and what reads as a command of this program.
pub(super) fn ticked(text: &str) -> Markup {
    html! {
        @for (nth, part) in text.split('`').enumerate() {
            @if nth % 2 == 1 { code { (part) } } @else { (spoken(part)) }
        }
    }
}

/// A text without backticks.
fn spoken(text: &str) -> Markup {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest[from..].find("heliostat ").map(|at| at + from) {
        match command_at(&rest[at..]) {
            // Part of a longer word, as a path is.
            Some(length) if !rest[..at].ends_with(|c: char| c.is_ascii_graphic()) => {
                parts.push((rest[..at].to_owned(), rest[at..at + length].to_owned()));
                rest = &rest[at + length..];
                from = 0;
            }
            _ => from = at + 1,
        }
    }
    html! {
        @for (before, command) in &parts { (before) code { (command) } }
        (rest)
    }
}

/// How long the command is with which a text begins.
fn command_at(text: &str) -> Option<usize> {
    let mut words = text.split(' ');
    let mut length = words.next()?.len();
    let verb = words.next()?;
    let bare = verb.trim_end_matches([';', ',', ':', '.', ')']);
    let (_, mut operands) = NAMED.into_iter().find(|(name, _)| *name == bare)?;
    length += 1 + bare.len();
    if bare != verb {
        return Some(length);
    }
    let mut value = false;
    for word in words {
        let bare = word.trim_end_matches([';', ',', ':', '.', ')']);
        let option = bare.starts_with("--");
        let route = operands > 0 && bare.contains('/');
        // A name in the sentence may be anybody's: nothing that a shell would read otherwise is offered to be copied.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-/".contains(c);
        if !(value || option || route) || bare.is_empty() || !bare.chars().all(plain) {
            break;
        }
        if route && !value && !option {
            operands -= 1;
        }
        value = option && VALUED.contains(&bare);
        length += 1 + bare.len();
        if bare != word {
            break;
        }
    }
    Some(length)
}

/// A command to copy: a click takes all of it.
pub(super) fn command(text: &str) -> Markup {
    html! { pre.command { code { (text) } } }
}

/// What can be said about a route in a terminal.
pub(super) fn about(route: &str, is_paused: bool) -> Markup {
    let pause = match is_paused {
        true => ("ends the pause", format!("heliostat resume {route}")),
        false => (
            "sends nothing there for a while",
            format!("heliostat pause {route} --for 1h --reason \"…\""),
        ),
    };
    let all = [
        (
            "sends now what is pending",
            format!("heliostat trigger {route}"),
        ),
        (
            "compares with the target now",
            format!("heliostat rescan {route} --wait"),
        ),
        pause,
        (
            "lists the paths that are not there",
            format!("heliostat status {route} --paths"),
        ),
        (
            "lists earlier transfers that went wrong",
            format!("heliostat history {route} --failed"),
        ),
        ("shows what happens, live", format!("heliostat tap {route}")),
    ];
    html! {
        section aria-labelledby="terminal-title" {
            h2 #terminal-title { "In a terminal on this host" }
            dl.plan.acts #terminal {
                @for (what, text) in all { div { dt { (what) } dd { code { (text) } } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_a_sentence_are_code_and_nothing_else_is() {
        for (text, wanted) in [
            (
                "would delete 5: heliostat approve home/nas --id 7c1e",
                "would delete 5: <code>heliostat approve home/nas --id 7c1e</code>",
            ),
            (
                "by root; heliostat resume a/b; held as well: x: heliostat approve a/b --id 1",
                "by root; <code>heliostat resume a/b</code>; held as well: x: <code>heliostat approve a/b --id 1</code>",
            ),
            (
                "3 are polled: heliostat doctor says why",
                "3 are polled: <code>heliostat doctor</code> says why",
            ),
            (
                "`a <b>` heliostat b",
                "<code>a &lt;b&gt;</code> heliostat b",
            ),
            ("/srv/heliostat approve x", "/srv/heliostat approve x"),
            (
                "heliostat trigger a/b, then",
                "<code>heliostat trigger a/b</code>, then",
            ),
            ("heliostat approve", "<code>heliostat approve</code>"),
            ("heliostat ", "heliostat "),
            (
                "heliostat trigger a/b$(reboot)",
                "<code>heliostat trigger</code> a/b$(reboot)",
            ),
        ] {
            assert_eq!(ticked(text).into_string(), wanted);
        }
    }
}
