//! `explain`: every registered code says what it is, why and what to do; and what is wrong and what mends it are so.

use heliostat::cli::exit;
use heliostat::cli::explain::{self, ExplainArgs};
use heliostat::cli::validate::{self, ValidateArgs};
use heliostat::diagnostic::REGISTRY;

fn explained(code: Option<&str>) -> (u8, String, String) {
    let args = ExplainArgs {
        code: code.map(str::to_owned),
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = explain::run(&args, &mut out, &mut err).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(out), text(err))
}

#[test]
fn every_code_is_explained() {
    let (code, list, _) = explained(None);
    assert_eq!(code, exit::GOOD);
    assert_eq!(list.lines().count(), REGISTRY.len());
    for entry in REGISTRY {
        assert!(list.contains(&format!("{}  {}\n", entry.id, entry.title)));
        for spelling in [entry.id.to_owned(), entry.id.to_lowercase()] {
            let (code, out, err) = explained(Some(&spelling));
            assert_eq!((code, err.as_str()), (exit::GOOD, ""));
            let (title, rest) = out.split_once("\n\n").unwrap();
            assert_eq!(title, format!("{}: {}", entry.id, entry.title));
            assert_eq!(rest.trim_end(), entry.explanation);
            // More than its title over again.
            assert!(!entry.explanation.to_lowercase().starts_with(entry.title));
        }
    }
    let (code, out, err) = explained(Some("H9999"));
    assert_eq!((code, out.as_str()), (exit::USAGE, ""));
    assert!(
        err.contains("`H9999`") && err.contains("lists them"),
        "{err}"
    );
}

/// What is not a matter of one text: a file that is not there, of other bytes, or too long; too many mistakes; a host.
const ELSEWHERE: [&str; 8] = [
    "H0001", "H0002", "H0003", "H0012", "H0013", "H0409", "H0410", "H0415",
];

/// A file of this document.
fn file(body: &str) -> String {
    format!("apiVersion: heliostat/v1\nkind: Manifest\n{body}\n")
}

/// A source with these fields, and a target with those; `url` is put before what has none.
fn with(source: &str, target: &str) -> String {
    let url = if target.contains("url:") {
        ""
    } else {
        "url: \"file:///t\", "
    };
    let path = if source.contains("path:") {
        ""
    } else {
        "path: /a, "
    };
    file(&format!(
        "sources: {{a: {{{path}{source}targets: {{t: {{{url}{target}}}}}}}}}"
    ))
}

