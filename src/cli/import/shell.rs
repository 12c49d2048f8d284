//! As much of a shell as a script around inotifywait mostly is: assignments, words, quotes, comments. Nothing is run.

use std::collections::BTreeMap;

/// Values that a variable may have here: a loop over hosts has several.
const VALUES_MAX: usize = 100;

/// One simple command, with its words as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Where it begins.
    pub line: usize,
    /// Its words, unexpanded: quotes stand in them.
    pub words: Vec<String>,
}

/// The simple commands of a script, in order: what stands between `;`, `|`, `&`, line ends, `(`, `)` and the words of the grammar.
pub fn commands(text: &str) -> Vec<Command> {
    let mut out = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut begun) = (0, 1, 1);
    let mut quote: Option<char> = None;
    let mut end = |words: &mut Vec<String>, line: usize| {
        if !words.is_empty() {
            let words = std::mem::take(words);
            out.push(Command { line, words });
        }
    };
    while at < chars.len() {
        let c = chars[at];
        let next = chars.get(at + 1).copied();
        if words.is_empty() && word.is_empty() {
            begun = line;
        }
        match (quote, c) {
            (_, '\\') if quote != Some('\'') && next == Some('\n') => {
                // The line's end is counted below.
                at += 1;
            }
            (None, '\\') => {
                word.push(c);
                word.extend(next);
                at += 1;
            }
            (Some(open), c) if c == open => {
                word.push(c);
                quote = None;
            }
            (Some(_), c) => word.push(c),
            (None, '"' | '\'' | '`') => {
                word.push(c);
                quote = Some(c);
            }
            (None, '#') if word.is_empty() => {
                while chars.get(at + 1).is_some_and(|c| *c != '\n') {
                    at += 1;
                }
            }
            // `${x}` and `$(…)` are one word, and `<(…)`, too.
            (None, '{' | '(') if word.ends_with(['$', '<', '>']) => {
                let close = if c == '{' { '}' } else { ')' };
                while let Some(c) = chars.get(at) {
                    word.push(*c);
                    line += usize::from(*c == '\n');
                    if *c == close {
                        break;
                    }
                    at += 1;
                }
            }
            (None, c) if c.is_whitespace() || ";|&()".contains(c) => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if c == '\n' || ";|&()".contains(c) {
                    // `2>&1` is no end.
                    let redirects =
                        c == '&' && words.last().is_some_and(|last| last.ends_with('>'));
                    if !redirects {
                        end(&mut words, begun);
                    }
                }
            }
            (None, c) => word.push(c),
        }
        line += usize::from(chars.get(at) == Some(&'\n'));
        at += 1;
    }
    if !word.is_empty() {
        words.push(word);
    }
    end(&mut words, begun);
    out
}

/// What variables are known to be.
#[derive(Debug, Default)]
pub struct Variables(BTreeMap<String, Vec<String>>);

impl Variables {
    /// It has these values from now on; several where a loop gives it one after the other.
    pub fn set(&mut self, name: &str, values: Vec<String>) {
        self.0.insert(name.to_owned(), values);
    }

    /// The words that a word expands to, for each way in which its variables can be: quotes taken off, and cut where it is not
    /// quoted. `None`: only running it would tell.
    pub fn expand(&self, word: &str) -> Option<Vec<Vec<String>>> {
        let mut ways: Vec<Vec<String>> = vec![vec![String::new()]];
        let chars: Vec<char> = word.chars().collect();
        let (mut at, mut quote) = (0, None);
        let mut quoted = false;
        while at < chars.len() {
            let c = chars[at];
            match (quote, c) {
                (Some('\''), '\'') | (Some('"'), '"') => quote = None,
                (Some('\''), c) => append(&mut ways, &c.to_string()),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    quoted = true;
                }
                (_, '`') => return None,
                (_, '\\') => {
                    at += 1;
                    append(
                        &mut ways,
                        &chars.get(at).copied().unwrap_or_default().to_string(),
                    );
                }
                (_, '$') => {
                    let (name, length) = variable(&chars[at + 1..])?;
                    at += length;
                    let values = self.0.get(&name)?;
                    if ways.len() * values.len().max(1) > VALUES_MAX {
                        return None;
                    }
                    let mut more = Vec::new();
                    for way in &ways {
                        for value in values {
                            let mut way = way.clone();
                            match quote {
                                Some(_) => append(std::slice::from_mut(&mut way), value),
                                None => split_in(&mut way, value),
                            }
                            more.push(way);
                        }
                    }
                    ways = more;
                }
                (_, c) => append(&mut ways, &c.to_string()),
            }
            at += 1;
        }
        for way in &mut ways {
            way.retain(|word| quoted || !word.is_empty());
        }
        Some(ways)
    }
}

fn append(ways: &mut [Vec<String>], text: &str) {
    for way in ways {
        if way.is_empty() {
            way.push(String::new());
        }
        if let Some(last) = way.last_mut() {
            last.push_str(text);
        }
    }
}

/// An unquoted value is cut at its blanks.
fn split_in(way: &mut Vec<String>, value: &str) {
    let mut parts = value.split_whitespace();
    if value.starts_with(char::is_whitespace) {
        way.push(String::new());
    }
    if let Some(first) = parts.next() {
        append(std::slice::from_mut(way), first);
    }
    way.extend(parts.map(str::to_owned));
}

/// The name of a variable behind its `$`, and how many characters it takes; `None`: something else.
fn variable(chars: &[char]) -> Option<(String, usize)> {
    let name = |chars: &[char]| -> String {
        let word = chars
            .iter()
            .take_while(|c| c.is_alphanumeric() || **c == '_');
        word.collect()
    };
    if chars.first() == Some(&'{') {
        let name = name(&chars[1..]);
        let closed = chars.get(name.chars().count() + 1) == Some(&'}');
        return (closed && !name.is_empty()).then(|| {
            let length = name.chars().count() + 2;
            (name, length)
        });
    }
    let name = name(chars);
    (!name.is_empty()).then(|| {
        let length = name.chars().count();
        (name, length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        let script =
            "a='x y' # no\n\"$b/c\" -d \\\n  e|f \"g;h\" 2>&1 & for i in 1 2; do k; done\n";
        let found: Vec<String> = commands(script)
            .iter()
            .map(|command| format!("{} {}", command.line, command.words.join("·")))
            .collect();
        assert_eq!(
            found,
            [
                "1 a='x y'",
                "2 \"$b/c\"·-d·e",
                "3 f·\"g;h\"·2>·1",
                "3 for·i·in·1·2",
                "3 do·k",
                "3 done"
            ]
        );
    }

    #[test]
    fn variables_are_put_in_and_cut_where_they_are_not_quoted() {
        let mut variables = Variables::default();
        variables.set("o", vec!["-a --delete".into()]);
        variables.set("h", vec!["a".into(), "b".into()]);
        let expand = |word: &str| {
            let ways = variables.expand(word)?;
            Some(ways.iter().map(|way| way.join("·")).collect::<Vec<_>>())
        };
        assert_eq!(expand("$o"), Some(vec!["-a·--delete".into()]));
        assert_eq!(expand("\"$o\""), Some(vec!["-a --delete".into()]));
        assert_eq!(
            expand("u@${h}::m"),
            Some(vec!["u@a::m".into(), "u@b::m".into()])
        );
        assert_eq!(expand("'$h'"), Some(vec!["$h".into()]));
        for unknown in ["$x", "`date`", "$(date)", "${h%x}"] {
            assert_eq!(expand(unknown), None, "{unknown}");
        }
    }
}
