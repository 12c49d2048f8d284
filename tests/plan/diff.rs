//! `diff` as a command, in real git repositories: output and exit status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const OLD: &str = r#"apiVersion: heliostat/v1
kind: Manifest
sources:
  website:
    path: /data/website
    hosts: [web1, web2]
    targets:
      copy:
        url: file:///mnt/copy
"#;

/// A repository with `conf.d/web.yaml` in its only commit.
struct Repository(tempfile::TempDir);

impl Repository {
    fn new() -> Repository {
        let repository = Repository(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        repository.write("conf.d/web.yaml", OLD);
        repository.commit();
        repository
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, program: &str, directory: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(args).current_dir(directory);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "a");
            command.env(format!("GIT_{role}_EMAIL"), "a@example.com");
        }
        command.output().unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        let output = self.run("git", self.0.path(), args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "x"]);
    }

    /// `diff` with an agent file that is none, so that this host's does not matter.
    fn diff_in(&self, directory: &str, args: &[&str]) -> (i32, String, String) {
        let args = [&["diff"], args].concat();
        let output = self.run(env!("CARGO_BIN_EXE_heliostat"), &self.at(directory), &args);
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            text.replace(self.0.path().to_str().unwrap(), "DIR")
        };
        let code = output.status.code().unwrap();
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn diff(&self, args: &[&str]) -> (i32, String, String) {
        self.diff_in(".", args)
    }
}

#[test]
fn changes_have_their_own_exit_code_only_where_it_is_asked_for() {
    let repository = Repository::new();
    let main = ["conf.d", "--against", "git:main", "--host", "web1"];
    let detailed = [&main[..], &["--detailed-exitcode"]].concat();
    assert_eq!(repository.diff(&detailed).0, 0);
    repository.write("conf.d/web.yaml", &format!("{OLD}        delete: mirror\n"));
    assert_eq!(repository.diff(&main).0, 0);
    let (code, out, err) = repository.diff(&detailed);
    assert_eq!((code, err.as_str()), (3, ""));
    let commit = &repository.git(&["rev-parse", "HEAD"])[..12];
    assert_eq!(
        out,
        format!(
            "host `web1`: 1 of 1 route changes: 1 resync, against `main` ({commit})\n\n\
             DELETIONS BECOME POSSIBLE\n  \
             website/copy: `delete: never` becomes `delete: mirror`: whatever the target has and the source has not is deleted, \
             up to half of the target (or 100 entries, if that is more) in one pass; more is held for approval\n\n\
             route website/copy: resync\n  \
             delete            never → mirror\n  \
             then              everything is compared with this target again\n"
        )
    );
    // A host on which nothing changes.
    let other = [
        "conf.d",
        "--against",
        "git:main",
        "--host",
        "db1",
        "--detailed-exitcode",
    ];
    assert_eq!(repository.diff(&other).0, 0);
    // Wrong manifests never look like changes.
    repository.write("conf.d/web.yaml", &OLD.replace("/data/website", "data"));
    let (code, _, err) = repository.diff(&detailed);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("conf.d/web.yaml:5"), "{err}");
}

#[test]
fn the_same_paths_are_read_wherever_one_stands() {
    let repository = Repository::new();
    repository.write("conf.d/web.yaml", &OLD.replace("/mnt/copy", "/mnt/other"));
    let absolute = repository.at("conf.d");
    let absolute = absolute.to_str().unwrap();
    repository.write("elsewhere/x", "");
    for (directory, path) in [
        (".", "conf.d"),
        (".", "conf.d/"),
        (".", "conf.d/web.yaml"),
        (".", "./conf.d/../conf.d"),
        ("conf.d", "."),
        ("conf.d", "web.yaml"),
        ("elsewhere", "../conf.d"),
        ("elsewhere", absolute),
    ] {
        let args = [
            path,
            "--against",
            "git:HEAD",
            "--host",
            "web1",
            "--detailed-exitcode",
        ];
        let (code, out, err) = repository.diff_in(directory, &args);
        assert_eq!(code, 3, "{directory} {path}: {out}{err}");
        assert!(
            out.contains("file:///mnt/copy → file:///mnt/other"),
            "{out}"
        );
    }
    // A linked work tree has its own files, and the same revisions.
    repository.git(&["worktree", "add", "-q", "trees/one", "HEAD"]);
    let args = [
        "conf.d",
        "--against",
        "git:main",
        "--host",
        "web1",
        "--detailed-exitcode",
    ];
    let (code, out, err) = repository.diff_in("trees/one", &args);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    // A hook's environment names another repository's index and directory.
    let mut command = Command::new(env!("CARGO_BIN_EXE_heliostat"));
    command
        .current_dir(repository.0.path())
        .arg("diff")
        .args(args);
    command
        .env("GIT_DIR", "/nonexistent")
        .env("GIT_INDEX_FILE", "/nonexistent");
    assert_eq!(command.output().unwrap().status.code(), Some(3));
}