/// Of each code a text that has it, and the same as its explanation would have it.
fn examples() -> Vec<(&'static str, String, String)> {
    let s = |code, wrong, right| (code, with(wrong, ""), with(right, ""));
    let t = |code, wrong, right| (code, with("", wrong), with("", right));
    let f = |code, wrong: &str, right: &str| (code, wrong.to_owned(), right.to_owned());
    let good = with("", "");
    let two = |a: &str, b: &str| {
        file(&format!(
            "sources:\n  a: {{path: /a, targets: {{t: {a}}}}}\n  b: {{path: /b, targets: {{t: {b}}}}}"
        ))
    };
    vec![
        ("H0004", format!("{}\n", "[".repeat(100)), good.clone()),
        ("H0005", file("sources: {a: {"), good.clone()),
        f(
            "H0006",
            &file("sources:\n\ta: {path: /a, targets: {t: {url: \"file:///t\"}}}"),
            &file("sources:\n  a: {path: /a, targets: {t: {url: \"file:///t\"}}}"),
        ),
        s("H0007", "exclude: [*.rs], ", "exclude: [\"*.rs\"], "),
        s("H0008", "exclude: [!x y], ", "exclude: [\"x y\"], "),
        s("H0009", "path: /a, path: /b, ", "path: /a, "),
        s("H0010", "<<: {path: /a}, path: /a, ", "path: /a, "),
        s("H0011", "path: /a, [x]: 1, ", "path: /a, "),
        ("H0014", format!("%YAML 1.2\n---\n{good}"), good.clone()),
        ("H0101", good.replace("v1", "v9"), good.clone()),
        ("H0102", good.replace("Manifest", "Manifesto"), good.clone()),
        ("H0103", file("sources: {a: {path: /a}}"), good.clone()),
        s("H0104", "exclude: {a: b}, ", "exclude: [\"a\"], "),
        t(
            "H0105",
            "bandwith: 40MiB/s",
            "bandwidth: 40MiB/s, url: \"rsync://h/m\"",
        ),
        t("H0106", "delete: all", "delete: mirror"),
        s("H0107", "exclude: [], ", ""),
        s("H0108", "exclude: [\"a\", \"a\"], ", "exclude: [\"a\"], "),
        t(
            "H0109",
            "hooks: {after: {run: [/bin/true]}}",
            "delete: never",
        ),
        ("H0201", good.replace("{a:", "{A_b:"), good.clone()),
        t("H0202", "timeout: 60", "timeout: 60s"),
        t(
            "H0203",
            "bandwidth: 40, url: \"rsync://h/m\"",
            "bandwidth: 40MiB/s, url: \"rsync://h/m\"",
        ),
        t(
            "H0204",
            "delete: mirror, maxDelete: few",
            "delete: mirror, maxDelete: 10%",
        ),
        t(
            "H0205",
            "windows: [{deny: \"8-18\"}]",
            "windows: [{deny: \"08:00-18:00\"}]",
        ),
        s("H0206", "path: a, ", "path: /a, "),
        s("H0207", "path: /a/../b, ", "path: /b, "),
        t("H0208", "timeout: 1ms", "timeout: 60s"),
        f(
            "H0209",
            &good.replace("sources", "metadata: {labels: {1x: y}}\nsources"),
            &good.replace("sources", "metadata: {labels: {x1: y}}\nsources"),
        ),
        s("H0210", "path: \"/a\\nb\", ", "path: \"/a b\", "),
        t(
            "H0211",
            "rescan: {schedule: \"17 3 * * *\", every: 6h}",
            "rescan: {every: 6h}",
        ),
        t(
            "H0212",
            "url: \"rsync://u@h/m\", passwordFile: /p, passwordEnv: X",
            "url: \"rsync://u@h/m\", passwordFile: /p",
        ),
        t(
            "H0213",
            "rescan: {every: 6h, timeZone: UTC}",
            "rescan: {schedule: \"17 3 * * *\", timeZone: UTC}",
        ),
        t(
            "H0214",
            "rescan: {schedule: \"99 * * * *\"}",
            "rescan: {schedule: \"9 * * * *\"}",
        ),
        t(
            "H0215",
            "rescan: {schedule: \"0 0 30 2 *\"}",
            "rescan: {schedule: \"0 0 28 2 *\"}",
        ),
        t(
            "H0216",
            "rescan: {schedule: \"17 3 * * *\", timeZone: Europe/Berln}",
            "rescan: {schedule: \"17 3 * * *\", timeZone: Europe/Berlin}",
        ),
        s("H0217", "exclude: [\"[a\"], ", "exclude: [\"[a]\"], "),
        s(
            "H0218",
            "path: /data/web, exclude: [\"/data/web/x\"], ",
            "path: /data/web, exclude: [\"/x\"], ",
        ),
        t(
            "H0219",
            "url: \"file:///t/${nonsense}\"",
            "url: \"file:///t/${host}\"",
        ),
        t(
            "H0220",
            "windows: [{deny: \"00:00-24:00\"}]",
            "windows: [{deny: \"00:00-23:00\"}]",
        ),
        t("H0301", "url: \"rsync://\"", "url: \"rsync://h/m\""),
        t("H0302", "url: \"ftp://h/m\"", "url: \"rsync://h/m\""),
        t(
            "H0303",
            "url: \"rsync://u:pw@h/m\"",
            "url: \"rsync://u@h/m\", passwordFile: /p",
        ),
        t(
            "H0304",
            "url: \"rsync://h/m/a%20b\"",
            "url: \"rsync://h/m/a b\"",
        ),
        t(
            "H0305",
            "compress: zstd",
            "compress: zstd, url: \"rsync://h/m\"",
        ),
        t(
            "H0306",
            "url: \"rsync://h/m\", rsyncArgs: [\"--delete\"]",
            "url: \"rsync://h/m\", delete: mirror",
        ),
        t(
            "H0307",
            "url: \"rsync://h/m\", rsyncArgs: [\"--chmod=zz\"]",
            "url: \"rsync://h/m\", rsyncArgs: [\"--chmod=D755,F644\"]",
        ),
        t(
            "H0308",
            "url: \"rsync://h/m\", passwordEnv: X",
            "url: \"rsync://u@h/m\", passwordEnv: X",
        ),
        t(
            "H0309",
            "url: \"ssh://h/t\", ssh: {jump: \"-x\"}",
            "url: \"ssh://h/t\", ssh: {jump: bastion}",
        ),
        (
            "H0401",
            format!("{good}---\n{good}"),
            format!(
                "{good}---\n{}",
                good.replace("{a:", "{b:").replace("///t", "///u")
            ),
        ),
        t("H0402", "url: \"file:///a/t\"", "url: \"file:///t\""),
        s("H0403", "path: /t/a, ", "path: /a, "),
        (
            "H0404",
            two(
                "{url: \"file:///t\", delete: mirror}",
                "{url: \"file:///t\", delete: mirror}",
            ),
            two(
                "{url: \"file:///t\", delete: mirror}",
                "{url: \"file:///u\", delete: mirror}",
            ),
        ),
        t("H0405", "url: \"file:///\"", "url: \"file:///t\""),
        (
            "H0406",
            two("{url: \"file:///t\"}", "{url: \"file:///t\"}"),
            two("{url: \"file:///t\"}", "{url: \"file:///u\"}"),
        ),
        s(
            "H0407",
            "events: [create, modify, delete], ",
            "events: [create, modify, closeWrite, delete], ",
        ),
        (
            "H0408",
            with("events: [create, closeWrite], ", "delete: mirror"),
            with("events: [create, closeWrite, delete], ", "delete: mirror"),
        ),
        t("H0411", "maxDelete: 5", "delete: mirror, maxDelete: 5"),
        s(
            "H0412",
            "include: [\"/x/y\"], exclude: [\"/x/\"], ",
            "include: [\"/x/y\"], exclude: [\"/z/\"], ",
        ),
        t(
            "H0413",
            "debounce: {maxWait: 2h}, rescan: {every: 1h}",
            "debounce: {maxWait: 5m}, rescan: {every: 1h}",
        ),
        t(
            "H0414",
            "debounce: {quiet: 2s, maxWait: 1s}",
            "debounce: {quiet: 1s, maxWait: 2s}",
        ),
    ]
}

#[test]
fn what_is_wrong_has_its_code_and_what_mends_it_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let validated = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let args = ValidateArgs {
            paths: vec![path.clone()],
            ..ValidateArgs::default()
        };
        let mut out = Vec::new();
        validate::run(&args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let examples = examples();
    let mut bad = Vec::new();
    for (code, wrong, right) in &examples {
        let said = validated(wrong);
        if !said.contains(&format!("[{code}]")) {
            bad.push(format!("{code} is not said of:\n{wrong}\n{said}"));
        }
        let said = validated(right);
        if said != "1 manifest file is valid\n" {
            bad.push(format!("{code}, mended:\n{right}\n{said}"));
        }
    }
    for entry in REGISTRY {
        let has = examples.iter().any(|(code, ..)| *code == entry.id);
        if has == ELSEWHERE.contains(&entry.id) {
            bad.push(format!("{} wants an example", entry.id));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
