//! As much of Lua as a configuration of lsyncd mostly is: calls with tables, texts, numbers and names. Nothing is run.

/// Deeper tables are not read: nobody writes them, and reading them is recursive.
const DEPTH_MAX: usize = 20;

/// A word of Lua.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A name, with its dots: `default.rsync`.
    Name(String),
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// One character.
    Sign(char),
}

/// A value that can be known without running anything.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// `true`, `false`.
    Flag(bool),
    /// A name that is bound to none of these: `default.rsync`.
    Name(String),
    /// A table, in its order.
    Table(Vec<Item>),
    /// What only running it would tell.
    Unknown,
}

/// An entry of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Where it begins.
    pub line: usize,
    /// `None`: its place is its key.
    pub key: Option<String>,
    /// What it is.
    pub value: Value,
}

/// Tokens with their lines; an error is a line and a message.
pub fn tokens(text: &str) -> Result<Vec<(usize, Token)>, (usize, String)> {
    let mut out = Vec::new();
    let bytes: Vec<char> = text.chars().collect();
    let (mut at, mut line) = (0, 1);
    let is = |at: usize, wanted: &str| {
        wanted
            .chars()
            .enumerate()
            .all(|(more, c)| bytes.get(at + more) == Some(&c))
    };
    while at < bytes.len() {
        let c = bytes[at];
        let long = |at: usize| -> Option<usize> {
            let level = bytes
                .get(at + 1..)?
                .iter()
                .take_while(|c| **c == '=')
                .count();
            (bytes.get(at) == Some(&'[') && bytes.get(at + 1 + level) == Some(&'['))
                .then_some(level)
        };
        let comment = is(at, "--");
        let start = if comment { at + 2 } else { at };
        if let Some(level) = long(start).filter(|_| comment || c == '[') {
            let close = format!("]{}]", "=".repeat(level));
            let begin = start + level + 2;
            let Some(end) = (begin..bytes.len()).find(|at| is(*at, &close)) else {
                return Err((line, "a long text or comment does not end".to_owned()));
            };
            let inside: String = bytes[begin..end].iter().collect();
            let lines = inside.matches('\n').count();
            if !comment {
                out.push((
                    line,
                    Token::Text(inside.strip_prefix('\n').unwrap_or(&inside).to_owned()),
                ));
            }
            line += lines;
            at = end + close.len();
        } else if comment {
            at = (at..bytes.len())
                .find(|at| bytes[*at] == '\n')
                .unwrap_or(bytes.len());
        } else if c == '\n' {
            line += 1;
            at += 1;
        } else if c.is_whitespace() {
            at += 1;
        } else if c == '"' || c == '\'' {
            let mut word = String::new();
            at += 1;
            loop {
                match bytes.get(at) {
                    None | Some('\n') => {
                        return Err((line, "a text does not end in its line".to_owned()));
                    }
                    Some(end) if *end == c => break,
                    Some('\\') => {
                        at += 1;
                        match bytes.get(at) {
                            Some('n') => word.push('\n'),
                            Some('t') => word.push('\t'),
                            Some(other @ ('\\' | '"' | '\'')) => word.push(*other),
                            _ => {
                                return Err((
                                    line,
                                    "an escape in a text is not read here".to_owned(),
                                ));
                            }
                        }
                    }
                    Some(other) => word.push(*other),
                }
                at += 1;
            }
            at += 1;
            out.push((line, Token::Text(word)));
        } else if c.is_ascii_digit() {
            let end = (at..bytes.len())
                .find(|at| !(bytes[*at].is_ascii_alphanumeric() || bytes[*at] == '.'))
                .unwrap_or(bytes.len());
            let word: String = bytes[at..end].iter().collect();
            let number = word
                .parse()
                .map_err(|_| (line, format!("`{word}` is no number")))?;
            out.push((line, Token::Number(number)));
            at = end;
        } else if c.is_alphabetic() || c == '_' {
            let end = (at..bytes.len())
                .find(|at| {
                    !(bytes[*at].is_alphanumeric()
                        || matches!(bytes[*at], '_' | '.') && !is(*at, ".."))
                })
                .unwrap_or(bytes.len());
            out.push((line, Token::Name(bytes[at..end].iter().collect())));
            at = end;
        } else {
            out.push((line, Token::Sign(c)));
            at += 1;
        }
    }
    Ok(out)
}

/// A place among tokens.
pub struct Reader<'t> {
    tokens: &'t [(usize, Token)],
    at: usize,
    /// What names are bound to.
    pub names: Vec<(String, Value)>,
}

impl<'t> Reader<'t> {
    /// At the beginning.
    pub fn new(tokens: &'t [(usize, Token)]) -> Reader<'t> {
        Reader {
            tokens,
            at: 0,
            names: Vec::new(),
        }
    }

    /// The next token.
    pub fn peek(&self, ahead: usize) -> Option<&'t Token> {
        self.tokens.get(self.at + ahead).map(|(_, token)| token)
    }

