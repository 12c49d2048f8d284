//! Words of a shell script that are neither what it watches nor what it sends.

use super::shell::Command;

/// Words of the grammar that stand before a command.
pub const BEFORE: &[&str] = &[
    "do", "then", "else", "if", "elif", "while", "!", "exec", "nohup", "sudo", "{", "time",
    "until", "setsid", "nice", "ionice",
];

/// Programs and words of the grammar that say nothing of what is sent.
pub const NEEDLESS: &[&str] = &[
    "echo", "read", "done", "fi", "[", "[[", "test", "true", "false", ":", "exit", "return",
    "break", "continue", "logger", "printf", "mkdir", "touch", "trap", "date", "tee", "shift",
    "usage", "set", "unset", "shopt", "umask", "ulimit", "wait", "kill", "pgrep", "case", "esac",
    "in", "}", "function", "cat", "awk", "sed", "grep", "cut", "tr", "head", "tail", "sort",
    "uniq", "wc", "basename", "dirname", "sync", "getopts", "local", "let", "which", "command",
    "type",
];

/// The event of a manifest that one of inotifywait's is; `None`: none.
pub fn known_event(name: &str) -> Option<&'static str> {
    Some(match name {
        "create" => "create",
        "close_write" | "close" | "modify" => "closeWrite",
        "attrib" => "attrib",
        "move" | "move_self" => "move",
        "moved_from" => "movedFrom",
        "moved_to" => "movedTo",
        "delete" | "delete_self" => "delete",
        _ => return None,
    })
}

/// `name=value`.
pub fn assignment(word: &str) -> Option<(&str, &str)> {
    let (whole, value) = word.split_once('=')?;
    let mut letters = whole.strip_suffix('+').unwrap_or(whole).chars();
    let named = letters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && letters.all(|c| c.is_alphanumeric() || c == '_');
    named.then_some((whole, value))
}

/// The names of the functions that a script has: `name() {` and `function name {`.
pub fn functions(commands: &[Command]) -> Vec<String> {
    let begins = |command: &Command| command.words.first().is_some_and(|word| word == "{");
    let pairs = commands.windows(2);
    let plain = pairs.filter_map(|pair| match pair[0].words.as_slice() {
        [name] if begins(&pair[1]) => Some(name.clone()),
        _ => None,
    });
    let worded = commands
        .iter()
        .filter_map(|command| match command.words.as_slice() {
            [first, name, ..] if first == "function" => Some(name.clone()),
            _ => None,
        });
    plain.chain(worded).collect()
}

/// `for name in values…`.
pub fn looped(words: &[String]) -> Option<(&str, &[String])> {
    match words {
        [first, name, second, values @ ..] if first == "for" && second == "in" => {
            Some((name, values))
        }
        _ => None,
    }
}
