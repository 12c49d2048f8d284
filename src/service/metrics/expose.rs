//! A page as text: OpenMetrics for who asks for it, the older format for everybody else and for files.

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::page::Page;
use super::table::{Kind, METRICS};

/// The content type of [`open_metrics`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The content type of [`classic`].
pub const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// OpenMetrics 1.0.
pub fn open_metrics(page: Page) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(page));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a text takes what is written to it");
    text
}

/// The older text format. It names a counter with its `_total` where OpenMetrics does not, and has no end.
pub fn classic(page: Page) -> String {
    let mut text = String::new();
    for line in open_metrics(page).lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => continue,
            (Some("#"), Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) => {
                let metric = METRICS.iter().find(|metric| metric.name == name);
                let counter = metric.is_some_and(|metric| metric.kind == Kind::Counter);
                let total = if counter { "_total" } else { "" };
                text.push_str(&format!("# {what} {name}{total} {rest}"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// For a file that another program reads: without `process_…`, which there would be that program's.
pub fn for_file(page: Page) -> String {
    let text = classic(page);
    let ours = text.lines().filter(|line| {
        let name = line
            .trim_start_matches("# HELP ")
            .trim_start_matches("# TYPE ");
        !name.starts_with("process_")
    });
    ours.fold(String::new(), |text, line| text + line + "\n")
}

/// Whether who sends this `Accept` wants OpenMetrics.
pub fn wants_open_metrics(accept: &str) -> bool {
    accept.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let fits = |part: &str| match part.split_once('=') {
            Some(("version", version)) => version.trim_matches('"').starts_with("1."),
            Some(("q", weight)) => weight.parse().is_ok_and(|weight: f64| weight > 0.0),
            _ => true,
        };
        kind.eq_ignore_ascii_case("application/openmetrics-text") && parts.all(fits)
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::{BUILD, ROUTE_BYTES, ROUTE_DURATION};
    use super::super::tally::Durations;
    use super::*;

    fn page() -> Page {
        let mut page = Page::default();
        page.flag(&BUILD, &["1.2\"\\\n"], true);
        page.count(&ROUTE_BYTES, &["a", "b"], 7);
        let mut durations = Durations::default();
        durations.add(0.007);
        durations.add(1e9);
        page.durations(&ROUTE_DURATION, &["a", "b"], durations);
        page
    }

    #[test]
    fn both_formats_say_the_same_of_a_counter_each_in_its_way() {
        let (open, classic) = (open_metrics(page()), classic(page()));
        assert!(open.ends_with("# EOF\n"), "{open}");
        assert!(!classic.contains("# EOF"), "{classic}");
        assert!(
            open.contains("# TYPE heliostat_route_sent_bytes counter\n"),
            "{open}"
        );
        let line = "# TYPE heliostat_route_sent_bytes_total counter\nheliostat_route_sent_bytes_total{source=\"a\",target=\"b\"} 7\n";
        assert!(classic.contains(line), "{classic}");
        for text in [&open, &classic] {
            assert!(
                text.contains("heliostat_route_sent_bytes_total{source=\"a\",target=\"b\"} 7\n")
            );
            assert!(
                text.contains(r#"heliostat_build_info{version="1.2\"\\\n"} 1"#),
                "{text}"
            );
            assert!(
                text.contains("_duration_seconds_count{source=\"a\",target=\"b\"} 2\n"),
                "{text}"
            );
            assert!(
                text.contains("le=\"0.01\"} 1\n")
                    || text.contains("le=\"0.01\",source=\"a\",target=\"b\"} 1\n"),
                "{text}"
            );
            assert!(text.contains("le=\"+Inf\""), "{text}");
        }
    }

    #[test]
    fn who_asks_for_open_metrics_gets_it() {
        for (accept, wanted) in [
            ("", false),
            ("*/*", false),
            ("text/plain;version=0.0.4", false),
            ("application/openmetrics-text", true),
            (
                "text/plain, application/openmetrics-text;version=1.0.0;q=0.5",
                true,
            ),
            (
                "application/openmetrics-text;version=0.0.1,text/plain",
                false,
            ),
            (
                "application/openmetrics-text; version=\"1.0.0\"; charset=utf-8",
                true,
            ),
            ("application/openmetrics-text;q=0", false),
        ] {
            assert_eq!(wants_open_metrics(accept), wanted, "{accept}");
        }
    }
}
