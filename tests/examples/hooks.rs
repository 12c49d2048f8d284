//! The manifest and the script of `docs/hooks.md`, with one another and a real daemon.

use std::os::unix::fs::PermissionsExt;

use super::documents::block;
use super::stage::Stage;
use super::*;

#[test]
fn the_hook_of_the_page_purges_what_changed() {
    let mut stage = Stage::new();
    let bin = stage.at("bin");
    let here = |text: &str| text.replace("/usr/local/bin", bin.to_str().unwrap());
    let program = |name: &str, text: &str| {
        fs::write(bin.join(name), here(text)).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    let (log, data) = (stage.at("purged"), stage.at("website"));
    let recorder = |word: &str| {
        format!(
            "#!/bin/bash\nprintf '%s\\n' \"{word}${{1:-}}\" >> '{}'\n",
            log.display()
        )
    };
    program("purge-cdn", &block("docs/hooks.md", "#!/bin/bash").text);
    program("purge-all", &recorder("all"));
    program("purge", &recorder("one "));
    program("snapshot", &recorder("snapshot "));
    let manifest = block("docs/hooks.md", "apiVersion: heliostat/v1").text;
    let url = "url: rsync://website@172.16.6.98/website\n";
    assert!(manifest.contains(url));
    let secret = format!("{url}        passwordFile: /etc/rsync.passwd\n");
    stage.write("website.yaml", &here(&manifest.replace(url, &secret)));
    let mut pass = || {
        let _ = fs::remove_file(&log);
        stage.done("heliostat run --once website.yaml");
        fs::read_to_string(&log).unwrap_or_default()
    };
    // More is new than is told by name, or it is not known what was there: all is purged, else each by its name.
    let first = pass();
    assert!(
        first.contains("all\n") || first.contains("one /index.html\n"),
        "{first}"
    );
    assert_eq!(pass(), "", "nothing changed");
    fs::write(data.join("a b\nc"), "new").unwrap();
    let purged = pass();
    assert!(purged.starts_with("snapshot web98\n"), "{purged}");
    assert!(purged.contains("one /a b\nc\n"), "{purged}");
    assert!(
        !purged.contains("all") && !purged.contains("index.html"),
        "{purged}"
    );
}
