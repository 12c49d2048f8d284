//! A target as its url. Never with a secret: there is none in a plan.

use std::fmt;

use super::Target;

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Daemon {
                user,
                host,
                port,
                module,
                path,
                ..
            } => {
                f.write_str("rsync://")?;
                authority(f, user.as_deref(), host, (*port != 873).then_some(*port))?;
                write!(f, "/{module}")?;
                if path.is_empty() {
                    Ok(())
                } else {
                    write!(f, "/{path}")
                }
            }
            Target::Ssh {
                user,
                host,
                port,
                path,
                ..
            } => {
                f.write_str("ssh://")?;
                authority(f, user.as_deref(), host, *port)?;
                f.write_str(path)
            }
            Target::Local { path } => write!(f, "file://{path}"),
        }
    }
}

fn authority(
    f: &mut fmt::Formatter<'_>,
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
) -> fmt::Result {
    if let Some(user) = user {
        write!(f, "{user}@")?;
    }
    // An IPv6 address has colons of its own.
    if host.contains(':') {
        write!(f, "[{host}]")?;
    } else {
        f.write_str(host)?;
    }
    match port {
        Some(port) => write!(f, ":{port}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_urls() {
        let daemon = |port, path: &str| Target::Daemon {
            user: Some("web".into()),
            host: "fe80::1".into(),
            port,
            module: "m".into(),
            path: path.into(),
            password: None,
        };
        assert_eq!(daemon(873, "").to_string(), "rsync://web@[fe80::1]/m");
        assert_eq!(
            daemon(8730, "a/b").to_string(),
            "rsync://web@[fe80::1]:8730/m/a/b"
        );
        assert_eq!(Target::Local { path: "/x".into() }.to_string(), "file:///x");
    }
}
