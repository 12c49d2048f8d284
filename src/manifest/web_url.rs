//! An `http://` or `https://` url of the service's own requests. Not a target's.

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUrl {
    /// Whether over TLS.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// Given, or the scheme's.
    pub port: u16,
    /// Path and query, from `/`.
    pub path: String,
}

/// Longer ones are no url of anybody's.
const LENGTH_MAX: usize = 2048;

impl WebUrl {
    /// Reads one; `Err` says what is wrong, without repeating it: the path may be a secret.
    pub fn parse(text: &str) -> Result<WebUrl, &'static str> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err("it begins with neither `https://` nor `http://`"),
        };
        if text.len() > LENGTH_MAX {
            return Err("it is too long");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it holds blanks, control characters or letters that are not encoded");
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        if authority.contains('@') {
            return Err("it has a user before its host");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inside) => {
                let (host, after) = inside.split_once(']').ok_or("its bracket is not closed")?;
                let address: Result<std::net::Ipv6Addr, _> = host.parse();
                address.map_err(|_| "there is no address in its brackets")?;
                match after {
                    "" => (host, None),
                    after => (
                        host,
                        Some(after.strip_prefix(':').ok_or("its port is no number")?),
                    ),
                }
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let bracketed = authority.starts_with('[');
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if host.is_empty() || !(bracketed || host.bytes().all(fits)) {
            return Err("its host is no name or address");
        }
        let port = match port {
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => Some(port)
                // A number is also read with a sign before it.
                .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|port| port.parse().ok())
                .filter(|port| *port != 0)
                .ok_or("its port is no number")?,
        };
        Ok(WebUrl {
            tls,
            host: host.to_owned(),
            port,
            path: match path.starts_with('/') {
                true => path.to_owned(),
                false => format!("/{path}"),
            },
        })
    }

    /// As `Host` names it.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, tls, host, port, path, authority) in [
            (
                "https://hc.example/ping/1-2",
                true,
                "hc.example",
                443,
                "/ping/1-2",
                "hc.example",
            ),
            (
                "http://127.0.0.1:8000",
                false,
                "127.0.0.1",
                8000,
                "/",
                "127.0.0.1:8000",
            ),
            (
                "http://[::1]:8000/a?b=c#d",
                false,
                "::1",
                8000,
                "/a?b=c",
                "[::1]:8000",
            ),
            (
                "https://[fe80::1]?x",
                true,
                "fe80::1",
                443,
                "/?x",
                "[fe80::1]",
            ),
        ] {
            let url = WebUrl::parse(text).unwrap();
            assert_eq!(
                (url.tls, &*url.host, url.port, &*url.path),
                (tls, host, port, path)
            );
            assert_eq!(url.authority(), authority);
        }
        for wrong in [
            "",
            "hc.example/a",
            "ftp://a/b",
            "http://",
            "http:///a",
            "http://u:p@a/b",
            "http://a b/",
            "http://a/\r\nx: y",
            "http://a:0/",
            "http://a:+80/",
            "http://[::1]:+80/",
            "http://a:-1/",
            "http://a:99999/",
            "http://a:/",
            "http://[::1/",
            "http://[x]/",
            "http://[::1]x/",
            "http://ä/",
        ] {
            assert!(WebUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
