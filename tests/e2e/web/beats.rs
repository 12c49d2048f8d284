//! Heartbeats: heard, not delivered, and over TLS.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::measures::{all_sides, sample};
use super::*;

#[test]
fn heartbeats_say_how_it_is() {
    let (web, listener) = all_sides();
    let heard = |what: &str| {
        let path = format!("GET /secret/{what} HTTP/1.1");
        wait_for(PATIENCE, || listener.heard().contains(&path).then_some(()))
    };
    assert!(heard("start").is_some(), "{:?}", listener.heard());
    assert!(heard("fail").is_some(), "{:?}", listener.heard());
    assert!(
        !listener.heard().iter().any(|line| line.contains("success")),
        "{:?}",
        listener.heard()
    );
    assert!(
        !web.service.log().contains("/secret/"),
        "{}",
        web.service.log()
    );
    let starts = listener
        .heard()
        .iter()
        .filter(|line| line.contains("start"))
        .count();
    assert_eq!(starts, 1);
}

#[test]
fn a_heartbeat_that_is_not_delivered_holds_nothing_up() {
    // One is refused, and of the other nothing is ever heard.
    let refusing = Listener::new("500 No");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let scratch = Scratch::new();
    let file = scratch.path().join("url");
    let url = format!("http://{}/secret", silent.local_addr().unwrap());
    fs::write(&file, url).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let mut web = Web::new(json!({"heartbeat": {
        "start": format!("http://{}/secret", refusing.address), "successFile": file, "every": "1s",
    }}));
    let failed = |kind: &str| {
        let name = format!("heliostat_heartbeats_total{{kind=\"{kind}\",result=\"failed\"}}");
        wait_for(PATIENCE, || {
            sample(&web.get("/metrics").body, &name).filter(|count| *count > 0.0)
        })
    };
    assert!(failed("start").is_some(), "{}", web.service.tail());
    assert!(failed("success").is_some(), "{}", web.service.tail());
    let log = web.service.log();
    assert_eq!(
        log.matches("a heartbeat was not delivered").count(),
        1,
        "{log}"
    );
    assert!(log.contains("500") && !log.contains("/secret"), "{log}");
    write(&web.source, "a", "meanwhile");
    assert!(web.service.wait(PATIENCE), "{}", web.service.tail());
    let (code, took) = web.service.stop();
    assert!(
        code == 0 && took < Duration::from_secs(10),
        "{code} {took:?}"
    );
}

#[test]
fn heartbeats_follow_how_it_is_and_no_redirect() {
    let (target, heard) = (Listener::new("200 OK"), Listener::new("200 OK"));
    let elsewhere = format!("302 Found\r\nlocation: http://{}/elsewhere", target.address);
    let sending = Listener::new(elsewhere.leak());
    let url = |listener: &Listener, what: &str| format!("http://{}/{what}", listener.address);
    let web = Web::new(json!({"heartbeat": {
        "start": url(&sending, "start"), "success": url(&heard, "well"), "fail": url(&heard, "ill"), "every": "1s",
    }}));
    // The last word, once there are more of them.
    let says = |what: &str| {
        let before = heard.heard().len();
        let now = wait_for(PATIENCE, || {
            let all = heard.heard();
            let last = all.last().filter(|_| all.len() > before + 1)?;
            last.contains(&format!("/{what} ")).then_some(())
        });
        assert!(
            now.is_some(),
            "{what}: {:?}\n{}",
            heard.heard(),
            web.service.tail()
        );
    };
    says("well");
    let away = web.source.with_extension("away");
    fs::rename(&web.source, &away).unwrap();
    assert!(web.settles("site/copy", "waiting"));
    says("ill");
    // That somebody has paused it does not make it well.
    assert_eq!(web.service.call(&["pause"]).code, 0);
    says("ill");
    fs::rename(&away, &web.source).unwrap();
    says("well");
    let failed = "heliostat_heartbeats_total{kind=\"start\",result=\"failed\"}";
    assert_eq!(sample(&web.get("/metrics").body, failed), Some(1.0));
    assert_eq!((sending.heard().len(), target.heard().len()), (1, 0));
    assert!(
        web.service.log().contains("it answered 302"),
        "{}",
        web.service.log()
    );
}

/// A certificate for `localhost` that signs itself, and its key.
fn certificate(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let (certificate, key) = (
        scratch.path().join("cert.pem"),
        scratch.path().join("key.pem"),
    );
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "3650", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl is there: tests/run.sh installs it");
    assert!(made.status.success(), "{made:?}");
    (certificate, key)
}

/// Answers over TLS on a thread of its own; its port.
fn over_tls(certificate: &Path, key: &Path) -> u16 {
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue; // who does not trust it
                };
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
    });
    port
}

#[test]
fn a_certificate_is_looked_at() {
    let scratch = Scratch::new();
    let (certificate, key) = certificate(&scratch);
    let port = over_tls(&certificate, &key);
    let sources =
        |source: &Path, copy: &Path| json!({"site": site(source, json!({"copy": local(copy)}))});
    let beats =
        |host: &str| json!({"heartbeat": {"start": format!("https://{host}:{port}/secret")}});
    let counted = |web: &Web, result: &str| {
        let name = format!("heliostat_heartbeats_total{{kind=\"start\",result=\"{result}\"}}");
        wait_for(PATIENCE, || {
            sample(&web.get("/metrics").body, &name).filter(|count| *count > 0.0)
        })
    };
    let trusting = [("SSL_CERT_FILE", certificate.as_path())];
    let web = Web::surrounded(beats("localhost"), &trusting, sources);
    assert!(
        counted(&web, "delivered").is_some(),
        "{}",
        web.service.tail()
    );
    // Nobody vouches for it, or it is somebody else's.
    for (host, env) in [("localhost", &[][..]), ("127.0.0.1", &trusting[..])] {
        let web = Web::surrounded(beats(host), env, sources);
        assert!(
            counted(&web, "failed").is_some(),
            "{host}: {}",
            web.service.tail()
        );
        // A line is written a moment after it was said.
        let said = wait_for(PATIENCE, || {
            web.service.log().contains("ertificate").then_some(())
        });
        let log = web.service.log();
        assert!(said.is_some() && !log.contains("/secret"), "{log}");
    }
}
