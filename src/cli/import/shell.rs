//! As much of a shell as a script around inotifywait mostly is: assignments, words, quotes, comments. Nothing is run.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

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
    let mut out: Vec<Command> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut begun) = (0, 1, 1);
    let mut quote: Option<char> = None;
    let mut open = 0_usize;
    // The word that ends a document that stands in the script, from the next line on.
    let mut document: Option<String> = None;
    let end = |out: &mut Vec<Command>, words: &mut Vec<String>, line: usize| {
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
            // `${x}`, `$(…)` and `<(…)` are one word, and so is an array.
            (None, '{' | '(')
                if word.ends_with(['$', '<', '>']) || c == '(' && word.ends_with('=') =>
            {
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
                match c {
                    '(' => open += 1,
                    ')' if open > 0 => open -= 1,
                    // What stands before it is a pattern of `case`, with those before a `|`.
                    ')' => {
                        words.clear();
                        while out
                            .last()
                            .is_some_and(|last| last.line == begun && last.words.len() == 1)
                        {
                            out.pop();
                        }
                    }
                    _ => {}
                }
                if c == '\n' || ";|&()".contains(c) {
                    document = document.or_else(|| here_document(&words));
                    // `2>&1` is no end.
                    let redirects =
                        c == '&' && words.last().is_some_and(|last| last.ends_with('>'));
                    if !redirects {
                        end(&mut out, &mut words, begun);
                    }
                    if c == '\n'
                        && let Some(last) = document.take()
                    {
                        let (length, lines) = skipped(&chars[at + 1..], &last);
                        at += length;
                        line += lines;
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
    end(&mut out, &mut words, begun);
    out
}

/// The word that ends the document which a command is given: `cat <<END`.
fn here_document(words: &[String]) -> Option<String> {
    let at = words
        .iter()
        .position(|word| word.contains("<<") && !word.contains("<<<"))?;
    let (_, last) = words[at].split_once("<<")?;
    let last = last.trim_start_matches('-');
    let last = match last.is_empty() {
        true => words.get(at + 1)?.as_str(),
        false => last,
    };
    Some(last.trim_matches(['"', '\'', '\\']).to_owned())
}

/// How many characters, and lines, a document takes up to its last word.
fn skipped(chars: &[char], last: &str) -> (usize, usize) {
    let (mut length, mut lines) = (0, 0);
    for line in chars.split_inclusive(|c| *c == '\n') {
        length += line.len();
        lines += usize::from(line.ends_with(&['\n']));
        let text: String = line.iter().collect();
        if text.trim() == last {
            break;
        }
    }
    (length, lines)
}

/// The words of an array: `(a "b c" d)`; `None`: it is none.
pub fn array(value: &str) -> Option<Vec<String>> {
    let inside = value.strip_prefix('(')?.strip_suffix(')')?;
    Some(
        commands(inside)
            .into_iter()
            .flat_map(|command| command.words)
            .collect(),
    )
}

/// What variables are known to be.
#[derive(Debug, Default)]
pub struct Variables {
    texts: BTreeMap<String, Vec<String>>,
    arrays: BTreeMap<String, Vec<String>>,
    /// Those that had a default taken for them.
    defaults: RefCell<BTreeSet<String>>,
}

impl Variables {
    /// It is an array of these words from now on; `more`: behind those that it has.
    pub fn set_array(&mut self, name: &str, words: Vec<String>, more: bool) {
        let array = self.arrays.entry(name.to_owned()).or_default();
        if !more {
            array.clear();
        }
        array.extend(words);
    }

    /// An array that is no longer known, as one of its words is not.
    pub fn forget_array(&mut self, name: &str) {
        self.arrays.remove(name);
    }

    /// What it is, where that is one text.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.texts.get(name)?.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Those for which their defaults were taken, `${NAME:-DEFAULT}`, since this was asked last.
    pub fn defaulted(&self) -> BTreeSet<String> {
        self.defaults.take()
    }

    /// The words, expanded, for each way in which their variables can be; those that only running would tell are `None`.
    pub fn ways(&self, arguments: &[String]) -> Vec<Vec<Option<String>>> {
        let mut ways: Vec<Vec<Option<String>>> = vec![Vec::new()];
        for argument in arguments {
            let expanded = self.expand(argument);
            let mut more = Vec::new();
            for way in &ways {
                match &expanded {
                    None => {
                        let mut way = way.clone();
                        way.push(None);
                        more.push(way);
                    }
                    Some(expanded) => more.extend(expanded.iter().map(|words| {
                        let mut way = way.clone();
                        way.extend(words.iter().cloned().map(Some));
                        way
                    })),
                }
            }
            ways = more;
            ways.truncate(100);
        }
        ways
    }

    /// The words of `"${NAME[@]}"`.
    fn whole_array(&self, word: &str) -> Option<&Vec<String>> {
        let bare = word.trim_matches('"');
        let name = bare.strip_prefix("${")?;
        let name = name
            .strip_suffix("[@]}")
            .or_else(|| name.strip_suffix("[*]}"))?;
        self.arrays.get(name)
    }

    /// It has these values from now on; several where a loop gives it one after the other.
    pub fn set(&mut self, name: &str, values: Vec<String>) {
        self.texts.insert(name.to_owned(), values);
    }

    /// The words that a word expands to, for each way in which its variables can be: quotes taken off, and cut where it is not
    /// quoted. `None`: only running it would tell.
    pub fn expand(&self, word: &str) -> Option<Vec<Vec<String>>> {
        if let Some(words) = self.whole_array(word) {
            return Some(vec![words.clone()]);
        }
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
                    let Variable {
                        name,
                        length,
                        default,
                    } = variable(&chars[at + 1..])?;
                    at += length;
                    let default = default.map(|default| vec![default]);
                    let values = match (self.texts.get(&name), &default) {
                        (Some(values), _) => values,
                        (None, Some(default)) => {
                            self.defaults.borrow_mut().insert(name);
                            default
                        }
                        (None, None) => return None,
                    };
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

/// A variable behind its `$`.
struct Variable {
    name: String,
    /// How many characters it takes.
    length: usize,
    /// What it is where nothing else is known: `${name:-default}`.
    default: Option<String>,
}

/// The variable behind a `$`; `None`: something else.
fn variable(chars: &[char]) -> Option<Variable> {
    let name = |chars: &[char]| -> String {
        let word = chars
            .iter()
            .take_while(|c| c.is_alphanumeric() || **c == '_');
        word.collect()
    };
    let braced = chars.first() == Some(&'{');
    let name = name(&chars[usize::from(braced)..]);
    if name.is_empty() {
        return None;
    }
    let count = name.chars().count();
    if !braced {
        let default = None;
        return Some(Variable {
            name,
            length: count,
            default,
        });
    }
    let rest = &chars[count + 1..];
    let close = rest.iter().position(|c| *c == '}')?;
    let length = count + close + 2;
    let inside: String = rest[..close].iter().collect();
    if inside.is_empty() {
        let default = None;
        return Some(Variable {
            name,
            length,
            default,
        });
    }
    let default = inside
        .strip_prefix(":-")
        .or_else(|| inside.strip_prefix('-'))?;
    // One that is made of others is not read.
    let plain = !default.contains(['$', '`', '"', '\'', '\\']);
    plain.then(|| Variable {
        name,
        length,
        default: Some(default.to_owned()),
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
        for unknown in [
            "$x", "`date`", "$(date)", "${h%x}", "${x:-$y}", "${a[@]}", "${a[1]}",
        ] {
            assert_eq!(expand(unknown), None, "{unknown}");
        }
        assert_eq!(expand("/${1:-var/www}/"), Some(vec!["/var/www/".into()]));
        assert_eq!(variables.defaulted(), ["1".to_owned()].into());
        assert!(variables.defaulted().is_empty());
        assert_eq!(array("(-a \"--exclude=b c\" # no\n  -z)").unwrap().len(), 3);
        variables.set_array("a", vec!["-a".into()], false);
        variables.set_array("a", vec!["b c".into()], true);
        let ways = variables.expand("\"${a[@]}\"");
        assert_eq!(ways, Some(vec![vec!["-a".into(), "b c".into()]]));
    }

    #[test]
    fn documents_and_patterns_are_no_commands() {
        let script = "cat > x <<-'END' || exit\na b\n (c\n\tEND\ncase $1 in\n  a|b*) d e;;\n  *) f;;\nesac\ng() { h; }\n(i j)\n";
        let found: Vec<String> = commands(script)
            .iter()
            .map(|command| format!("{} {}", command.line, command.words.join("·")))
            .collect();
        assert_eq!(
            found,
            [
                "1 cat·>·x·<<-'END'",
                "1 exit",
                "5 case·$1·in",
                "6 d·e",
                "7 f",
                "8 esac",
                "9 g",
                "9 {·h",
                "9 }",
                "10 i·j"
            ]
        );
    }
}
