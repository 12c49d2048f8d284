//! Seeded work as programs do it: archives unpacked over one another, branches checked out, `mkdir -p` with writes right
//! behind, files renamed while they are written, links, owners, extended attributes.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::swaps::{is, walk};

/// Entries of one `mkdir -p` burst.
const BURST: std::ops::Range<u32> = 3..25;

/// What the programs work with; the same for any number of histories.
pub struct Kit {
    directory: PathBuf,
    /// Where no git is, branches are left out.
    git: bool,
}

impl Kit {
    /// Makes two archives of the same names, sizes and times and of other contents, and a repository with two branches
    /// between which files, directories and links take each other's names.
    pub fn new(directory: &Path) -> Kit {
        for (which, text) in [("one", "1111"), ("two", "2222")] {
            let tree = directory.join(which);
            fs::create_dir_all(tree.join("x/y/z")).unwrap();
            for name in ["f", "x/f", "x/y/f", "x/y/z/f"] {
                fs::write(tree.join(name), text).unwrap();
            }
            fs::hard_link(tree.join("x/f"), tree.join("x/linked")).unwrap();
            std::os::unix::fs::symlink("y/f", tree.join("x/link")).unwrap();
            run(Command::new("tar")
                .args(["--mtime=@1000000000", "-cf"])
                .arg(directory.join(format!("{which}.tar")))
                .arg("-C")
                .arg(&tree)
                .arg("."));
        }
        let kit = Kit {
            directory: directory.to_owned(),
            git: Command::new("git").arg("--version").output().is_ok(),
        };
        if kit.git {
            kit.repository();
        }
        kit
    }

    fn repository(&self) {
        let at = self.directory.join("repository");
        fs::create_dir(&at).unwrap();
        git(&at, &["init", "-q", "--template=", "-b", "one"]);
        let commit = || {
            git(&at, &["add", "-A"]);
            git(&at, &["commit", "-q", "-m", "of a test"]);
        };
        for name in ["both", "d/only", "d/e/deep", "was-directory/f"] {
            fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
            fs::write(at.join(name), "on one").unwrap();
        }
        fs::write(at.join("was-file"), "on one").unwrap();
        commit();
        git(&at, &["checkout", "-q", "-b", "two"]);
        fs::write(at.join("both"), "on two").unwrap();
        fs::remove_dir_all(at.join("was-directory")).unwrap();
        fs::write(at.join("was-directory"), "on two").unwrap();
        fs::remove_file(at.join("was-file")).unwrap();
        fs::create_dir(at.join("was-file")).unwrap();
        fs::write(at.join("was-file/f"), "on two").unwrap();
        fs::remove_dir_all(at.join("d/e")).unwrap();
        std::os::unix::fs::symlink("../both", at.join("d/e")).unwrap();
        commit();
    }
}

/// A history under way, below `root/programs`.
pub struct Programs<'a> {
    random: fastrand::Rng,
    kit: &'a Kit,
    base: PathBuf,
    step: u64,
    /// Whether size or time tells of every change.
    told: bool,
}

impl<'a> Programs<'a> {
    /// A history below `root/programs`, which is made.
    pub fn new(root: &Path, kit: &'a Kit, seed: u64) -> Programs<'a> {
        let base = root.join("programs");
        fs::create_dir_all(&base).unwrap();
        Programs {
            random: fastrand::Rng::with_seed(seed.wrapping_mul(31)),
            kit,
            base,
            step: 0,
            told: false,
        }
    }

    /// Without changes that neither size nor time tells: see [`Swaps::told`](super::swaps::Swaps::told).
    pub fn told(mut self) -> Programs<'a> {
        self.told = true;
        self
    }

    fn text(&self) -> String {
        let more = if self.told {
            self.step as usize % 97
        } else {
            0
        };
        format!("{:08}{}", self.step, "x".repeat(more))
    }

    /// One operation. Nobody else works here, so each of them works.
    pub fn step(&mut self) {
        self.step += 1;
        let dice = self.random.u32(..100);
        if let Err(error) = self.operate(dice) {
            panic!("program {dice} in step {}: {error}", self.step);
        }
    }

