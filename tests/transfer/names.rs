//! Names that mean something to a shell, to rsync's lists, or to nobody.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use heliostat::engine::{Dirt, Mark, RelPath, Verdict, Work};
use heliostat::plan::{DeleteBudget, DeletePolicy};

use super::rig::{Rig, path};
use super::tree;
use crate::rig::left_out;

fn names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        &b"new\nline"[..],
        b"#x",
        b";x",
        b"-rf",
        b"--delete",
        b"\xff\xfe",
        b"blank ",
        b" blank",
        b"a*b",
        b"back\\slash",
        b"\\#012",
        b"q\"u'o",
        b"tab\t|pipe",
        b"%n",
        b"[ab]",
        b"x -> \"y",
        b"\x1b[31m",
        b"host:path",
        b"~",
        b"$(id)",
        b"+ x",
        b"!",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    names.push(vec![b'n'; 255]);
    names.push("é".repeat(127).into_bytes());
    names
}

fn everywhere() -> Vec<RelPath> {
    let tops = names().into_iter().map(|name| path(&name));
    tops.flat_map(|top| {
        [
            top.join(b"plain"),
            top.join(&names()[7]),
            top.join(&[b'z'; 255]),
        ]
    })
    .collect()
}

#[tokio::test]
async fn odd_names_arrive_change_and_leave() {
    let rig = Rig::new("").await;
    let mut route = rig.route(DeletePolicy::Mirror);
    route.max_delete = DeleteBudget::Count(10_000);
    let marks = |dirt| {
        everywhere()
            .into_iter()
            .map(|path| Mark { path, dirt })
            .collect::<Vec<_>>()
    };
    for text in ["one", "two"] {
        for path in everywhere() {
            fs::create_dir_all(path.parent().unwrap().under(&rig.source)).unwrap();
            fs::write(path.under(&rig.source), text).unwrap();
        }
        rig.done(route.clone(), &marks(Dirt::CONTENT)).await;
        assert_eq!(
            tree::differences(&tree::read(&rig.source), &tree::read(&rig.target)),
            [""; 0]
        );
    }
    for name in names().iter().skip(1) {
        fs::remove_dir_all(rig.source.join(OsStr::from_bytes(name))).unwrap();
    }
    let outcome = rig.done(route, &marks(Dirt::GONE)).await;
    assert_eq!(outcome.stats.deleted as usize, (names().len() - 1) * 4);
    assert_eq!(
        tree::differences(&tree::read(&rig.source), &tree::read(&rig.target)),
        [""; 0]
    );
}

#[tokio::test]
async fn a_failing_path_is_named_whatever_its_name_is() {
    let rig = Rig::new("").await;
    let route = rig.route(DeletePolicy::Mirror);
    for name in names() {
        fs::write(rig.source.join(OsStr::from_bytes(&name)), "one").unwrap();
    }
    rig.pass(route.clone()).await;
    let immutable = |on: &str, name: &[u8]| {
        let mut command = Command::new("chattr");
        command
            .args([on, "--"])
            .arg(rig.target.join(OsStr::from_bytes(name)))
            .status()
            .unwrap()
            .success()
    };
    for name in names() {
        if !immutable("+i", &name) {
            return left_out("no file can be made immutable");
        }
        fs::write(rig.source.join(OsStr::from_bytes(&name)), "three").unwrap();
        let marks = [
            Mark {
                path: path(&name),
                dirt: Dirt::CONTENT,
            },
            Mark {
                path: path(b"#x"),
                dirt: Dirt::ATTRIBUTES,
            },
        ];
        let outcome = rig
            .run(&rig.job(route.clone(), Work::Batch(marks.to_vec())))
            .await;
        immutable("-i", &name);
        assert_eq!(outcome.verdict, Verdict::Done, "{outcome:#?}");
        assert_eq!(
            outcome
                .failed
                .iter()
                .map(|failure| &failure.path)
                .collect::<Vec<_>>(),
            [&path(&name)],
            "{outcome:#?}"
        );
    }
}
