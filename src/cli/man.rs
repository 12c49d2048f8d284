//! `man`: the man pages, from the same definition as the command line and its help.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Cli, exit, man_manifest};

/// The flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command that the page is of, or `heliostat.yaml` for that of the manifest; heliostat's own where none is named
    pub command: Option<String>,
    /// Write every page into this directory, one a command and one of the manifest
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub all: Option<PathBuf>,
}

/// Prints a page, or writes all.
pub fn run(args: &ManArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let pages = pages()?;
    if let Some(directory) = &args.all {
        return write_all(&pages, directory, err);
    }
    let wanted = match &args.command {
        Some(command) if command == man_manifest::NAME => command.clone(),
        Some(command) => format!("heliostat-{command}"),
        None => "heliostat".to_string(),
    };
    match pages.iter().find(|page| page.name == wanted) {
        Some(page) => {
            out.write_all(&page.text)?;
            Ok(exit::GOOD)
        }
        None => {
            let command = args.command.as_deref().unwrap_or_default();
            writeln!(
                err,
                "error: there is no command `{}`: `heliostat --help` lists them",
                command.escape_default()
            )?;
            Ok(exit::USAGE)
        }
    }
}

struct Page {
    name: String,
    section: u8,
    text: Vec<u8>,
}

/// heliostat's own page, one a command, and that of the manifest.
fn pages() -> io::Result<Vec<Page>> {
    let mut command = Cli::command();
    command.build();
    let mut all = vec![page(command.clone(), "heliostat".to_string())?];
    for sub in command.get_subcommands() {
        let name = format!("heliostat-{}", sub.get_name());
        // As a page of its own it bears its whole name, in its heading and its synopsis.
        all.push(page(sub.clone().display_name(name.clone()), name)?);
    }
    all.push(Page {
        name: man_manifest::NAME.to_owned(),
        section: 5,
        text: man_manifest::page()?,
    });
    Ok(all)
}

fn page(command: Command, name: String) -> io::Result<Page> {
    let mut text = Vec::new();
    Man::new(command)
        .title(name.to_uppercase())
        .section("1")
        .source(concat!("heliostat ", env!("CARGO_PKG_VERSION")))
        .manual("heliostat")
        .render(&mut text)?;
    Ok(Page {
        name,
        section: 1,
        text,
    })
}

fn write_all(pages: &[Page], directory: &std::path::Path, err: &mut dyn Write) -> io::Result<u8> {
    for page in pages {
        let path = directory.join(format!("{}.{}", page.name, page.section));
        let made = fs::create_dir_all(directory).and_then(|()| fs::write(&path, &page.text));
        if let Err(error) = made {
            writeln!(err, "error: cannot write `{}`: {error}", path.display())?;
            return Ok(exit::USAGE);
        }
    }
    writeln!(
        err,
        "wrote {} pages to `{}`",
        pages.len(),
        directory.display()
    )?;
    Ok(exit::GOOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_flag_has_its_place_in_a_page() {
        let mut command = Cli::command();
        command.build();
        let pages = pages().unwrap();
        assert_eq!(pages.len(), command.get_subcommands().count() + 2);
        for sub in command.get_subcommands() {
            let name = format!("heliostat-{}", sub.get_name());
            let page = pages.iter().find(|page| page.name == name).unwrap();
            let text = String::from_utf8_lossy(&page.text).replace('\\', "");
            assert!(
                text.contains(&format!(".TH {}", name.to_uppercase())),
                "{text}"
            );
            for flag in sub.get_arguments().filter(|flag| !flag.is_hide_set()) {
                if let Some(long) = flag.get_long() {
                    assert!(text.contains(&format!("--{long}")), "{name}: --{long}");
                }
            }
        }
    }

    #[test]
    fn pages_are_written_where_asked_and_an_unknown_one_is_said() {
        let scratch = tempfile::tempdir().unwrap();
        let all = Some(scratch.path().join("man1"));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = ManArgs { command: None, all };
        assert_eq!(run(&args, &mut out, &mut err).unwrap(), exit::GOOD);
        for page in ["heliostat.1", "heliostat-run.1", "heliostat.yaml.5"] {
            assert!(scratch.path().join("man1").join(page).is_file());
        }
        let args = ManArgs {
            command: Some("nonsense".into()),
            all: None,
        };
        assert_eq!(run(&args, &mut out, &mut err).unwrap(), exit::USAGE);
        assert!(out.is_empty() && String::from_utf8_lossy(&err).contains("`nonsense`"));
    }
}
