//! What carries manifests from a repository to the hosts: each file is read by what reads it, and the commands in it are
//! run where they can be, in a local repository with the program that was built; else held against the command line.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::Parser;
use heliostat::cli::Cli;
use serde_json::Value;

use super::{read, root};

/// A repository with the example's manifests on `main`, a place to work in, and programs before all others in the path.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        fs::create_dir(place.at("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_heliostat"), place.at("bin/heliostat")).unwrap();
        place.git(".", &["init", "-q", "-b", "main", "origin"]);
        for directory in ["conf.d", "hosts"] {
            let from = root().join("examples/gitops").join(directory);
            let to = place.at("origin").join(directory);
            fs::create_dir(&to).unwrap();
            for entry in fs::read_dir(from).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        place.commit("origin", "the first");
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Runs a program in a directory, with nothing but what it needs in its environment.
    fn run(&self, directory: &str, words: &[&str], environment: &[(&str, &str)]) -> Output {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.at("bin").display());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.at(directory));
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.0.path());
        for (role, name) in [("AUTHOR", "a"), ("COMMITTER", "a")] {
            command.env(format!("GIT_{role}_NAME"), name);
            command.env(format!("GIT_{role}_EMAIL"), "a@example.com");
        }
        command.envs(environment.iter().copied());
        command.output().unwrap()
    }

    fn git(&self, directory: &str, args: &[&str]) -> String {
        let output = self.run(directory, &[&["git"], args].concat(), &[]);
        assert!(output.status.success(), "git {args:?}: {}", said(&output));
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Commits whatever there is; the commit's name.
    fn commit(&self, directory: &str, message: &str) -> String {
        self.git(directory, &["add", "-A"]);
        self.git(directory, &["commit", "-q", "--no-verify", "-m", message]);
        self.git(directory, &["rev-parse", "HEAD"])
    }

    /// Replaces a text in a file.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.at(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.at(file), text.replace(from, to)).unwrap();
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&both))
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&read(path).text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words are a command line of this program.
#[track_caller]
fn is_command(words: &[&str]) {
    assert_eq!(words[0], "heliostat");
    if let Err(error) = Cli::try_parse_from(words) {
        panic!("{words:?}\n{error}");
    }
}

fn strings(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap()).collect()
}

/// A clone with a branch in which a route begins to delete; then one with a mistake.
fn proposed(place: &Place) -> String {
    place.git(".", &["clone", "-q", "origin", "clone"]);
    place.git("clone", &["checkout", "-q", "-b", "change"]);
    place.edit(
        "clone/conf.d/20-backup.yaml",
        "delete: propagate",
        "delete: mirror",
    );
    place.commit("clone", "a change")
}

#[test]
fn the_workflow_of_github_shows_mistakes_and_changes() {
    let place = Place::new();
    proposed(&place);
    let workflow = yaml("examples/gitops/github-workflow.yaml");
    assert!(workflow["on"]["pull_request"]["paths"].is_array());
    let steps = workflow["jobs"]["manifests"]["steps"].as_array().unwrap();
    let scripts: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["run"].as_str())
        .collect();
    assert_eq!(scripts.len(), 2);
    let summary = place.at("summary.md");
    let run = |script: &str| {
        // As GitHub's runner does.
        let environment = [
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()),
        ];
        place.run("clone", &["bash", "-e", "-c", script], &environment)
    };
    for script in &scripts {
        let output = run(script);
        assert!(output.status.success(), "{script}\n{}", said(&output));
    }
    let shown = fs::read_to_string(&summary).unwrap();
    for text in [
        "# heliostat diff\n",
        "## Host `web-origin-1`\n",
        "## 2 hosts: `web1`, `any other`\n",
        "> **Deletions become possible.**",
        "| route `etc/vault` | **resync** | delete | `propagate` | `mirror` |",
    ] {
        assert!(shown.contains(text), "`{text}` is not in:\n{shown}");
    }
    place.edit(
        "clone/conf.d/10-website.yaml",
        "delete: mirror",
        "delte: mirror",
    );
    let output = run(scripts[0]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("::error file=conf.d/10-website.yaml,line=16"),
        "{}",
        said(&output)
    );
}

