//! The terminal while a picture is redrawn in place; as it was before when this goes out of scope, however that comes.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};

/// Another screen, no cursor, long lines cut off.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// What lies between these is shown at once, by terminals that know them; others pass them by.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const END: &str = "\x1b[J\x1b[?2026l";
/// The rest of a line is cleared behind its text, not before it: nothing flickers.
const CLEAR: &str = "\x1b[0m\x1b[K";

/// The terminal.
pub struct Screen<'o> {
    out: &'o mut dyn Write,
    /// As the keyboard was.
    before: Option<Termios>,
}

impl<'o> Screen<'o> {
    /// Takes the screen and, where it is a terminal too, the keyboard.
    pub fn enter(out: &'o mut dyn Write) -> io::Result<Screen<'o>> {
        let before = quiet_keys();
        let mut screen = Screen { out, before };
        screen.put(ENTER)?;
        Ok(screen)
    }

    /// Whether keys can be read.
    pub fn has_keys(&self) -> bool {
        self.before.is_some()
    }

    /// Shows a picture; lines below the last row are not shown, which its last row says.
    pub fn show(&mut self, picture: &str) -> io::Result<()> {
        let rows = rows();
        self.put(&frame(picture, rows))
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = self.put(LEAVE);
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(io::stdin().as_fd(), OptionalActions::Flush, before);
        }
    }
}

/// Keys come at once, are not shown, and mean nothing to the terminal, so that Ctrl-C is read as any other. As it was
/// before; `None` where no keys can be had.
fn quiet_keys() -> Option<Termios> {
    let keyboard = io::stdin();
    let before = rustix::termios::tcgetattr(keyboard.as_fd()).ok()?;
    let mut quiet = before.clone();
    quiet.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
    quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
    quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
    rustix::termios::tcsetattr(keyboard.as_fd(), OptionalActions::Now, &quiet).ok()?;
    Some(before)
}

/// Rows of the terminal, as it is now.
fn rows() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout().as_fd());
    let rows = size.map_or(0, |size| usize::from(size.ws_row));
    if rows == 0 { 24 } else { rows }
}

/// What draws a picture over the one before.
fn frame(picture: &str, rows: usize) -> String {
    let lines: Vec<&str> = picture.lines().collect();
    let mut text = BEGIN.to_owned();
    let fits = lines.len() <= rows;
    let shown = if fits {
        lines.len()
    } else {
        rows.saturating_sub(1)
    };
    for (index, line) in lines[..shown].iter().enumerate() {
        if index > 0 {
            text.push_str("\r\n");
        }
        text.push_str(line);
        text.push_str(CLEAR);
    }
    if !fits {
        let more = lines.len() - shown;
        text.push_str(&format!("\r\nand {more} lines more{CLEAR}"));
    }
    text.push_str(END);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_rows_and_does_not_scroll() {
        let lines = |count: usize| {
            let all: Vec<String> = (0..count).map(|line| format!("line {line}")).collect();
            all.join("\n")
        };
        let drawn = |count, rows| frame(&lines(count), rows);
        assert_eq!(drawn(3, 3).matches("\r\n").count(), 2);
        assert!(drawn(3, 3).contains("line 2") && !drawn(3, 3).contains("more"));
        let cut = drawn(10, 4);
        assert_eq!(cut.matches("\r\n").count(), 3);
        assert!(cut.contains("line 2") && !cut.contains("line 3"));
        assert!(cut.contains("and 7 lines more"));
        assert!(!drawn(3, 3).ends_with("\r\n"), "the last row would scroll");
        assert!(
            !drawn(2, 3).contains("\x1b[2J"),
            "clearing all would flicker"
        );
    }
}