    /// Its line.
    pub fn line(&self) -> usize {
        let last = self.tokens.last().map_or(1, |(line, _)| *line);
        self.tokens.get(self.at).map_or(last, |(line, _)| *line)
    }

    /// Goes on.
    pub fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Takes this sign, if it is next.
    pub fn take(&mut self, sign: char) -> bool {
        let is = self.peek(0) == Some(&Token::Sign(sign));
        self.at += usize::from(is);
        is
    }

    /// A value; what cannot be known is unknown, and passed by.
    pub fn value(&mut self, depth: usize) -> Value {
        let mut value = self.single(depth);
        // `"a" .. name`: joined, as far as both are known.
        while self.peek(0) == Some(&Token::Sign('.')) && self.peek(1) == Some(&Token::Sign('.')) {
            self.skip(2);
            let next = self.single(depth);
            value = match (value, next) {
                (Value::Text(a), Value::Text(b)) => Value::Text(a + &b),
                _ => Value::Unknown,
            };
        }
        // Anything else behind it makes another value of it.
        let ends = |token: Option<&Token>| match token {
            None | Some(Token::Sign(',' | ';' | '}')) => true,
            Some(Token::Name(_)) => depth == 0,
            Some(Token::Sign(')')) => true,
            _ => false,
        };
        if !ends(self.peek(0)) {
            self.pass_by();
            return Value::Unknown;
        }
        value
    }

    fn single(&mut self, depth: usize) -> Value {
        let Some(token) = self.peek(0).cloned() else {
            return Value::Unknown;
        };
        match token {
            Token::Text(text) => {
                self.skip(1);
                Value::Text(text)
            }
            Token::Number(number) => {
                self.skip(1);
                Value::Number(number)
            }
            Token::Name(name) if name == "function" => {
                self.function();
                Value::Unknown
            }
            Token::Name(name) => {
                self.skip(1);
                let bound = self.names.iter().rev().find(|(known, _)| *known == name);
                match (name.as_str(), bound) {
                    ("true", _) => Value::Flag(true),
                    ("false", _) => Value::Flag(false),
                    (_, Some((_, value))) => value.clone(),
                    _ => Value::Name(name),
                }
            }
            Token::Sign('{') if depth < DEPTH_MAX => self.table(depth + 1),
            Token::Sign('-') => {
                self.skip(1);
                match self.single(depth) {
                    Value::Number(number) => Value::Number(-number),
                    _ => Value::Unknown,
                }
            }
            Token::Sign(_) => Value::Unknown,
        }
    }

    /// A table, whose brace is next.
    pub fn table(&mut self, depth: usize) -> Value {
        self.skip(1);
        let mut items = Vec::new();
        while !self.take('}') {
            let line = self.line();
            let key = match (self.peek(0), self.peek(1), self.peek(2), self.peek(3)) {
                (Some(Token::Name(name)), Some(Token::Sign('=')), ..) => {
                    let name = name.clone();
                    self.skip(2);
                    Some(name)
                }
                (
                    Some(Token::Sign('[')),
                    Some(Token::Text(name)),
                    Some(Token::Sign(']')),
                    Some(Token::Sign('=')),
                ) => {
                    let name = name.clone();
                    self.skip(4);
                    Some(name)
                }
                (None, ..) => break,
                _ => None,
            };
            let before = self.at;
            let value = self.value(depth);
            items.push(Item { line, key, value });
            if !self.take(',') && !self.take(';') && self.at == before {
                self.skip(1);
            }
        }
        Value::Table(items)
    }

    /// To the end of a value that is not read: a comma or brace outside of all brackets.
    fn pass_by(&mut self) {
        let mut open = 0usize;
        while let Some(token) = self.peek(0) {
            match token {
                Token::Sign('(' | '{' | '[') => open += 1,
                Token::Sign(')' | '}' | ']') if open == 0 => return,
                Token::Sign(')' | '}' | ']') => open -= 1,
                Token::Sign(',' | ';') if open == 0 => return,
                Token::Name(name) if name == "function" => {
                    self.function();
                    continue;
                }
                _ => {}
            }
            self.skip(1);
        }
    }

    /// Past a function, a loop or a condition, whose word is next.
    pub fn function(&mut self) {
        let mut open = 0usize;
        while let Some(token) = self.peek(0) {
            self.skip(1);
            if let Token::Name(name) = token {
                match name.as_str() {
                    "function" | "if" | "do" | "repeat" => open += 1,
                    "end" | "until" if open <= 1 => return,
                    "end" | "until" => open -= 1,
                    _ => {}
                }
            }
        }
    }
}
