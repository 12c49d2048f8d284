//! What is said to one who named a route that is not there.

use crate::manifest::nearest;

/// There is no such route; the one that was probably meant. `known` are all of them, as `source/target`.
pub fn no_such_route<'r>(asked: &str, known: impl Iterator<Item = &'r str> + Clone) -> String {
    let shown = asked.escape_default();
    let sources = known.clone().filter_map(|route| {
        let (source, _) = route.split_once('/')?;
        Some(source)
    });
    let near = match asked.split_once('/') {
        None => {
            // A target's name alone is what people remember.
            let of_target = || {
                let mut named = known.clone().filter(|route| {
                    let target = route.split_once('/').map(|(_, target)| target);
                    target == Some(asked)
                });
                named.next().filter(|_| named.next().is_none())
            };
            nearest(asked, sources).or_else(of_target)
        }
        Some((source, target)) => {
            let exact = known.clone().filter(|route| {
                route
                    .strip_prefix(source)
                    .is_some_and(|rest| rest.starts_with('/'))
            });
            let mut named = exact
                .clone()
                .filter_map(|route| Some(route.split_once('/')?.1));
            let sole = named.next().filter(|_| named.next().is_none());
            let names = exact
                .clone()
                .filter_map(|route| Some(route.split_once('/')?.1));
            let within = nearest(target, names).or(sole);
            let within = within.and_then(|near| {
                exact
                    .clone()
                    .find(|route| route.ends_with(&format!("/{near}")))
            });
            within.or_else(|| nearest(asked, known.clone()))
        }
    };
    match near {
        Some(near) => {
            format!(
                "there is no route `{shown}`: did you mean `{near}`? `heliostat status` lists them"
            )
        }
        None => format!("there is no route `{shown}`: `heliostat status` lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_that_was_meant_is_named() {
        let known = ["website/web98", "website/dr", "home/nas", "mail/far-away"];
        let meant = |asked: &str| {
            let said = no_such_route(asked, known.iter().copied());
            let near = said
                .split_once("did you mean `")
                .map(|(_, rest)| rest.to_owned());
            near.and_then(|rest| Some(rest.split_once('`')?.0.to_owned()))
        };
        assert_eq!(meant("webiste").as_deref(), Some("website"));
        assert_eq!(meant("website/web89").as_deref(), Some("website/web98"));
        assert_eq!(meant("webste/web98").as_deref(), Some("website/web98"));
        assert_eq!(
            meant("home/copy").as_deref(),
            Some("home/nas"),
            "its only one"
        );
        assert_eq!(meant("nas").as_deref(), Some("home/nas"));
        assert_eq!(meant("elsewhere"), None);
        assert_eq!(meant("x/y"), None);
    }
}
