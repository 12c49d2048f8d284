//! `status --watch`, on a terminal and where there is none.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::{Value, json};

use super::{PATIENCE, Story, soon};
use crate::rig::wait_for;

/// A terminal with what was written on it.
struct Terminal {
    keyboard: File,
    line: File,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new(rows: u16) -> Terminal {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let line = File::options().read(true).write(true).open(name).unwrap();
        let keyboard = File::from(master);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, sink) = (keyboard.try_clone().unwrap(), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut some) {
                sink.lock().unwrap().extend_from_slice(&some[..count]);
            }
        });
        let terminal = Terminal {
            keyboard,
            line,
            written,
        };
        terminal.resize(rows);
        terminal
    }

    fn resize(&self, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(self.line.as_fd(), size).unwrap();
    }

    fn spawn(&self, story: &Story) -> Child {
        let line = || Stdio::from(self.line.try_clone().unwrap());
        // As a shell has it: the terminal is its own, and tells of its size and its end by signals.
        Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_heliostat")])
            .args(["status", "--watch", "--socket"])
            .arg(story.service.socket())
            .stdin(line())
            .stdout(line())
            .stderr(line())
            .spawn()
            .unwrap()
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// The last whole picture.
    fn picture(&self) -> Option<String> {
        let written = self.written();
        let whole = &written[..written.rfind("\x1b[?2026l")?];
        Some(whole[whole.rfind("\x1b[?2026h")?..].to_owned())
    }

    #[track_caller]
    fn shows(&self, text: &str) {
        let shown = || self.picture().is_some_and(|picture| picture.contains(text));
        let found = wait_for(PATIENCE, || shown().then_some(()));
        assert!(found.is_some(), "no `{text}` in {:?}", self.written());
    }

    /// The keyboard echoes, and waits for whole lines.
    fn is_ordinary(&self) -> bool {
        let modes = tcgetattr(self.line.as_fd()).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }
}

fn ends(child: &mut Child) -> Option<i32> {
    wait_for(PATIENCE, || child.try_wait().unwrap())?.code()
}

#[test]
fn the_picture_is_redrawn_in_place_and_leaves_the_terminal_as_it_was() {
    let mut story = Story::new(|_| {});
    story.start();
    for key in ["q", "\x03", "\x04"] {
        let mut terminal = Terminal::new(24);
        assert!(terminal.is_ordinary());
        let mut child = terminal.spawn(&story);
        terminal.shows("site/module");
        terminal.shows("in sync");
        assert!(!terminal.is_ordinary());
        // A change comes by itself, and no line of the earlier picture stays.
        assert_eq!(story.service.call(&["pause", "site/copy"]).code, 0);
        terminal.shows("paused");
        assert_eq!(story.service.call(&["resume"]).code, 0);
        soon("it is as before", || {
            terminal
                .picture()
                .is_some_and(|picture| !picture.contains("paused"))
        });
        // Fewer rows: the rest is left out, and that is said.
        terminal.resize(3);
        terminal.shows("lines more");
        let picture = terminal.picture().unwrap();
        assert_eq!(picture.matches("\r\n").count(), 2, "{picture:?}");
        assert!(!terminal.written().contains("\x1b[2J"), "it flickers");
        terminal.keyboard.write_all(key.as_bytes()).unwrap();
        assert_eq!(ends(&mut child), Some(0));
        assert!(terminal.is_ordinary(), "{key:?}");
        let left = |written: &str| written.ends_with("\x1b[?7h\x1b[?25h\x1b[?1049l");
        soon("the screen is given back", || left(&terminal.written()));
    }
}

#[test]
fn a_signal_ends_it_cleanly_and_a_service_that_is_gone_is_waited_for() {
    let mut story = Story::new(|_| {});
    story.start();
    let terminal = Terminal::new(24);
    let mut child = terminal.spawn(&story);
    terminal.shows("in sync");
    story.service.kill();
    terminal.shows("this is how it was");
    story.service.start();
    story.settle();
    soon("it is there again", || {
        terminal
            .picture()
            .is_some_and(|picture| !picture.contains("this is how it was"))
    });
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(ends(&mut child), Some(0));
    assert!(terminal.is_ordinary());
    soon("the screen is given back", || {
        terminal.written().ends_with("\x1b[?1049l")
    });
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let mut story = Story::new(|_| {});
    story.start();
    let binary = env!("CARGO_BIN_EXE_heliostat");
    // Where the terminal is its own it hears a signal, else it sees the end on the line.
    for begin in [&["setsid", "--ctty", binary][..], &[binary]] {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let line = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
        let mut child = Command::new(begin[0])
            .args(&begin[1..])
            .args(["status", "--watch", "--socket"])
            .arg(story.service.socket())
            .stdin(line())
            .stdout(line())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut screen = File::from(master);
        let (mut shown, mut some) = (String::new(), [0; 4096]);
        while !shown.contains("in sync") {
            let count = screen.read(&mut some).unwrap();
            shown += &String::from_utf8_lossy(&some[..count]);
        }
        drop(screen);
        assert!(ends(&mut child).is_some(), "{begin:?}");
    }
}

#[test]
fn without_a_terminal_a_picture_a_change_is_printed() {
    let mut story = Story::new(|_| {});
    story.start();
    let mut child = Command::new(env!("CARGO_BIN_EXE_heliostat"))
        .args([
            "status",
            "site/copy",
            "--watch",
            "--format",
            "json",
            "--socket",
        ])
        .arg(story.service.socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut state = || -> Value {
        let line = lines.next().unwrap().unwrap();
        let document: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(document["routes"].as_array().unwrap().len(), 1);
        document["routes"][0]["state"].clone()
    };
    assert_eq!(state(), "in sync");
    assert_eq!(story.service.call(&["pause", "site/copy"]).code, 0);
    // Nothing is printed for what has not changed, so this is the next line.
    assert_eq!(state(), json!("paused"));
    assert_eq!(story.service.call(&["resume"]).code, 0);
    assert_eq!(state(), "in sync");
    child.kill().unwrap();
    child.wait().unwrap();
}
