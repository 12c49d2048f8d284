//! The page heliostat.yaml(5): every key of a manifest, from the same source as the schema and `heliostat explain`.

use std::io;

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::diagnostic::LINTS;
use crate::manifest::{Key, keys};

/// The page, by its name without the section.
pub const NAME: &str = "heliostat.yaml";

const EXAMPLE: &str = "\
apiVersion: heliostat/v1
kind: Manifest
sources:
  website:
    path: /data/website
    targets:
      web98:
        url: rsync://website@172.16.6.98/website
        passwordFile: /etc/rsync.passwd
        delete: mirror
        maxDelete: 10%";

/// Draws it.
pub fn page() -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    let version = concat!("heliostat ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["HELIOSTAT.YAML", "5", "", version, "heliostat"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(
        "heliostat.yaml - what is kept where, when, and what may be deleted",
    )]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([italic("/etc/heliostat/conf.d/*.yaml")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "A manifest names sources, and for each the targets that are kept as it is. All files of a directory are read \
         together. In the names of keys below, * stands for a name that you choose, and [] for an item of a list.",
    )]);
    roff.control("PP", []);
    roff.text([
        bold("heliostat validate"),
        roman(" says what is wrong with one, "),
        bold("heliostat plan"),
        roman(" what it will do, and "),
        bold("heliostat explain KEY"),
        roman(" what a key means."),
    ]);
    roff.control("SH", ["EXAMPLE"]);
    roff.control("EX", []);
    roff.text([roman(EXAMPLE)]);
    roff.control("EE", []);
    roff.control("SH", ["KEYS"]);
    for key in keys() {
        entry(&mut roff, &key);
    }
    roff.control("SH", ["LINTS"]);
    roff.text([roman(
        "Names of what is allowed by itself and probably not meant. A warning is taken back by ",
    )]);
    roff.text([bold("metadata: {allow: {LINT: \"why\"}}"), roman(".")]);
    for lint in LINTS {
        let about = lint.code.entry();
        roff.control("TP", []);
        roff.text([bold(lint.name)]);
        roff.text([roman(format!("{}. {}", about.title, about.explanation))]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("heliostat"),
        roman("(1), "),
        bold("heliostat-validate"),
        roman("(1), "),
        bold("heliostat-plan"),
        roman("(1), "),
        bold("rsync"),
        roman("(1)"),
    ]);
    let mut text = Vec::new();
    roff.to_writer(&mut text)?;
    Ok(text)
}

fn entry(roff: &mut Roff, key: &Key) {
    roff.control("TP", []);
    roff.text([bold(key.path.as_str())]);
    roff.text([roman(key.description.as_str())]);
    let mut more = vec![roman(format!("Takes {}", key.takes))];
    more.push(roman(match (&key.default, key.required) {
        (Some(default), _) => format!("; by default {default}."),
        (None, true) => "; it must be given.".to_owned(),
        (None, false) => ".".to_owned(),
    }));
    if let Some(example) = key.examples.first() {
        more.extend([roman(" As in "), example_of(example), roman(".")]);
    }
    roff.text(more);
    for (word, meaning) in &key.words {
        roff.control("br", []);
        roff.text([bold(word.as_str()), roman(format!(": {meaning}"))]);
    }
}

/// On one line, whatever is in it.
fn example_of(example: &str) -> Inline {
    italic(example.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_lint_is_in_the_page() {
        let text = String::from_utf8(page().unwrap()).unwrap();
        let plain = text.replace("\\-", "-").replace("\\&", "");
        for key in keys() {
            assert!(plain.contains(&key.path), "{}", key.path);
        }
        for lint in LINTS {
            assert!(
                plain.contains(&format!("\\fB{}\\fR", lint.name)),
                "{}",
                lint.name
            );
        }
        assert!(plain.starts_with(".ie") || plain.contains(".TH HELIOSTAT.YAML 5"));
    }
}
