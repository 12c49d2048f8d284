//! `validate --fix`: makes the certain fixes, round by round, until there is none left.
//!
//! A round makes all fixes that do not touch one another and judges the files again, for one mistake may hide another.
//! Comments, order and blanks stay as they are. What is not certain is left and shown. A round that would break a file's
//! YAML is taken back.

use crate::diagnostic::{Code, Diagnostic, applied};
use crate::manifest::{self, SourceFile};

use super::load::review;

/// So many mistakes may hide one behind another.
const ROUNDS_MAX: usize = 50;

/// A file with its fixes made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    /// The file, with the text that it should have.
    pub file: SourceFile,
    /// How many changes are in it.
    pub made: usize,
}

/// Makes the fixes of all manifests.
pub(super) fn fixed(files: &[SourceFile]) -> Vec<Fixed> {
    fixed_by(files, |files| review(files).1)
}

/// Makes the fixes of agent files.
pub(super) fn fixed_agents(files: &[SourceFile]) -> Vec<Fixed> {
    fixed_by(files, |files| {
        let found = files.iter().map(|file| manifest::load_agent(file).1);
        found.flatten().collect()
    })
}

fn fixed_by(files: &[SourceFile], judge: impl Fn(&[SourceFile]) -> Vec<Diagnostic>) -> Vec<Fixed> {
    let judged = |fixed: &[Fixed]| {
        let files: Vec<SourceFile> = fixed.iter().map(|item| item.file.clone()).collect();
        judge(&files)
    };
    let mut fixed: Vec<Fixed> = files
        .iter()
        .map(|file| Fixed {
            file: file.clone(),
            made: 0,
        })
        .collect();
    let mut stuck = vec![false; files.len()];
    let mut diagnostics = judged(&fixed);
    for _ in 0..ROUNDS_MAX {
        let before: Vec<Fixed> = fixed.clone();
        for (index, item) in fixed.iter_mut().enumerate() {
            let round = applied(&item.file.name, &item.file.text, &diagnostics);
            if round.made > 0 && !stuck[index] {
                item.file.text = round.text;
                item.made += round.made;
            }
        }
        if fixed == before {
            break;
        }
        let mut after = judged(&fixed);
        let mut back = false;
        for (index, item) in fixed.iter_mut().enumerate() {
            let broken = |diagnostics: &[Diagnostic]| breaks(&item.file.name, diagnostics);
            if broken(&after) > broken(&diagnostics) {
                *item = before[index].clone();
                stuck[index] = true;
                back = true;
            }
        }
        if back {
            after = judged(&fixed);
        }
        diagnostics = after;
    }
    fixed
}

/// How much of a file is not even YAML.
fn breaks(file: &str, diagnostics: &[Diagnostic]) -> usize {
    let of_file = diagnostics
        .iter()
        .filter(|one| one.place().is_some_and(|label| *label.file == *file));
    of_file.filter(|one| one.code < Code::ApiVersion).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_fixed(text: &str, expected: &str, made: usize) {
        let file = SourceFile {
            name: "a".to_owned(),
            text: text.to_owned(),
        };
        let once = fixed(std::slice::from_ref(&file));
        assert_eq!((once[0].file.text.as_str(), once[0].made), (expected, made));
        let again = fixed(std::slice::from_ref(&once[0].file));
        assert_eq!(
            (again[0].file.text.as_str(), again[0].made),
            (expected, 0),
            "made again"
        );
    }

    #[test]
    fn mechanical_mistakes_are_mended_and_nothing_else_changes() {
        check_fixed(
            "# mine\r\nkind: Manifest  # mine, too\r\nsources:\r\n  a:   {path: /data/web , exlude: [*.rs, /data/web/cache/], \
             targets: {t: {url: /mnt/x, delete: Mirror, timeout: 60}}}\r\n",
            "# mine\r\napiVersion: heliostat/v1\r\nkind: Manifest  # mine, too\r\nsources:\r\n  a:   {path: /data/web , \
             exclude: [\"*.rs\", \"/cache/\"], targets: {t: {url: file:///mnt/x, delete: mirror, timeout: 60s}}}\r\n",
            7,
        );
    }

    #[test]
    fn what_is_not_certain_is_left() {
        for text in [
            // Milliseconds, or seconds?
            "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, debounce: {quiet: 5}, targets: {t: {url: \"file:///b\"}}}}\n",
            // The right key is there, too.
            "apiVersion: heliostat/v1\nkind: Manifest\nsources: {a: {path: /a, pathh: /b, targets: {t: {url: \"file:///b\"}}}}\n",
            // A name is somebody's identity.
            "apiVersion: heliostat/v1\nkind: Manifest\nsources: {A_b: {path: /a, targets: {t: {url: \"file:///b\"}}}}\n",
            // A default is another source's pattern, too.
            "apiVersion: heliostat/v1\nkind: Manifest\ndefaults: {source: {exclude: [\"/a/x\"]}}\nsources: {a: {path: /a, targets: {t: {url: \"file:///b\"}}}, c: {path: /c, targets: {t: {url: \"file:///d\"}}}}\n",
        ] {
            check_fixed(text, text, 0);
        }
    }
}