#[test]
fn a_revision_is_read_as_the_directory_would_be() {
    let repository = Repository::new();
    // Another file, a hidden one, a note, a directory of that name, a symlink within the repository, one that is gone by now.
    repository.write(
        "conf.d/home.yml",
        &OLD.replace("website", "home").replace("/copy", "/home"),
    );
    repository.write("conf.d/.web.yaml", "kind: rubbish");
    repository.write("conf.d/note.txt", "x");
    repository.write("conf.d/d.yaml/e.yaml", "kind: rubbish");
    repository.write(
        "shared/logs.yaml",
        &OLD.replace("website", "logs").replace("/copy", "/logs"),
    );
    std::os::unix::fs::symlink("../shared/logs.yaml", repository.at("conf.d/logs.yaml")).unwrap();
    repository.commit();
    fs::remove_file(repository.at("conf.d/home.yml")).unwrap();
    let args = [
        "conf.d",
        "--against",
        "git:HEAD",
        "--host",
        "web1",
        "--format",
        "json",
    ];
    let (code, out, err) = repository.diff(&args);
    assert_eq!((code, err.as_str()), (0, ""));
    let document: Value = serde_json::from_str(&out).unwrap();
    let sources = &document["hosts"][0]["diff"]["sources"];
    let class = |name: &str| sources[name]["class"].as_str();
    assert_eq!(
        (class("home"), class("logs"), class("website")),
        (Some("remove"), Some("keep"), Some("keep"))
    );
    assert_eq!(document["commits"].as_array().unwrap().len(), 1);
    // A file that is gone, by its name; and one directory that is a symlink there.
    repository.git(&["rm", "-q", "-r", "--cached", "conf.d"]);
    fs::remove_dir_all(repository.at("conf.d")).unwrap();
    std::os::unix::fs::symlink("shared", repository.at("conf.d")).unwrap();
    repository.commit();
    let args = [
        "conf.d",
        "--against",
        "git:HEAD",
        "--host",
        "web1",
        "--detailed-exitcode",
    ];
    assert_eq!(repository.diff(&args).0, 0);
    repository.write("new.yaml", OLD);
    let (code, out, err) =
        repository.diff(&["new.yaml", "--against", "git:HEAD~2", "--host", "web1"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.starts_with("error: there is no `new.yaml` at `HEAD~2` ("),
        "{err}"
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let repository = Repository::new();
    for (revision, said) in [
        (
            "nosuch",
            "there is no revision `nosuch` in the repository `DIR`",
        ),
        ("", "there is no revision `` in"),
        (
            "--upload-pack=touch owned",
            "there is no revision `--upload-pack=touch owned`",
        ),
        ("-h", "there is no revision `-h`"),
        ("HEAD:conf.d", "there is no revision `HEAD:conf.d`"),
        ("HEAD..main", "there is no revision `HEAD..main`"),
        ("a\nb", "there is no revision `a\\nb`"),
    ] {
        let against = format!("git:{revision}");
        let (code, out, err) = repository.diff(&["conf.d", "--against", &against]);
        assert_eq!((code, out.as_str()), (2, ""), "{revision}");
        assert!(err.contains(said), "{revision}: {err}");
    }
    assert!(!repository.at("owned").exists());
    let (code, out, _) =
        repository.diff(&["conf.d", "--against", "git:nosuch", "--format", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, document["formatVersion"].as_u64()), (2, Some(1)));
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path().to_str().unwrap();
    let (code, _, err) = repository.diff(&[outside, "--against", "git:main"]);
    assert_eq!(code, 2);
    assert!(err.contains("not a git repository"), "{err}");
    let (code, _, err) = repository.diff(&["-", "--against", "git:main"]);
    assert!(
        code == 2 && err.contains("the standard input has no revision"),
        "{err}"
    );
    // A symlink out of the repository.
    std::os::unix::fs::symlink("/etc/passwd", repository.at("conf.d/out.yaml")).unwrap();
    repository.commit();
    let (code, _, err) = repository.diff(&["conf.d", "--against", "git:main"]);
    assert!(
        code == 2 && err.contains("`conf.d/out.yaml` is a symlink out of the repository"),
        "{err}"
    );
    fs::remove_file(repository.at("conf.d/out.yaml")).unwrap();
    // What is wrong at the revision is shown at its lines there.
    repository.write("conf.d/web.yaml", &OLD.replace("/data/website", "data"));
    repository.commit();
    repository.write("conf.d/web.yaml", OLD);
    let (code, _, err) = repository.diff(&["conf.d", "--against", "git:main"]);
    assert_eq!(code, 1);
    assert!(err.contains("--> main:conf.d/web.yaml:5:11"), "{err}");
    assert!(
        err.contains("`--against nothing` shows all of the new ones"),
        "{err}"
    );
    assert_eq!(
        repository
            .diff(&[
                "conf.d",
                "--against",
                "nothing",
                "--host",
                "web1",
                "--detailed-exitcode"
            ])
            .0,
        3
    );
    let (code, _, err) = repository.diff(&["conf.d", "--socket", "/nonexistent/socket"]);
    assert!(code == 4 && err.contains("no service at"), "{err}");
    let (code, _, err) = repository.diff(&["conf.d", "--against", "/nonexistent"]);
    assert!(code == 2 && err.contains("no such file"), "{err}");
}

#[test]
fn hosts_that_read_the_same_are_told_once() {
    let repository = Repository::new();
    let logs = "  logs:\n    path: /var/log\n    targets: {t: {url: \"ssh://h/${labels.site}/${host}\"}}\n";
    repository.write("conf.d/web.yaml", &format!("{OLD}{logs}"));
    repository.write(
        "hosts/web1.yaml",
        "apiVersion: heliostat/v1\nkind: Agent\nlabels: {site: bonn}\n",
    );
    repository.write(
        "hosts/web2.yaml",
        "apiVersion: heliostat/v1\nkind: Agent\nlabels: {site: bonn}\n",
    );
    repository.write(
        "hosts/db1.yaml",
        "apiVersion: heliostat/v1\nkind: Agent\nlabels: {site: kiel}\n",
    );
    repository.commit();
    let moved = OLD.replace("[web1, web2]", "[web2]") + logs;
    repository.write("conf.d/web.yaml", &moved.replace("/mnt/copy", "/mnt/copy2"));
    let all = [
        "conf.d",
        "--against",
        "git:main",
        "--all-hosts",
        "--agents",
        "hosts",
    ];
    let (code, out, err) = repository.diff(&all);
    assert_eq!((code, err.as_str()), (0, ""));
    let heads: Vec<&str> = out
        .lines()
        .filter(|line| line.contains("against"))
        .collect();
    let commit = &repository.git(&["rev-parse", "HEAD"])[..12];
    let head = |text: &str| format!("{text}, against `main` ({commit})");
    assert_eq!(
        heads,
        [
            head("host `web1`: 1 of 2 routes changes: 1 remove"),
            head("host `web2`: 1 of 2 routes changes: 1 resync"),
            head("2 hosts: `db1`, `any other`: nothing changes"),
        ]
    );
    assert!(out.contains("from now on it runs on `web2`"), "{out}");
    let suspended = moved.replace(
        "    path: /data/website",
        "    suspend: true\n    path: /data/website",
    );
    repository.write("conf.d/web.yaml", &suspended);
    let (_, out, _) = repository.diff(&[
        "conf.d",
        "--against",
        "git:main",
        "--host",
        "web2",
        "--agents",
        "hosts",
    ]);
    assert!(out.contains("from now on it is suspended"), "{out}");
    // Without its agent file a host's labels are not known.
    let (code, _, err) = repository.diff(&["conf.d", "--against", "git:main", "--host", "web2"]);
    assert_eq!(code, 1);
    assert!(err.contains("help: the labels of `web2` are in its agent file: name those of the fleet with `--agents DIR`"), "{err}");
    let (code, _, err) = repository.diff(&[
        "conf.d",
        "--against",
        "git:main",
        "--host",
        "web3",
        "--agents",
        "hosts",
    ]);
    assert!(
        code == 1 && err.contains("no agent file is for the host `web3`"),
        "{err}"
    );
}

#[test]
fn numbers_are_counted_on_this_hosts_disk() {
    let repository = Repository::new();
    for directory in ["data/cache/a", "data/www"] {
        fs::create_dir_all(repository.at(directory)).unwrap();
    }
    repository.write("data/cache/a/x", "12345");
    let manifest = |exclude: &str| {
        OLD.replace(
            "/data/website",
            &format!("{}\n    {exclude}", repository.at("data").display()),
        )
        .replace("    hosts: [web1, web2]\n", "")
    };
    repository.write("old/web.yaml", &manifest("exclude: [/cache/]"));
    repository.write("conf.d/web.yaml", &manifest("suspend: false"));
    let (code, out, err) = repository.diff(&["conf.d", "--against", "old", "--measure"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for text in [
        "looked at again: `cache`",
        "4 directories watched instead of 2 (+2)",
        "3 entries, 5 B to be compared now",
    ] {
        assert!(out.contains(text), "`{text}` is not in:\n{out}");
    }
    let (code, _, _) =
        repository.diff(&["conf.d", "--against", "old", "--measure", "--host", "web1"]);
    assert_eq!(code, 2, "another host's disk is not here");
}
