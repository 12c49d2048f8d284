//! A relay between a client and a server on loopback, which cuts, holds up or refuses connections when told to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::wait_for;

/// What is read at once.
const PIECE: usize = 4096;

/// No cut is due.
const NEVER: i64 = i64::MAX / 2;

/// Ended, with every connection, when it goes out of scope.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    /// Bytes that may still pass; then every connection is cut, and the count begins anew as [`NEVER`].
    left: AtomicI64,
    /// Connections end as soon as they come.
    refusing: AtomicBool,
    /// Nothing passes, and nothing ends.
    holding: AtomicBool,
    over: AtomicBool,
    cuts: AtomicU64,
    /// Both ends of every connection that is open.
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Relays to this port of loopback.
    pub fn new(server: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let shared = Arc::new(Shared {
            server: (Ipv4Addr::LOCALHOST, server).into(),
            left: AtomicI64::new(NEVER),
            refusing: AtomicBool::new(false),
            holding: AtomicBool::new(false),
            over: AtomicBool::new(false),
            cuts: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
        });
        Proxy {
            address: listener.local_addr().unwrap(),
            accepting: Some(thread::spawn({
                let shared = Arc::clone(&shared);
                move || accept(&listener, &shared)
            })),
            shared,
        }
    }

    /// Where clients come to.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Cuts every connection as soon as so many bytes more have passed, both ways together. Once.
    pub fn cut_after(&self, bytes: u32) {
        self.shared.left.store(i64::from(bytes), SeqCst);
    }

    /// Whether new connections end at once; those that are open are cut.
    pub fn refuse(&self, on: bool) {
        self.shared.refusing.store(on, SeqCst);
        if on {
            self.shared.cut();
        }
    }

    /// Whether nothing passes, while all connections stay open.
    pub fn hold(&self, on: bool) {
        self.shared.holding.store(on, SeqCst);
    }

    /// Connections that were cut so far.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        self.shared.cut();
        // It waits for somebody to come.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            if stream.shutdown(Shutdown::Both).is_ok() {
                self.cuts.fetch_add(1, SeqCst);
            }
        }
    }

    /// Carries what comes from one end to the other, until either ends.
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = [0; PIECE];
        while let Ok(read) = from.read(&mut piece) {
            if read == 0 {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            let _ = wait_for(Duration::MAX / 4, || {
                let passes = !self.holding.load(SeqCst) || self.over.load(SeqCst);
                passes.then_some(())
            });
            // What is over the count does not arrive: a cut is in the midst of something.
            let left = self.left.fetch_sub(read as i64, SeqCst);
            let passes = read.min(usize::try_from(left).unwrap_or(0));
            let arrived = to.write_all(&piece[..passes]);
            if passes < read {
                self.left.store(NEVER, SeqCst);
                self.cut();
            }
            if passes < read || arrived.is_err() {
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        if shared.over.load(SeqCst) {
            return;
        }
        if shared.refusing.load(SeqCst) {
            continue;
        }
        let Ok(server) = TcpStream::connect(shared.server) else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let twin = |stream: &TcpStream| stream.try_clone().unwrap();
        {
            let mut open = shared.open.lock().unwrap();
            // Those whose peer is gone are only in the way.
            open.retain(|stream| stream.peer_addr().is_ok());
            open.extend([twin(&client), twin(&server)]);
        }
        for (from, to) in [(twin(&client), twin(&server)), (server, client)] {
            let shared = Arc::clone(shared);
            thread::spawn(move || shared.carry(from, to));
        }
    }
}

#[test]
fn a_proxy_carries_cuts_refuses_and_holds() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            thread::spawn(move || {
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
            });
        }
    });
    let proxy = Proxy::new(port);
    let say = |stream: &mut TcpStream| {
        let mut byte = [7];
        stream.write_all(&byte).is_ok() && stream.read_exact(&mut byte).is_ok()
    };
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    let mut stream = connect();
    assert!(say(&mut stream) && say(&mut stream));
    proxy.cut_after(3);
    assert!(say(&mut stream) && !say(&mut stream));
    // Counted right after the ends have learnt of it.
    let counted = wait_for(Duration::from_secs(20), || (proxy.cuts() > 0).then_some(()));
    assert!(counted.is_some());
    assert!(say(&mut connect()));
    proxy.refuse(true);
    assert!(!say(&mut connect()));
    proxy.refuse(false);
    let mut stream = connect();
    proxy.hold(true);
    stream
        .set_read_timeout(Some(Duration::from_millis(30)))
        .unwrap();
    assert!(!say(&mut stream));
    proxy.hold(false);
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    assert!(stream.read_exact(&mut [0]).is_ok());
}
