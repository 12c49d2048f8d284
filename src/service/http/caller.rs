//! Who asks, what he may, and what a browser must not be made to do.
//!
//! Over TCP nobody is asked who he is, so three things are looked at that a page from elsewhere cannot forge in somebody's
//! browser: the `Host` must be one of this host's names or an address, or a name that was rebound to loopback would make
//! that page one of ours; the `Origin`, where there is one, must be the same; and what is not a plain look must be
//! `application/json`, which a page may send elsewhere only after a preflight that is never answered.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::server::refuse;

/// A request's body; the largest true one is a few hundred bytes.
const BODY_MAX: usize = 16 << 10;
/// The body has come within this, or it is not waited for.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What a caller may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Look, and wait.
    Read,
    /// Whatever changes what the service does, too.
    Operate,
}

/// Who is at the other end, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A process of this host, at the control socket.
    Process {
        /// Its user.
        uid: u32,
        /// Its number when it connected.
        pid: Option<i32>,
    },
    /// Somebody over TCP.
    Address(SocketAddr),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Process { uid, pid: None } => write!(f, "uid {uid}"),
            Peer::Process {
                uid,
                pid: Some(pid),
            } => write!(f, "uid {uid}, pid {pid}"),
            Peer::Address(address) => write!(f, "{address}"),
        }
    }
}

/// Who asks. Every request has one among its extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What he may; `None`: nothing.
    pub class: Option<Class>,
    /// Who he is.
    pub peer: Peer,
    /// Over TCP: the names that this host is asked for under.
    pub names: Option<Arc<[String]>>,
}

/// Lets nobody further who may not look, or whom a page from elsewhere sent; and takes the body in, within its bounds.
pub async fn admit(request: Request, next: Next) -> Response {
    harmless(admitted(request, next).await)
}

async fn admitted(request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, "nobody asks");
    };
    if caller.class.is_none() {
        return refuse(
            StatusCode::FORBIDDEN,
            format!(
                "{} may not use this socket: only the service's own user, root, and the groups that `access` in the agent file names",
                caller.peer
            ),
        );
    }
    if let Some(names) = &caller.names
        && let Err((status, error)) = foreign(
            request.method(),
            request.uri(),
            request.headers(),
            names.as_ref(),
        )
    {
        return refuse(status, error);
    }
    if caller.names.is_none()
        && let Err((status, error)) = forwarded(request.method(), request.headers())
    {
        return refuse(status, error);
    }
    let (head, body) = request.into_parts();
    let taken = Limited::new(body, BODY_MAX).collect();
    let body = match tokio::time::timeout(BODY_WITHIN, taken).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
        }
        Ok(Err(_)) => return refuse(StatusCode::BAD_REQUEST, "the body cannot be read"),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
    };
    next.run(Request::from_parts(head, Body::from(body))).await
}

/// What keeps an answer from being taken for something else; a page sets its own policy.
fn harmless(mut response: Response) -> Response {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether it comes from a page that is none of ours, or asks for somebody else.
fn foreign(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    names: &[String],
) -> Result<(), (StatusCode, &'static str)> {
    const NO_HOST: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "name one host in `Host`");
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(NO_HOST);
    };
    let host = Authority::try_from(host.as_bytes()).map_err(|_| NO_HOST)?;
    let other = uri.authority().is_some_and(|asked| *asked != host);
    if other || !is_ours(&host, names) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "this host is not known under that name: use an address, `localhost` or the host's own name, or add the name to `http: {hosts: […]}` in the agent file",
        ));
    }
    let origin = headers.get(header::ORIGIN);
    let same = |origin: &HeaderValue| {
        let text = origin.to_str().unwrap_or_default();
        let of = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        of.is_some_and(|of| of.eq_ignore_ascii_case(host.as_str()))
    };
    if origin.is_some_and(|origin| !same(origin)) {
        return Err((StatusCode::FORBIDDEN, "a page from elsewhere asks"));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let site = headers.get("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err((StatusCode::FORBIDDEN, "a page from elsewhere asks"));
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "say `content-type: application/json`, also without a body: a page from elsewhere cannot",
        ));
    }
    Ok(())
}

/// Whether a page from elsewhere asks at the socket, by way of somebody's browser and `ssh -L`, which makes a port of it. A
/// client there names any host it likes; a page's name that was rebound to the port has a dot.
fn forwarded(method: &Method, headers: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
    const ELSEWHERE: (StatusCode, &str) = (StatusCode::FORBIDDEN, "a page from elsewhere asks");
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let rebound = |host: &Authority| !is_ours(host, &[]) && host.host().contains('.');
    if host.as_ref().is_some_and(rebound) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "the socket is not known under that name: use `localhost` or an address",
        ));
    }
    let origin = headers.get(header::ORIGIN);
    let same = |origin: &HeaderValue| {
        let of = origin.to_str().unwrap_or_default().strip_prefix("http://");
        of.zip(host.as_ref())
            .is_some_and(|(of, host)| of.eq_ignore_ascii_case(host.as_str()))
    };
    if origin.is_some_and(|origin| !same(origin)) {
        return Err(ELSEWHERE);
    }
    let site = headers.get("sec-fetch-site");
    let elsewhere = site.is_some_and(|site| site != "same-origin" && site != "none");
    match elsewhere && *method != Method::GET {
        true => Err(ELSEWHERE),
        false => Ok(()),
    }
}

