//! The torture messages of RFC 4475 and RFC 5118 over the wire: what the running server answers to each,
//! by datagram and on a stream, and that it serves on after every one.
//!
//! The files and what the RFCs want of each are in `sip/tests/torture*/README.md`; what the parser makes of
//! them is in `sip/tests/wire/torture.rs`. Here `example.com` is a realm of ours, so that REGISTERs of
//! the RFCs' users are challenged. Calls are refused: the RFCs' callers are strangers.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;

use serde_json::json;
use support::SipPeer;

use crate::stage::{SOON, Stage};

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// This response, after a 100 perhaps.
    Status(u16),
    /// Nothing, and what is sent next is answered.
    Silence,
    /// Nothing, and the connection was closed: its framing is lost.
    Closed,
    /// Nothing, and what is sent next is taken for the rest of the message.
    Waits,
    /// Not sent: a stream makes two messages of it.
    Skipped,
}

use Seen::{Closed, Silence, Skipped, Status, Waits};

/// Name, by datagram, on a stream.
const RFC_4475: [(&str, Seen, Seen); 49] = [
    ("wsinv", Status(481), Status(481)),
    ("intmeth", Status(501), Status(501)),
    ("esc01", Status(403), Status(403)),
    ("escnull", Status(401), Status(401)),
    ("esc02", Status(501), Status(501)),
    ("lwsdisp", Status(200), Status(200)),
    ("longreq", Status(403), Status(403)),
    ("dblreq", Status(401), Skipped),
    ("semiuri", Status(200), Status(200)),
    ("transports", Status(200), Status(200)),
    ("mpart01", Status(405), Status(405)),
    ("unreason", Silence, Silence),
    ("noreason", Silence, Silence),
    ("badinv01", Status(400), Status(400)),
    ("clerr", Status(400), Waits),
    ("ncl", Status(400), Closed),
    ("scalar02", Status(400), Status(400)),
    ("scalarlg", Silence, Silence),
    ("quotbal", Status(400), Status(400)),
    ("ltgtruri", Status(400), Status(400)),
    ("lwsruri", Status(400), Status(400)),
    ("lwsstart", Status(400), Status(400)),
    ("trws", Status(200), Status(200)),
    ("escruri", Status(400), Status(400)),
    ("baddate", Status(403), Status(403)),
    ("regbadct", Status(401), Status(401)),
    ("badaspec", Status(400), Status(400)),
    ("baddn", Status(400), Status(400)),
    ("badvers", Status(505), Status(505)),
    ("mismatch01", Status(400), Status(400)),
    ("mismatch02", Status(400), Status(400)),
    ("bigcode", Silence, Silence),
    ("badbranch", Status(200), Status(200)),
    ("insuf", Status(400), Status(400)),
    ("unkscm", Status(416), Status(416)),
    ("novelsc", Status(416), Status(416)),
    ("unksm2", Status(403), Status(403)),
    ("bext01", Status(420), Status(420)),
    ("invut", Status(415), Status(415)),
    ("regaut01", Status(401), Status(401)),
    ("multi01", Status(400), Status(400)),
    ("mcl01", Status(400), Closed),
    ("bcast", Silence, Silence),
    ("zeromf", Status(200), Status(200)),
    ("cparam01", Status(401), Status(401)),
    ("cparam02", Status(401), Status(401)),
    ("regescrt", Status(401), Status(401)),
    ("sdp01", Status(406), Status(406)),
    ("inv2543", Status(403), Status(403)),
];

const RFC_5118: [(&str, Seen, Seen); 12] = [
    ("ipv6-good", Status(401), Status(401)),
    ("ipv6-bad", Status(400), Status(400)),
    ("port-ambiguous", Status(401), Status(401)),
    ("port-unambiguous", Status(401), Status(401)),
    ("via-received-param-with-delim", Status(481), Status(481)),
    ("via-received-param-no-delim", Status(200), Status(200)),
    ("ipv6-in-sdp", Status(401), Status(401)),
    ("mult-ip-in-header", Status(481), Status(481)),
    ("mult-ip-in-sdp", Status(401), Status(401)),
    ("ipv4-mapped-ipv6", Status(403), Status(403)),
    ("ipv6-bug-abnf-3-colons", Status(200), Status(200)),
    ("ipv6-correct-abnf-2-colons", Status(200), Status(200)),
];

#[derive(Clone, Copy)]
struct Case {
    folder: &'static str,
    name: &'static str,
    datagram: Seen,
    stream: Seen,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip/tests").join(self.folder);
        std::fs::read(path.join(self.name).with_extension("dat")).expect(self.name)
    }

    /// What makes a repetition of a request (RFC 3261 §17.2.3): method and top Via.
    fn transaction(&self) -> (Vec<u8>, Vec<u8>) {
        let bytes = self.bytes();
        let method = bytes.split(|octet| *octet == b' ').next().unwrap_or_default();
        let mut lines = bytes.split(|octet| *octet == b'\n');
        let via = lines.find(|line| line.to_ascii_lowercase().starts_with(b"v"));
        (method.to_vec(), via.unwrap_or_default().to_vec())
    }
}

/// All messages, in batches for one server each: some of the RFCs' messages share a transaction, and the
/// second would be taken for a repetition of the first.
fn batches() -> Vec<Vec<Case>> {
    let of = |folder| move |(name, datagram, stream)| Case { folder, name, datagram, stream };
    let all = RFC_4475.into_iter().map(of("torture"));
    let all = all.chain(RFC_5118.into_iter().map(of("torture5118")));
    let mut batches: Vec<Vec<Case>> = Vec::new();
    for case in all {
        let takes = |batch: &&mut Vec<Case>| {
            batch.iter().all(|other| other.transaction() != case.transaction())
        };
        match batches.iter_mut().find(takes) {
            Some(batch) => batch.push(case),
            None => batches.push(vec![case]),
        }
    }
    batches
}

