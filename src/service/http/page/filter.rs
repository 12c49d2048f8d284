//! Which of the routes are shown: by state, by words in the name, by page. All of it is in the address.

use std::collections::HashMap;

use crate::engine::status::RouteStatus;

/// Routes on one page of the table: some 250 KB.
pub(super) const ROWS_MAX: usize = 200;
/// Longer words than two names are in no name.
const WORDS_MAX: usize = 130;

/// Which of the routes are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// The word of a state.
    pub state: Option<String>,
    /// What the name contains.
    pub find: Option<String>,
    /// From 1 on.
    pub page: usize,
}

/// The routes that are shown.
pub(super) struct Shown<'a> {
    /// Those of this page.
    pub routes: Vec<&'a RouteStatus>,
    /// Before them.
    pub before: usize,
    /// That match.
    pub matching: usize,
    /// Pages that there are.
    pub pages: usize,
}

impl Filter {
    /// As an address asks for it; what makes no sense asks for nothing.
    pub(super) fn of(query: &HashMap<String, String>) -> Filter {
        let text = |key: &str| {
            let text = query.get(key)?.trim();
            let text = &text[..text.floor_char_boundary(WORDS_MAX)];
            (!text.is_empty()).then(|| text.to_owned())
        };
        Filter {
            state: text("state"),
            find: text("find"),
            page: text("page")
                .and_then(|page| page.parse().ok())
                .unwrap_or(1)
                .max(1),
        }
    }

    /// Whether all routes are asked for.
    pub(super) fn is_everything(&self) -> bool {
        self.state.is_none() && self.find.is_none()
    }

    /// The routes that it shows, in their order.
    pub(super) fn choose<'a>(&self, routes: &'a [RouteStatus]) -> Shown<'a> {
        let matches = |route: &&RouteStatus| {
            let state = self
                .state
                .as_deref()
                .is_none_or(|state| route.state.word() == state);
            state
                && self
                    .find
                    .as_deref()
                    .is_none_or(|find| route.route.contains(&find.to_lowercase()))
        };
        let matching: Vec<&RouteStatus> = routes.iter().filter(matches).collect();
        let pages = matching.len().div_ceil(ROWS_MAX).max(1);
        let before = (self.page.min(pages) - 1) * ROWS_MAX;
        Shown {
            routes: matching
                .iter()
                .skip(before)
                .take(ROWS_MAX)
                .copied()
                .collect(),
            before,
            matching: matching.len(),
            pages,
        }
    }

    /// The address of the same with another state; from the first page on.
    pub(super) fn with_state(&self, state: Option<&str>) -> Filter {
        Filter {
            state: state.map(str::to_owned),
            page: 1,
            ..self.clone()
        }
    }

    /// The address of another page.
    pub(super) fn with_page(&self, page: usize) -> Filter {
        Filter {
            page,
            ..self.clone()
        }
    }

    /// Its address.
    pub(super) fn address(&self) -> String {
        let page = (self.page > 1).then(|| self.page.to_string());
        let pairs = [
            ("state", &self.state),
            ("find", &self.find),
            ("page", &page),
        ];
        let pairs = pairs
            .into_iter()
            .filter_map(|(key, value)| Some(format!("{key}={}", encoded(value.as_ref()?))));
        let query = pairs.collect::<Vec<_>>().join("&");
        if query.is_empty() {
            "/".to_owned()
        } else {
            format!("/?{query}")
        }
    }
}

/// A value in an address.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        let of = |pairs: &[(&str, &str)]| {
            Filter::of(
                &pairs
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
            )
        };
        assert_eq!(of(&[]).address(), "/");
        assert_eq!(
            of(&[("page", "x"), ("state", " "), ("other", "y")]).address(),
            "/"
        );
        let all = of(&[("state", "in sync"), ("find", "a&b=<ü>"), ("page", "3")]);
        assert_eq!(
            all.address(),
            "/?state=in%20sync&find=a%26b%3D%3C%C3%BC%3E&page=3"
        );
        assert_eq!(
            all.with_state(None).address(),
            "/?find=a%26b%3D%3C%C3%BC%3E"
        );
        assert_eq!(
            of(&[("find", &"ü".repeat(500))]).find.unwrap().len(),
            WORDS_MAX
        );
    }
}
