//! The requests of `docs/http.md` that change something, each as its row says it, sent to a service.

use super::pages::prepare;
use super::stage::Stage;
use super::*;

/// Taken; or taken and refused, as there is no such route, hold or generation here.
const TAKEN: [&str; 3] = ["200", "404", "409"];

/// Path and body of each row.
fn rows() -> Vec<(String, String)> {
    let text = read("docs/http.md").text;
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `POST "));
    rows.map(|row| {
        let (path, rest) = row.split_once('`').unwrap();
        let cell = rest.split(" | ").next().unwrap();
        let body = cell.trim().trim_matches('`');
        let body = if body.is_empty() { "{}" } else { body };
        (path.to_owned(), body.to_owned())
    })
    .collect()
}

#[test]
fn every_request_of_the_page_is_taken_as_it_is_written() {
    let mut stage = Stage::new();
    prepare("docs/http.md", &mut stage);
    let rows = rows();
    assert!(rows.len() >= 8, "{rows:?}");
    let mut answer = |path: &str, body: &str| {
        let line = format!(
            "curl -s -o answer -w '%{{http_code}}' --unix-socket /run/heliostat/control.sock \
             -H 'content-type: application/json' -d '{body}' http://heliostat{path}; echo; cat answer"
        );
        stage.says(&line)
    };
    for (path, body) in &rows {
        let said = answer(path, body);
        let rejected = said.starts_with("422") && said.contains("there is no generation");
        let taken = rejected || TAKEN.contains(&&said[..3]);
        assert!(taken, "{path} {body}: {said}");
    }
    let unknown = answer("/v1/pause", r#"{"route": "site", "forMinutes": 2}"#);
    assert!(!TAKEN.contains(&&unknown[..3]), "{unknown}");
}