fn is_ours(host: &Authority, names: &[String]) -> bool {
    if host.as_str().contains('@') {
        return false;
    }
    let name = host.host();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_suffix('.').unwrap_or(name);
    // A page's name can be rebound to our address; an address is no name.
    bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: Method, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let names = ["web-1".to_owned(), "sync.example.com".to_owned()];
        match foreign(&method, &uri.parse().unwrap(), &map, &names) {
            Ok(()) => 200,
            Err((status, _)) => status.as_u16(),
        }
    }

    #[test]
    fn a_host_is_asked_for_under_its_own_names_alone() {
        for host in [
            "127.0.0.1:9099",
            "[::1]:9099",
            "10.1.2.3",
            "localhost:1",
            "LOCALHOST",
            "localhost.",
            "web-1:9099",
            "Sync.example.com",
        ] {
            assert_eq!(asked(Method::GET, "/", &[("host", host)]), 200, "{host}");
        }
        for host in [
            "evil.example",
            "web-1.evil.example",
            "localhost.evil.example:9099",
            "127.0.0.1.evil.example",
            "web-1@evil.example",
            "evil@localhost",
            "xlocalhost",
        ] {
            assert_eq!(asked(Method::GET, "/", &[("host", host)]), 421, "{host}");
        }
        assert_eq!(asked(Method::GET, "/", &[]), 400);
        assert_eq!(asked(Method::GET, "/", &[("host", "")]), 400);
        let two = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(asked(Method::GET, "/", &two), 400);
        let local = [("host", "localhost")];
        assert_eq!(asked(Method::GET, "http://evil.example/", &local), 421);
        assert_eq!(asked(Method::GET, "http://localhost/", &local), 200);
    }

    #[test]
    fn a_page_from_elsewhere_does_nothing_through_a_forwarded_socket() {
        let asked = |method: Method, headers: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let name: header::HeaderName = name.parse().unwrap();
                map.append(name, value.parse().unwrap());
            }
            forwarded(&method, &map).map_or_else(|(status, _)| status.as_u16(), |()| 200)
        };
        for host in [
            "localhost:9099",
            "127.0.0.1:9099",
            "[::1]:9099",
            "heliostat",
        ] {
            assert_eq!(asked(Method::POST, &[("host", host)]), 200, "{host}");
        }
        assert_eq!(asked(Method::POST, &[]), 200);
        for host in ["evil.example:9099", "localhost.evil.example"] {
            assert_eq!(asked(Method::GET, &[("host", host)]), 421, "{host}");
        }
        let host = ("host", "localhost:9099");
        for (origin, status) in [
            ("http://localhost:9099", 200),
            ("http://evil.example", 403),
            ("http://localhost:1", 403),
            ("null", 403),
        ] {
            let asked = asked(Method::POST, &[host, ("origin", origin)]);
            assert_eq!(asked, status, "{origin}");
        }
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(asked(Method::POST, &[host, cross]), 403);
        assert_eq!(asked(Method::GET, &[host, cross]), 200);
    }

    #[test]
    fn a_page_from_elsewhere_does_nothing() {
        let json = ("content-type", "application/json");
        let host = ("host", "localhost:9099");
        let post =
            |more: &[(&str, &str)]| asked(Method::POST, "/", &[&[host, json], more].concat());
        assert_eq!(post(&[]), 200);
        assert_eq!(post(&[("origin", "http://localhost:9099")]), 200);
        assert_eq!(post(&[("origin", "https://localhost:9099")]), 200);
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost",
            "http://localhost:9099.evil.example",
            "ftp://localhost:9099",
        ] {
            assert_eq!(post(&[("origin", origin)]), 403, "{origin}");
            let get = asked(Method::GET, "/", &[host, ("origin", origin)]);
            assert_eq!(get, 403, "{origin}");
        }
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), 200);
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), 403, "{site}");
            // A link to the status is followed.
            let get = asked(Method::GET, "/", &[host, ("sec-fetch-site", site)]);
            assert_eq!(get, 200, "{site}");
        }
        let kinds = [
            ("application/json; charset=utf-8", 200),
            ("Application/JSON", 200),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("multipart/form-data; boundary=application/json", 415),
            ("text/plain; application/json", 415),
        ];
        for (kind, status) in kinds {
            let post = asked(Method::POST, "/", &[host, ("content-type", kind)]);
            assert_eq!(post, status, "{kind}");
        }
        assert_eq!(asked(Method::POST, "/", &[host]), 415);
        assert_eq!(asked(Method::DELETE, "/", &[host]), 415);
    }
}
