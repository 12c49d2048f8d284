//! What the documents name is there: links and their anchors, commands with their flags, keys in YAML.

use clap::CommandFactory;
use heliostat::cli::Cli;

use super::*;

/// README and every page of `docs`.
pub(super) fn pages() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<String> = names
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

/// A fenced block.
pub(super) struct Block {
    pub(super) page: String,
    pub(super) language: String,
    pub(super) text: String,
}

impl Block {
    pub(super) fn first(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

/// Every fenced block of a page.
pub(super) fn fenced(page: &str) -> Vec<Block> {
    let (mut found, mut open) = (Vec::new(), None::<Block>);
    for line in read(page).text.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open = Some(Block {
                    page: page.to_owned(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (Some(_), Some(block)) => found.push(block),
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    found
}

/// The block of a page that begins so; there is exactly one.
pub(super) fn block(page: &str, first: &str) -> Block {
    let mut found = fenced(page);
    found.retain(|block| block.first().starts_with(first));
    assert_eq!(found.len(), 1, "{page}: `{first}`");
    found.remove(0)
}

/// As a page on the web names its headings.
fn anchors(page: &str) -> Vec<String> {
    let text = read(page).text;
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(name).collect()
}

#[test]
fn every_link_and_anchor_leads_somewhere() {
    let mut checked = 0;
    for page in pages() {
        let text = read(&page).text;
        let folder = Path::new(&page).parent().unwrap();
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap_or_default();
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = match path {
                "" => PathBuf::from(&page),
                path => folder.join(path),
            };
            assert!(root().join(&to).exists(), "{page}: `{link}`");
            if !anchor.is_empty() {
                let have = anchors(to.to_str().unwrap());
                assert!(
                    have.iter().any(|have| have == anchor),
                    "{page}: `{link}`: {have:?}"
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} links");
}

/// The texts between backticks outside of blocks, and the lines of blocks.
fn commands(page: &str) -> Vec<String> {
    let text = read(page).text;
    let (mut found, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            let line = line.trim_start().trim_start_matches("$ ");
            found.push(line.split(" #").next().unwrap_or_default().to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_command_and_flag_that_is_named_exists() {
    let cli = Cli::command();
    let mut checked = 0;
    for page in pages() {
        for line in commands(&page) {
            let mut words = line.split_whitespace();
            if words.next() != Some("heliostat") {
                continue;
            }
            let Some(name) = words.next() else { continue };
            // A placeholder, a global flag, or what is no command line at all.
            if !name.chars().all(|c| c.is_ascii_lowercase()) {
                continue;
            }
            let Some(command) = cli.find_subcommand(name) else {
                panic!("{page}: `{line}`: no command `{name}`");
            };
            for word in words {
                let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
                    continue;
                };
                let flag = flag
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
                    .next();
                let mut known = command.get_arguments().chain(cli.get_arguments());
                assert!(
                    flag == Some("help") || known.any(|known| known.get_long() == flag),
                    "{page}: `{line}`: no flag `{word}`"
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} commands");
}

/// What stands around a part of a manifest: by its first key.
fn whole(text: &str) -> String {
    const HEAD: &str = "apiVersion: heliostat/v1\nkind: Manifest\n";
    const SOURCE: &str = "sources: {a: {path: /a, targets: {b: {url: \"file:///b\"}}}}\n";
    if text.starts_with("metadata:") {
        return format!("{HEAD}{text}{SOURCE}");
    }
    if text.starts_with("password") {
        let target = "sources: {a: {path: /a, targets: {b: {url: \"rsync://a@10.0.0.1/a\", ";
        return format!("{HEAD}{target}{}}}}}}}}}\n", text.trim());
    }
    text.to_owned()
}

#[test]
fn every_yaml_block_is_valid() {
    let mut checked = 0;
    for page in pages() {
        for block in fenced(&page)
            .into_iter()
            .filter(|block| block.language == "yaml")
        {
            if block.text.lines().all(|line| line.starts_with('#')) {
                continue;
            }
            let file = SourceFile {
                name: format!("{page}: {}", block.first()),
                text: whole(&block.text),
            };
            if file.text.contains("kind: Agent") {
                silent(std::slice::from_ref(&file), &manifest::load_agent(&file).1);
            } else {
                let (_, said) = manifest::load(std::slice::from_ref(&file));
                let errors: Vec<Diagnostic> = said
                    .into_iter()
                    .filter(|one| one.severity == diagnostic::Severity::Error)
                    .collect();
                silent(&[file], &errors);
            }
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} blocks");
}
