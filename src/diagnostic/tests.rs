use super::*;

const TEXT: &str = "rescan: {schedule: \"17 3 * * *\",\n         every: 6h}\nbandwith: 40MiB/s\nurl: rsync://u:hunter2@h/m\n";

fn sample() -> Vec<Diagnostic> {
    let place = |text: &str| {
        let start = TEXT.find(text).unwrap();
        Place {
            file: "conf.d/web.yaml".into(),
            span: start..start + text.len(),
        }
    };
    vec![
        Diagnostic::new(Code::UnknownField, "unknown field `bandwith`")
            .primary(&place("bandwith"), "did you mean `bandwidth`?"),
        Diagnostic::new(
            Code::ScheduleAndEvery,
            "`schedule` and `every` exclude each other",
        )
        .primary(&place("every"), "remove one of them")
        .secondary(&place("schedule"), "first set here"),
        Diagnostic::new(
            Code::InlinePassword,
            "a password in `rsync://u:hunter2@h/m`",
        )
        .primary(&place("rsync://u:hunter2@h/m"), "")
        .help("50%: name a file"),
    ]
}

fn shown(render: impl Fn(Report<'_>) -> String) -> String {
    let mut sources = Sources::new();
    sources.insert("conf.d/web.yaml", TEXT);
    let diagnostics = sample();
    sources.mask(&diagnostics);
    let out = render(Report {
        sources: &sources,
        diagnostics: &diagnostics,
        files: 14,
    });
    assert!(!out.contains("hunter2"), "{out}");
    out
}

#[test]
fn people_see_lines_and_carets() {
    insta::assert_snapshot!(shown(|report| terminal(report, false)));
    assert!(shown(|report| terminal(report, true)).contains("\u{1b}["));
}

#[test]
fn programs_get_one_json_document() {
    let out = shown(json);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["formatVersion"], 1);
    assert_eq!(value["diagnostics"][1]["line"], 2);
    assert_eq!(value["diagnostics"][1]["column"], 10);
    insta::assert_snapshot!(out);
}

#[test]
fn workflows_get_annotations() {
    insta::assert_snapshot!(shown(github));
}

#[test]
fn code_scanning_gets_sarif() {
    insta::assert_snapshot!(shown(sarif));
}

#[test]
fn without_diagnostics_people_see_nothing_and_programs_a_document() {
    let sources = Sources::new();
    let report = Report {
        sources: &sources,
        diagnostics: &[],
        files: 3,
    };
    assert_eq!(terminal(report, false), "");
    assert_eq!(github(report), "");
    assert!(json(report).contains("\"valid\": true"));
    assert!(sarif(report).contains("\"results\": []"));
}

#[test]
fn a_diagnostic_without_a_place_or_with_a_wrong_one_is_still_shown() {
    let mut sources = Sources::new();
    sources.insert("a", "ä");
    let file = |name: &str, span| Place {
        file: name.into(),
        span,
    };
    let diagnostics = [
        Diagnostic::new(Code::NoManifest, "no documents"),
        Diagnostic::new(Code::UnknownField, "elsewhere").primary(&file("unknown", 3..9), "x"),
        Diagnostic::new(Code::UnknownField, "inside").primary(&file("a", 1..99), "y"),
    ];
    let report = Report {
        sources: &sources,
        diagnostics: &diagnostics,
        files: 1,
    };
    for out in [
        terminal(report, false),
        json(report),
        github(report),
        sarif(report),
    ] {
        for message in ["no documents", "elsewhere", "inside"] {
            assert!(out.contains(message), "{out}");
        }
    }
}

#[test]
fn a_line_too_long_to_draw_is_named_by_its_places() {
    let text = format!(
        "{}é: 1, b: 2, {}\nend: 3\n",
        "x".repeat(3000),
        "y".repeat(3000)
    );
    let at = |what: &str| {
        let start = text.find(what).unwrap();
        Place {
            file: "a".into(),
            span: start..start + what.len(),
        }
    };
    let mut sources = Sources::new();
    sources.insert("a", &text);
    let diagnostics = [Diagnostic::new(Code::DuplicateKey, "`b` is given twice")
        .primary(&at("b: 2"), "remove one of them")
        .secondary(&at("end"), "first given here")];
    let report = Report {
        sources: &sources,
        diagnostics: &diagnostics,
        files: 1,
    };
    let out = terminal(report, false);
    let lines: Vec<&str> = out.lines().map(str::trim_end).collect();
    let drawn = [
        "error[H0009]: `b` is given twice",
        "--> a:1:3007",
        "= note: remove one of them",
        "::: a:2:1",
        "2 | end: 3",
        "first given here",
    ];
    for part in drawn {
        assert!(
            lines.iter().any(|line| line.contains(part)),
            "{part}:\n{out}"
        );
    }
    assert!(lines.iter().all(|line| line.len() < 200), "{out}");
}