/// A server that is home to `example.com` and takes all that one source may send.
fn stage() -> Stage {
    let stage = Stage::new();
    let body = json!({ "sip_realm": "example.com" });
    let answer = stage.server.admin().put(&stage.tenant.path(""), &body).expect("an answer");
    assert_eq!(answer.status, 204);
    stage
}

#[test]
fn datagrams_get_their_verdict_and_harm_nobody() {
    let mut wrong = Vec::new();
    for batch in batches() {
        let mut stage = stage();
        let server = stage.server.sip();
        let mut watch = SipPeer::udp(server);
        for (number, case) in (1..).zip(batch) {
            let seen = by_datagram(&listener(number, case.name), server, case);
            serves(&mut watch, server, case.name);
            if seen != case.datagram {
                wrong.push(format!("{}: {seen:?}, expected {:?}", case.name, case.datagram));
            }
        }
        assert_unharmed(&mut stage);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn streams_get_their_verdict_and_harm_nobody() {
    let mut wrong = Vec::new();
    for batch in batches() {
        let mut stage = stage();
        let server = stage.server.sip();
        let mut watch = SipPeer::tcp(server);
        for case in batch.into_iter().filter(|case| case.stream != Skipped) {
            let mut stream = TcpStream::connect(server).expect("the server accepts");
            stream.set_read_timeout(Some(SOON)).expect("a time-out");
            stream.write_all(&case.bytes()).expect("written");
            if matches!(case.stream, Silence | Waits) {
                stream.write_all(&probe("TCP", server, case.name)).expect("written");
            }
            let seen = if case.stream == Waits {
                serves(&mut watch, server, case.name);
                waits(&mut stream)
            } else {
                on_stream(&mut stream, case.name)
            };
            serves(&mut watch, server, case.name);
            if seen != case.stream {
                wrong.push(format!("{}: {seen:?}, expected {:?}", case.name, case.stream));
            }
        }
        assert_unharmed(&mut stage);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn serves(watch: &mut SipPeer, server: SocketAddr, after: &str) {
    let options = watch.request("OPTIONS", &format!("sip:{server}"));
    assert_eq!(watch.transact(&options).code(), Some(200), "after {after}\n{}", watch.history());
}

fn assert_unharmed(stage: &mut Stage) {
    assert!(stage.server.is_running());
    let log = stage.server.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(stage.hooks.all_requests().is_empty(), "no stranger reaches an application");
}

/// Sends a message and gives what comes back. Where nothing should, an OPTIONS follows, whose answer shows
/// that there was nothing before it.
fn by_datagram(socket: &UdpSocket, server: SocketAddr, case: Case) -> Seen {
    let name = case.name;
    socket.send_to(&case.bytes(), server).expect("sent");
    if case.datagram == Silence {
        socket.send_to(&probe("UDP", server, name), server).expect("sent");
    }
    let mut buffer = vec![0; 65_536];
    loop {
        let Ok(len) = socket.recv(&mut buffer) else { panic!("{name}: no answer") };
        match judge(&buffer[..len]) {
            Some(Status(100)) => {}
            Some(seen) => return seen,
            None => panic!("{:?}", String::from_utf8_lossy(&buffer[..len])),
        }
    }
}

/// Whether a connection is open and nothing has come.
fn waits(stream: &mut TcpStream) -> Seen {
    stream.set_nonblocking(true).expect("a socket that does not block");
    match stream.read(&mut [0; 512]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Waits,
        Ok(len) if len > 0 => Status(0),
        _ => Closed,
    }
}

/// What comes back on a stream. Nothing is sent in answer to a 100, so a final response follows it.
fn on_stream(stream: &mut TcpStream, name: &str) -> Seen {
    let mut came = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Closed,
            Ok(len) => came.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Closed,
            Err(error) => panic!("{name}: {error} after {:?}", String::from_utf8_lossy(&came)),
        }
        while let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") {
            // no refusal and no answer to OPTIONS has a body
            let message: Vec<u8> = came.drain(..end + 4).collect();
            match judge(&message) {
                Some(Status(100)) => {}
                Some(seen) => return seen,
                None => panic!("{:?}", String::from_utf8_lossy(&message)),
            }
        }
    }
}

/// A response, or silence if it is the one to [`probe`]. Read without care for its fields, which
/// repeat those of the message.
fn judge(response: &[u8]) -> Option<Seen> {
    let text = String::from_utf8_lossy(response);
    if text.contains("Call-ID: probe\r\n") {
        return Some(Silence);
    }
    text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok().map(Status)
}

/// An OPTIONS of its own transaction for each message.
fn probe(transport: &str, server: SocketAddr, name: &str) -> Vec<u8> {
    format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/{transport} probe.invalid;branch=z9hG4bK{name};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:probe@probe.invalid>;tag=probe\r\nTo: <sip:{server}>\r\n\
         Call-ID: probe\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// Where the Via of a message says that it is listened to, for most have no `rport`: at that port of a
/// loopback address of its own, which hears nothing of the other messages.
fn listener(number: u8, name: &str) -> UdpSocket {
    let port = match name {
        "quotbal" => 5050,
        "mult-ip-in-header" => 6050,
        "ipv4-mapped-ipv6" => 19_823,
        _ => 5060,
    };
    let bound =
        (1..=250).find_map(|net| UdpSocket::bind((Ipv4Addr::new(127, 51, net, number), port)).ok());
    let socket = bound.unwrap_or_else(|| panic!("port {port} is taken on every loopback address"));
    socket.set_read_timeout(Some(SOON)).expect("a time-out");
    socket
}
