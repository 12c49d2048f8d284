//! The package and the tarball, built from the binary that the tests have; and the package's life on a host.

use std::fs;
use std::process::Command;

use super::{at, said};
use crate::rig::{Scratch, left_out};

/// Who gives the package to others, and so answers for it.
const MAINTAINER: &str = "A Packager <a@packager.invalid>";

/// What `packaging/build.sh` makes of these, in this directory; what it said.
fn build(dist: &str, what: &[&str], path: Option<&str>) -> (bool, String) {
    let mut command = Command::new("bash");
    command.arg(at("packaging/build.sh")).args(what);
    command
        .env("HELIOSTAT_PROFILE", "dev")
        .env("HELIOSTAT_DIST", dist)
        .env("HELIOSTAT_MAINTAINER", MAINTAINER);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    (output.status.success(), said(&output))
}

#[test]
fn a_package_is_installed_upgraded_removed_and_purged() {
    if !rustix::process::geteuid().is_root() {
        return left_out("only root can install a package");
    }
    let scratch = Scratch::new();
    let dist = scratch.dir("dist").display().to_string();
    // Without cargo-deb, which `tests/run.sh` builds unless it is told not to, the tarball and the lists are looked at.
    let packed = std::env::var("HELIOSTAT_DEB").as_deref() != Ok("0");
    let what = [&["deb"][..], &["tarball", "sbom"]].concat();
    let (built, text) = build(&dist, &what[usize::from(!packed)..], None);
    assert!(built, "{text}");
    let names: Vec<String> = fs::read_dir(&dist)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let of = |end: &str| names.iter().find(|name| name.ends_with(end)).cloned();
    let tarball = of(".tar.gz").unwrap();
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&dist)
        .output()
        .unwrap();
    assert!(sums.status.success(), "{}", said(&sums));
    let count = said(&sums).lines().count();
    assert_eq!(count, what.len() - usize::from(!packed), "{}", said(&sums));

    // The tarball's program runs where it is unpacked.
    let unpacked = scratch.dir("unpacked");
    let tar = Command::new("tar")
        .args(["--extract", "--strip-components=1", "--file"])
        .arg(format!("{dist}/{tarball}"))
        .current_dir(&unpacked)
        .status()
        .unwrap();
    assert!(tar.success());
    let version = Command::new(unpacked.join("bin/heliostat"))
        .arg("version")
        .output()
        .unwrap();
    assert!(version.status.success(), "{}", said(&version));
    for file in [
        "man/man5/heliostat.yaml.5.gz",
        "heliostat/agent.schema.json",
        "systemd/heliostat.service",
        "doc/heliostat/THIRD-PARTY.txt",
    ] {
        assert!(unpacked.join("share").join(file).is_file(), "{file}");
    }

    // Each example names the schema that it is of.
    let example = |path: &str| {
        fs::read_to_string(unpacked.join("share/doc/heliostat/examples").join(path)).unwrap()
    };
    for (path, schema) in [("fleet/agent.yaml", "agent"), ("website.yaml", "manifest")] {
        let named = format!("$schema=/usr/share/heliostat/{schema}.schema.json\n");
        assert!(example(path).contains(&named), "{path}");
    }

    if !packed {
        return eprintln!("left out: HELIOSTAT_DEB=0");
    }
    let deb = of(".deb").unwrap();
    let deb = format!("{dist}/{deb}");
    let field = |name: &str| {
        let asked = Command::new("dpkg-deb")
            .args(["--field", &deb, name])
            .output()
            .unwrap();
        said(&asked).trim_end().to_owned()
    };
    assert_eq!(field("Maintainer"), MAINTAINER);
    // What listings show is one line, and no sentence.
    let description = field("Description");
    let synopsis = description.lines().next().unwrap();
    assert_eq!(synopsis, env!("CARGO_PKG_DESCRIPTION"), "{description}");
    assert!(!synopsis.starts_with("A ") && !synopsis.ends_with('.'));
    let life = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash"])
        .arg(at("tests/packages/root.sh"))
        .arg(at("tests/packages/life.sh"))
        .arg(&deb)
        .output()
        .unwrap();
    let text = said(&life);
    assert!(
        life.status.success() && text.ends_with("as it should be\n"),
        "{text}"
    );
}

#[test]
fn what_the_toolchain_cannot_build_is_said_and_unknown_things_are_refused() {
    let scratch = Scratch::new();
    let dist = scratch.dir("dist").display().to_string();
    // Stands for a Rust that has no library for musl.
    let bin = scratch.dir("bin");
    let rustc = bin.join("rustc");
    fs::write(&rustc, "#!/bin/sh\necho /nowhere\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&rustc, mode).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let (built, text) = build(&dist, &["musl"], Some(&path));
    assert!(
        built && text.contains("no static tarball: this Rust has no library for"),
        "{text}"
    );
    assert!(
        text.contains("rustup target add x86_64-unknown-linux-musl"),
        "{text}"
    );
    assert_eq!(fs::read_dir(&dist).unwrap().count(), 0);
    let (built, text) = build(&dist, &["rpm"], None);
    assert!(!built && text.contains("there is no `rpm`"), "{text}");
}
