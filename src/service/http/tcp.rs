//! HTTP over TCP: off unless the agent file or `--http` says where.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::caller::{Caller, Class, Peer};
use super::connection::{ACCEPT_AGAIN, Desk};
use super::router::router;
use super::server::{Facts, Server};
use crate::manifest::is_loopback;
use crate::service::question::Question;

/// Connections at a time; a scraper and some browsers need a handful.
const CONNECTIONS_MAX: usize = 64;
/// An address that is not there yet, or is taken, is tried again after this.
const BIND_AGAIN: Duration = Duration::from_secs(10);

/// Where it is served, and what may be done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Where.
    pub listen: SocketAddr,
    /// Whether who reaches it may act.
    pub operate: bool,
    /// Names of this host besides `localhost` and its addresses.
    pub names: Vec<String>,
}

/// As long as it is served.
#[derive(Debug)]
pub struct Tcp(tokio::task::JoinHandle<()>);

impl Drop for Tcp {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tcp {
    /// Serves from now on. An address that cannot be had is no reason not to sync: it is said, and tried again.
    pub fn serve(options: TcpOptions, questions: mpsc::Sender<Question>, facts: Arc<Facts>) -> Tcp {
        let server = Server::new(questions, facts, CONNECTIONS_MAX);
        let desk = Desk::new(router(server), CONNECTIONS_MAX);
        Tcp(tokio::spawn(async move {
            let listener = bind(options.listen).await;
            let listen = listener.local_addr().unwrap_or(options.listen);
            let operate = options.operate;
            if is_loopback(listen.ip()) {
                tracing::info!(%listen, operate, "serving HTTP");
            } else {
                tracing::warn!(%listen, operate, "serving HTTP to other hosts, none of which is asked who it is");
            }
            accept(listener, options, desk).await;
        }))
    }
}

async fn bind(listen: SocketAddr) -> TcpListener {
    let mut said = false;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => return listener,
            Err(error) if !said => {
                tracing::error!(%listen, "cannot serve HTTP, tried again: {error}");
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(BIND_AGAIN).await;
    }
}

async fn accept(listener: TcpListener, options: TcpOptions, desk: Desk) {
    let names: Arc<[String]> = options.names.into();
    let class = if options.operate {
        Class::Operate
    } else {
        Class::Read
    };
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // An answer is small, and somebody waits for it.
                let _ = stream.set_nodelay(true);
                let caller = Caller {
                    class: Some(class),
                    peer: Peer::Address(address),
                    names: Some(Arc::clone(&names)),
                };
                desk.attend(stream, caller);
            }
            Err(error) => {
                tracing::debug!("HTTP cannot accept: {error}");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
