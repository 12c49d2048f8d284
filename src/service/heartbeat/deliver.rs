//! One `GET`, over TCP or TLS, of which only the status counts.

use std::fmt::Display;
use std::sync::Arc;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::manifest::WebUrl;

/// Asks for it. `Err` says why it does not count, without the url's path.
pub(super) async fn deliver(url: WebUrl) -> Result<(), String> {
    let stream = TcpStream::connect((url.host.as_str(), url.port))
        .await
        .map_err(told("cannot connect"))?;
    if !url.tls {
        return ask(stream, &url).await;
    }
    let trust = tokio::task::spawn_blocking(trusted)
        .await
        .map_err(told("cannot read the trusted certificates"))??;
    let name = ServerName::try_from(url.host.clone()).map_err(told("no name for TLS"))?;
    let stream = TlsConnector::from(trust)
        .connect(name, stream)
        .await
        .map_err(told("no TLS"))?;
    ask(stream, &url).await
}

fn told<E: Display>(act: &str) -> impl Fn(E) -> String {
    move |error| format!("{act}: {error}")
}

/// What this host trusts; read each time, as it is renewed.
fn trusted() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        return Err(
            "this host trusts no certificates: on Debian, apt-get install ca-certificates".into(),
        );
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(told("no TLS"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

async fn ask<S>(stream: S, url: &WebUrl) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(told("no HTTP"))?;
    // Ends with the request: nobody reads the answer's body.
    let connection = tokio::spawn(connection);
    let request = Request::get(&url.path)
        .header("host", url.authority())
        .header(
            "user-agent",
            concat!("heliostat/", env!("CARGO_PKG_VERSION")),
        )
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| "its path cannot be asked for".to_owned())?;
    let answer = sender.send_request(request).await;
    connection.abort();
    let status = answer.map_err(told("no answer"))?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("it answered {status}")),
    }
}