#[test]
fn the_job_of_gitlab_fails_on_mistakes_and_keeps_what_would_change() {
    let place = Place::new();
    proposed(&place);
    let job = &yaml("examples/gitops/gitlab-ci.yaml")["manifests"];
    let script = strings(&job["script"]).join("\n");
    let base = place.git("clone", &["merge-base", "origin/main", "HEAD"]);
    let run = || {
        let environment = [("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str())];
        place.run("clone", &["bash", "-e", "-c", &script], &environment)
    };
    let output = run();
    assert!(output.status.success(), "{}", said(&output));
    let artifact = strings(&job["artifacts"]["paths"])[0];
    let shown = fs::read_to_string(place.at("clone").join(artifact)).unwrap();
    assert!(shown.contains("**Deletions become possible.**"), "{shown}");
    place.edit(
        "clone/conf.d/10-website.yaml",
        "delete: mirror",
        "delte: mirror",
    );
    assert_eq!(run().status.code(), Some(1));
}

#[test]
fn the_hook_looks_at_what_is_staged() {
    let place = Place::new();
    let hook = place.at("origin/.git/hooks/pre-commit");
    fs::copy(root().join("examples/gitops/pre-commit"), &hook).unwrap();
    fs::create_dir(place.at("tmp")).unwrap();
    let commit = || {
        let temporary = place.at("tmp");
        let environment = [("TMPDIR", temporary.to_str().unwrap())];
        place.run("origin", &["git", "commit", "-q", "-m", "x"], &environment)
    };
    // A mistake that is not staged stops nothing, and one that is does, whatever the work tree says.
    place.edit(
        "origin/conf.d/20-backup.yaml",
        "path: /etc",
        "path: /etc\n    include: [\"*.conf\"]",
    );
    place.git("origin", &["add", "-A"]);
    place.edit("origin/conf.d/20-backup.yaml", "path: /etc", "paht: /etc");
    let output = commit();
    assert!(output.status.success(), "{}", said(&output));
    place.git("origin", &["add", "-A"]);
    place.edit("origin/conf.d/20-backup.yaml", "paht: /etc", "path: /etc");
    let output = commit();
    assert!(!output.status.success());
    assert!(
        said(&output).contains("--> conf.d/20-backup.yaml"),
        "{}",
        said(&output)
    );
    assert!(
        said(&output).contains("unknown field `paht`"),
        "{}",
        said(&output)
    );
    // What is no manifest is no concern of it.
    place.git("origin", &["reset", "-q", "--hard"]);
    fs::write(place.at("origin/notes"), "x").unwrap();
    place.git("origin", &["add", "-A"]);
    assert!(commit().status.success());
    assert_eq!(
        fs::read_dir(place.at("tmp")).unwrap().count(),
        0,
        "nothing is left behind"
    );
}

/// The script, with a service that answers a reload as the file `answer` says.
struct Pull {
    place: Place,
}

impl Pull {
    fn new() -> Pull {
        let place = Place::new();
        fs::remove_file(place.at("bin/heliostat")).unwrap();
        let stand_in = format!(
            "#!/bin/sh\ncase $1 in reload) echo reload >> '{0}/reloads'; exit \"$(cat '{0}/answer')\";; esac\nexec {1} \"$@\"\n",
            place.0.path().display(),
            env!("CARGO_BIN_EXE_heliostat"),
        );
        fs::write(place.at("bin/heliostat"), stand_in).unwrap();
        fs::set_permissions(place.at("bin/heliostat"), fs::Permissions::from_mode(0o755)).unwrap();
        // This host's labels, as its agent file would have them.
        place.edit("origin/conf.d/20-backup.yaml", "${labels.site}/", "");
        place.commit("origin", "without labels");
        let pull = Pull { place };
        pull.answer(0);
        pull
    }

    fn answer(&self, code: u8) {
        fs::write(self.place.at("answer"), code.to_string()).unwrap();
    }

    fn run_with(&self, environment: &[(&str, &str)]) -> (Option<i32>, String) {
        let script = root().join("examples/gitops/heliostat-pull");
        let (origin, files) = (self.place.at("origin"), self.place.at("pull"));
        let mut all = vec![
            ("REPOSITORY", origin.to_str().unwrap()),
            ("ROOT", files.to_str().unwrap()),
        ];
        all.extend_from_slice(environment);
        let output = self.place.run(".", &["sh", script.to_str().unwrap()], &all);
        (output.status.code(), said(&output))
    }

    #[track_caller]
    fn run(&self, code: i32) -> String {
        let (ended, text) = self.run_with(&[]);
        assert_eq!(ended, Some(code), "{text}");
        text
    }

    fn head(&self) -> String {
        self.place.git("origin", &["rev-parse", "HEAD"])
    }

    /// The commit whose files the service would read.
    fn current(&self) -> String {
        let link = fs::read_link(self.place.at("pull/current")).unwrap();
        link.file_name().unwrap().to_str().unwrap().to_owned()
    }

    fn reloads(&self) -> usize {
        let text = fs::read_to_string(self.place.at("reloads")).unwrap_or_default();
        text.lines().count()
    }

    fn change(&self, from: &str, to: &str) -> String {
        self.place.edit("origin/conf.d/10-website.yaml", from, to);
        self.place.commit("origin", "a change")
    }
}

#[test]
fn a_pull_takes_the_newest_commit_over_once() {
    let pull = Pull::new();
    pull.run(0);
    assert_eq!((pull.current(), pull.reloads()), (pull.head(), 1));
    assert!(
        pull.place
            .at("pull/current/conf.d/10-website.yaml")
            .is_file()
    );
    pull.run(0);
    assert_eq!(pull.reloads(), 1, "there was nothing new");
    let first = pull.current();
    let second = pull.change("maxDelete: 10%", "maxDelete: 5%");
    pull.run(0);
    assert_eq!((pull.current(), pull.reloads()), (second, 2));
    // History that was rewritten is taken as it is.
    pull.place.git("origin", &["reset", "-q", "--hard", &first]);
    let third = pull.change("maxDelete: 10%", "maxDelete: 1%");
    pull.run(0);
    assert_eq!(pull.current(), third);
}

#[test]
fn a_pull_leaves_everything_where_manifests_have_errors() {
    let pull = Pull::new();
    pull.run(0);
    let good = pull.current();
    pull.change("delete: mirror", "delte: mirror");
    let text = pull.run(1);
    assert!(
        text.contains("unknown field `delte`") && text.contains("is not taken over"),
        "{text}"
    );
    assert_eq!((pull.current(), pull.reloads()), (good.clone(), 1));
    // What is right for some host is not for this one: a label that its agent file has not.
    pull.change("delte: mirror", "delete: mirror");
    pull.place
        .edit("origin/conf.d/20-backup.yaml", "${host}", "${labels.rack}");
    pull.place.commit("origin", "a label");
    let text = pull.run(1);
    assert!(text.contains("the label `rack`"), "{text}");
    assert_eq!((pull.current(), pull.reloads()), (good, 1));
    // A later good one is taken.
    pull.place
        .edit("origin/conf.d/20-backup.yaml", "${labels.rack}", "${host}");
    let mended = pull.place.commit("origin", "mended");
    pull.run(0);
    assert_eq!((pull.current(), pull.reloads()), (mended, 2));
}

#[test]
fn a_pull_goes_back_where_the_service_does_not_take_it() {
    let pull = Pull::new();
    pull.run(0);
    let good = pull.current();
    let change = pull.change("maxDelete: 10%", "maxDelete: 5%");
    for code in [1, 4] {
        pull.answer(code);
        let text = pull.run(i32::from(code));
        assert!(
            text.contains(&format!("reload ended with {code}; {good} stays")),
            "{text}"
        );
        assert_eq!(pull.current(), good);
    }
    pull.answer(0);
    pull.run(0);
    assert_eq!(pull.current(), change, "it is tried again");
}

#[test]
fn a_pull_before_the_first_start_leaves_the_files_to_start_with() {
    let pull = Pull::new();
    pull.answer(4);
    let text = pull.run(4);
    assert!(
        text.contains("is there for the service to start with"),
        "{text}"
    );
    assert_eq!(pull.current(), pull.head());
    pull.answer(0);
    pull.run(0);
    assert_eq!(pull.reloads(), 2);
    pull.run(0);
    assert_eq!(pull.reloads(), 2);
}

#[test]
fn a_pull_that_was_cut_short_is_made_up_for() {
    let pull = Pull::new();
    pull.run(0);
    let change = pull.change("maxDelete: 10%", "maxDelete: 5%");
    // Killed between turning the symlink and the reload, and before that in the midst of the checkout.
    let half = pull.place.at("pull/releases").join(&change);
    fs::create_dir(&half).unwrap();
    fs::write(half.join("rubbish"), "x").unwrap();
    pull.run(0);
    assert!(!half.join("rubbish").exists() && half.join("conf.d/10-website.yaml").is_file());
    fs::write(pull.place.at("pull/taken"), "0000\n").unwrap();
    pull.run(0);
    assert_eq!(
        (pull.current(), pull.reloads()),
        (change, 3),
        "the reload was made up for"
    );
}

#[test]
fn a_pull_fails_loudly_and_keeps_few_checkouts() {
    let pull = Pull::new();
    pull.run(0);
    let good = pull.current();
    let (code, text) = pull.run_with(&[("BRANCH", "nosuch")]);
    assert!(code != Some(0) && text.contains("nosuch"), "{text}");
    // A name is not an option.
    let (code, _) = pull.run_with(&[("REPOSITORY", "--upload-pack=touch owned")]);
    assert!(code != Some(0) && !pull.place.at("owned").exists());
    // Nor is an unsigned commit a signed one.
    pull.change("maxDelete: 10%", "maxDelete: 9%");
    let (code, _) = pull.run_with(&[("VERIFY", "1")]);
    assert_ne!(code, Some(0));
    assert_eq!(pull.current(), good);
    pull.run(0);
    for percent in 2..9 {
        pull.change(
            &format!("maxDelete: {}%", if percent == 2 { 9 } else { percent - 1 }),
            &format!("maxDelete: {percent}%"),
        );
        let (code, text) = pull.run_with(&[("KEEP", "2")]);
        assert_eq!(code, Some(0), "{text}");
    }
    let kept = fs::read_dir(pull.place.at("pull/releases"))
        .unwrap()
        .count();
    assert!((2..=3).contains(&kept), "{kept}");
    assert_eq!(pull.current(), pull.head());
    assert!(pull.place.at("pull/current/conf.d").is_dir());
}

#[test]
fn what_git_leaves_running_keeps_no_later_pull_away() {
    let pull = Pull::new();
    let left = pull.place.at("left");
    let git = pull.place.at("bin/git");
    // As a fetch that begins git's maintenance.
    let stand_in = format!(
        "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\ncase \"$*\" in *fetch*) sleep 600 > /dev/null 2>&1 & echo $! >> '{}';; esac\nexec git \"$@\"\n",
        left.display()
    );
    fs::write(&git, stand_in).unwrap();
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    let first = pull.run_with(&[]);
    let second = pull.run_with(&[]);
    let left = fs::read_to_string(left).unwrap();
    for id in left.lines() {
        assert!(
            Command::new("kill").arg(id).status().unwrap().success(),
            "{id}"
        );
    }
    assert_eq!(left.lines().count(), 2, "{left}");
    assert_eq!(
        (first.0, second.0),
        (Some(0), Some(0)),
        "{}{}",
        first.1,
        second.1
    );
}

/// The lines `Key=value` of a unit.
fn unit(path: &str) -> BTreeMap<String, String> {
    let text = read(path).text;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_timer_starts_the_script() {
    let service = unit("examples/gitops/heliostat-pull.service");
    let script = Path::new(&service["ExecStart"]).file_name().unwrap();
    assert!(root().join("examples/gitops").join(script).is_file());
    assert_eq!(service["Type"], "oneshot");
    assert_eq!(
        format!("/var/lib/{}", service["StateDirectory"]),
        "/var/lib/heliostat-pull"
    );
    let script = read("examples/gitops/heliostat-pull").text;
    assert!(script.contains("ROOT=${ROOT:-/var/lib/heliostat-pull}"));
    for host in ["web-origin-1", "web1"] {
        let agent = read(&format!("examples/gitops/hosts/{host}.yaml")).text;
        assert!(
            agent.contains("manifests: [/var/lib/heliostat-pull/current/conf.d]"),
            "{agent}"
        );
    }
    assert!(unit("examples/gitops/heliostat-pull.timer").contains_key("OnUnitInactiveSec"));
    let verify = Path::new("/usr/bin/systemd-analyze");
    if !verify.is_file() {
        return; // the units were read above, and here by systemd itself where there is one
    }
    let place = tempfile::tempdir().unwrap();
    for name in ["heliostat-pull.service", "heliostat-pull.timer"] {
        let text = read(&format!("examples/gitops/{name}")).text;
        let text = text.replace("/usr/local/bin/heliostat-pull", "/bin/true");
        fs::write(place.path().join(name), text).unwrap();
    }
    let timer = place.path().join("heliostat-pull.timer");
    let output = Command::new(verify)
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(timer)
        .output()
        .unwrap();
    let text = said(&output);
    assert!(!text.contains("heliostat-pull"), "{text}");
}

#[test]
fn the_commands_of_ansible_are_commands() {
    let tasks = yaml("examples/gitops/ansible.yaml");
    let mut found = Vec::new();
    fn gather<'a>(tasks: &'a Value, found: &mut Vec<&'a Value>) {
        for task in tasks.as_array().into_iter().flatten() {
            assert!(task["name"].is_string(), "{task}");
            found.extend(task.get("ansible.builtin.command"));
            for part in ["block", "rescue"] {
                gather(&task[part], found);
            }
        }
    }
    gather(&tasks, &mut found);
    let commands: Vec<Vec<&str>> = found
        .iter()
        .map(|command| strings(&command["argv"]))
        .collect();
    assert_eq!(commands.len(), 2);
    for words in &commands {
        is_command(words);
    }
    assert_eq!(commands[1], ["heliostat", "reload"]);
}

#[test]
fn the_configmap_holds_manifests_and_the_pod_reads_them() {
    let base = "examples/gitops/kustomize";
    let kustomization = yaml(&format!("{base}/kustomization.yaml"));
    let mut objects = Vec::new();
    for resource in strings(&kustomization["resources"]) {
        let text = read(&format!("{base}/{resource}")).text;
        for document in serde_yaml::Deserializer::from_str(&text) {
            objects.push(<Value as serde::Deserialize>::deserialize(document).unwrap());
        }
    }
    let named = |kind: &str, name: &str| {
        let mut objects = objects.iter();
        objects
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
            .unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    // As the kubelet lays a ConfigMap out.
    let mounted = tempfile::tempdir().unwrap();
    let lay = |name: &str| {
        let directory = mounted.path().join(name);
        fs::create_dir_all(directory.join("..2026_03_02")).unwrap();
        symlink("..2026_03_02", directory.join("..data")).unwrap();
        for (file, text) in named("ConfigMap", name)["data"].as_object().unwrap() {
            fs::write(
                directory.join("..2026_03_02").join(file),
                text.as_str().unwrap(),
            )
            .unwrap();
            symlink(format!("..data/{file}"), directory.join(file)).unwrap();
        }
        directory
    };
    let (manifests, agent) = (lay("heliostat-manifests"), lay("heliostat-agent"));
    let pod = &named("DaemonSet", "heliostat")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let command = strings(&container["command"]);
    is_command(&command);
    is_command(&strings(&container["readinessProbe"]["exec"]["command"]));
    // Everything that it mounts is there, and what it reads is mounted.
    let mounts = container["volumeMounts"].as_array().unwrap();
    let volumes = pod["volumes"].as_array().unwrap();
    for mount in mounts {
        assert!(
            volumes.iter().any(|volume| volume["name"] == mount["name"]),
            "{mount}"
        );
        assert!(mount.get("subPath").is_none(), "it would not see a change");
    }
    for path in command.iter().filter(|word| word.starts_with('/')) {
        let covers = |mount: &Value| path.starts_with(mount["mountPath"].as_str().unwrap());
        assert!(mounts.iter().any(covers), "{path}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_heliostat"))
        .arg("plan")
        .arg(&manifests)
        .arg("--agent")
        .arg(agent.join("agent.yaml"))
        .args(["--host", "node1", "--format", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sources = plan["plan"]["sources"].as_object().unwrap();
    assert_eq!(sources.len(), 1, "each file is read once: {sources:?}");
    let path = sources["node-logs"]["path"].as_str().unwrap();
    let covers = |mount: &&Value| path.starts_with(mount["mountPath"].as_str().unwrap());
    assert!(
        mounts.iter().any(|mount| covers(&mount)),
        "{path} is mounted"
    );
    // And by kustomize itself, where there is one.
    if Path::new("/usr/bin/kubectl").is_file() {
        let output = Command::new("/usr/bin/kubectl")
            .args(["kustomize", root().join(base).to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("kind: DaemonSet"));
    }
}

#[test]
fn the_page_names_what_is_there() {
    let text = read("docs/gitops.md").text;
    let mut links = 0;
    for (at, _) in text.match_indices("](../") {
        let link = text[at + 5..].split(')').next().unwrap();
        assert!(root().join(link).exists(), "`{link}` is not there");
        links += 1;
    }
    let blocks = text.split("\n```sh\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("\n```").next());
    let mut commands = 0;
    for line in blocks.flat_map(str::lines) {
        let line = line.split(" #").next().unwrap_or_default();
        if !line.starts_with("heliostat ") {
            continue;
        }
        is_command(&line.split_whitespace().collect::<Vec<_>>());
        commands += 1;
    }
    assert!(
        links >= 8 && commands >= 4,
        "{links} links, {commands} commands"
    );
    // What carries manifests to the hosts is all in the page.
    for entry in fs::read_dir(root().join("examples/gitops")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let told = ["conf.d", "hosts", "heliostat-pull.service"].contains(&name.as_str());
        assert!(told || text.contains(&name), "`{name}` is not in the page");
    }
}
