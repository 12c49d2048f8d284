//! Somebody outside who hears heartbeats.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

/// Answers every request alike, and keeps its first line.
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// Answers with this status.
    pub fn new(status: &'static str) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                if let Some(Ok(line)) = lines.next() {
                    hears.lock().unwrap().push(line);
                }
                while lines
                    .next()
                    .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
                {}
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            }
        });
        Listener { address, heard }
    }

    /// The first lines of the requests up to now.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}