    fn operate(&mut self, dice: u32) -> io::Result<()> {
        let n = self.step;
        // Neither git's own files, which it would miss, nor what holds them.
        let mut found = walk(&self.base);
        found.retain(|path| !path.components().any(|part| part.as_os_str() == ".git"));
        found.remove(&self.base.join("repository"));
        let file = self.pick(&found, is_plain);
        let directory = self.pick(&found, Metadata::is_dir);
        let above = directory.clone().unwrap_or_else(|| self.base.clone());
        match (dice, file, directory) {
            (0..18, _, _) => self.unpack(),
            (18..36, _, _) if self.kit.git => self.check_out(),
            (36..50, _, _) => {
                for at in 0..self.random.u32(BURST) {
                    let place = above.join(format!("p{n}/{}/{at}", at % 3));
                    fs::create_dir_all(&place)?;
                    fs::write(place.join("f"), self.text())?;
                }
                Ok(())
            }
            // Neither size nor time tells that the content is another.
            (50..58, Some(file), _) if !self.told => {
                let metadata = fs::metadata(&file)?;
                let text = vec![b'a' + (n % 26) as u8; metadata.len() as usize];
                fs::write(&file, text)?;
                File::options()
                    .write(true)
                    .open(&file)?
                    .set_modified(metadata.modified()?)
            }
            // Closed under another name than it was opened by.
            (58..66, Some(file), _) => {
                let mut open = File::options().append(true).open(&file)?;
                open.write_all(b"before")?;
                fs::rename(file, above.join(format!("r{n}")))?;
                open.write_all(b"after")
            }
            (66..74, Some(file), _) => fs::hard_link(file, above.join(format!("k{n}"))),
            (74..81, Some(file), _) => xattr::set(file, "user.step", n.to_string().as_bytes()),
            (81..84, _, Some(directory)) => {
                xattr::set(directory, "user.step", n.to_string().as_bytes())
            }
            (84..88, Some(file), _) => chown(file, Some(n as u32 % 5), Some(n as u32 % 3)),
            (88..91, _, Some(directory)) => {
                let mode = [0o700, 0o755, 0o1777][self.random.usize(..3)];
                fs::set_permissions(directory, Permissions::from_mode(mode))
            }
            (91..95, _, Some(directory)) => {
                let (away, back) = (self.base.join(format!("w{n}")), directory.clone());
                fs::rename(&directory, &away)?;
                fs::create_dir(&back)?;
                fs::write(back.join("instead"), self.text())
            }
            (95..98, _, Some(directory)) => fs::remove_dir_all(directory),
            (98.., Some(file), _) => fs::remove_file(file),
            _ => fs::write(self.base.join(format!("s{n}")), self.text()),
        }
    }

    fn unpack(&mut self) -> io::Result<()> {
        let place = self.base.join(format!("t{}", self.random.u32(..3)));
        if !is(&place, Metadata::is_dir) {
            fs::create_dir(&place)?;
        }
        let archives = if self.told { 1 } else { 2 };
        let which = ["one.tar", "two.tar"][self.random.usize(..archives)];
        run(Command::new("tar")
            .args(["--recursive-unlink", "-xpf"])
            .arg(self.kit.directory.join(which))
            .arg("-C")
            .arg(place));
        Ok(())
    }

    fn check_out(&mut self) -> io::Result<()> {
        let at = self.base.join("repository");
        if !is(&at.join(".git"), Metadata::is_dir) {
            run(Command::new("cp")
                .arg("-a")
                .arg(self.kit.directory.join("repository"))
                .arg(&self.base));
        }
        // Twice, or it would often be the branch that is there.
        for _ in 0..2 {
            let branch = ["one", "two"][self.random.usize(..2)];
            // It refuses where a directory of others' files is in the way, which is as good as any outcome.
            let _ = git_command(&at, &["checkout", "-q", "-f", branch]).output()?;
        }
        Ok(())
    }

    fn pick(
        &mut self,
        found: &BTreeSet<PathBuf>,
        kind: impl Fn(&Metadata) -> bool,
    ) -> Option<PathBuf> {
        let fitting: Vec<_> = found.iter().filter(|path| is(path, &kind)).collect();
        let at = self.random.usize(..fitting.len().max(1));
        fitting.get(at).map(|path| (*path).clone())
    }
}

/// A file with one name: of a write under one name of several the kernel tells nothing under the others.
fn is_plain(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.nlink() == 1
}

fn git_command(at: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    for setting in [
        "user.name=test",
        "user.email=test@example.org",
        "safe.directory=*",
        "gc.auto=0",
    ] {
        command.args(["-c", setting]);
    }
    command.arg("-C").arg(at).args(arguments);
    command
}

fn git(at: &Path, arguments: &[&str]) {
    run(&mut git_command(at, arguments));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

#[test]
fn programs_leave_what_they_should() {
    let scratch = super::Scratch::new();
    let kit = Kit::new(&scratch.dir("kit"));
    for seed in 0..4 {
        let mut programs = Programs::new(&scratch.dir(&format!("h{seed}")), &kit, seed);
        for _ in 0..100 {
            programs.step();
        }
    }
    let found = walk(scratch.path());
    let has = |end: &str| found.iter().any(|path| path.ends_with(end));
    assert!(has("t0/x/y/z/f") && has("f") && (has("repository/both") || !kit.git));
}
