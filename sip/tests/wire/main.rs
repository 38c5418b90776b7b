//! The crate against bytes from outside: torture messages, browsers, and mutations of both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod browsers;
mod properties;
mod torture;

use std::path::{Path, PathBuf};
use std::time::Instant;

use sip::{Config, Endpoint, Event, Flow, Output};

/// A file below `tests/`.
fn read(path: impl AsRef<Path>) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the files in a folder below `tests/`, sorted.
fn list(folder: &str, extension: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(extension))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

#[expect(clippy::disallowed_methods, reason = "the one epoch of tests in virtual time")]
fn epoch() -> Instant {
    Instant::now()
}

fn flow() -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap())
}

/// What an endpoint does with one datagram: messages sent, events told.
fn feed(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Event>) {
    let local = flow().local;
    let mut endpoint = Endpoint::new(Config::at(local), 1);
    let mut now = epoch();
    endpoint.handle_message(now, flow(), bytes);
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit { flow: to, bytes } => {
                assert_eq!(to.peer.ip(), flow().peer.ip(), "answers go to the sender only");
                sent.push(bytes.to_vec());
            }
            Output::Event(event) => events.push(event),
        }
    }
    // whatever it was, time clears it away
    while let Some(at) = endpoint.next_wake() {
        now = now.max(at);
        endpoint.handle_timeout(now);
        while endpoint.poll_output().is_some() {}
    }
    assert_eq!(endpoint.load().servers, 0);
    (sent, events)
}

/// The status of a response, as text.
fn status_of(message: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(message);
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}
