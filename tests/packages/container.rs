//! The container file, as far as it can be looked at where nothing builds containers.

use std::collections::BTreeSet;
use std::fs;

use super::at;

/// The instructions, each on one line.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(at("packaging/Containerfile")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let split = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        (word.to_owned(), rest.trim().to_owned())
    };
    joined
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(split)
        .collect()
}

#[test]
fn everything_that_is_copied_is_there_and_nothing_that_is_built_from_is_left_out() {
    let mut copied = BTreeSet::new();
    for (word, rest) in instructions() {
        if word != "COPY" || rest.starts_with("--from=") {
            continue;
        }
        let mut words: Vec<&str> = rest.split_whitespace().collect();
        words.pop();
        for word in words {
            assert!(at(word).exists(), "{word}");
            copied.insert(word.to_owned());
        }
    }
    // What Cargo.toml names must be there for cargo to read it, and what the sources include.
    for needed in [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "benches",
        "tests",
        "README.md",
        "packaging",
    ] {
        assert!(copied.contains(needed), "{needed}");
    }
    let ignored = fs::read_to_string(at(".containerignore")).unwrap();
    assert!(
        ignored.lines().all(|line| !copied.contains(line)),
        "{ignored}"
    );
}

#[test]
fn nobody_in_it_is_root_and_it_says_whether_it_is_well() {
    let all = instructions();
    let last = |wanted: &str| {
        let found = all.iter().rev().find(|(word, _)| word == wanted);
        found.map(|(_, rest)| rest.as_str()).unwrap_or_default()
    };
    assert_eq!(last("USER"), "heliostat");
    assert!(last("HEALTHCHECK").ends_with(r#"CMD ["heliostat", "status", "--check"]"#));
    // An image of the other format has no health: whoever builds one as is said here gets it.
    for told in ["packaging/Containerfile", "docs/systemd.md"] {
        let text = fs::read_to_string(at(told)).unwrap();
        assert!(text.contains("podman build --format docker"), "{told}");
    }
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
    let stages = all.iter().filter(|(word, _)| word == "FROM").count();
    assert_eq!(stages, 2, "what builds it is not in it");
    // Exactly one program is taken over, and it is what the first stage builds.
    let known = [
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "USER",
        "VOLUME",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ];
    assert!(
        all.iter().all(|(word, _)| known.contains(&word.as_str())),
        "{all:?}"
    );
    let minimum = include_str!("../../Cargo.toml");
    let version = minimum
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let image = format!("rust:{}-", version.unwrap().trim_matches('"'));
    assert!(all[0].1.contains(&image), "{}", all[0].1);
}
