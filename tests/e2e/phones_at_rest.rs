//! Phones without a will of their own, on one socket: `ringing` rings, every other is answered, and
//! every request in a call is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use support::rtp_peer::Voice;
use support::{RtpPeer, Server, SipPeer};

/// How often they look whether they are still needed.
const GLANCE: Duration = Duration::from_millis(100);

/// Dropping them ends them; their calls are not hung up.
pub(crate) struct PhonesAtRest {
    address: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PhonesAtRest {
    pub(crate) fn start(server: &Server) -> Self {
        let peer = SipPeer::udp(server.sip());
        let address = peer.local_addr().to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || answer(peer, &stop)
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// The URI of the phone of that name.
    pub(crate) fn uri(&self, name: &str) -> String {
        format!("sip:{name}@{}", self.address)
    }
}

impl Drop for PhonesAtRest {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What went wrong there has been printed; whoever called has noticed it too.
            let _ = thread.join();
        }
    }
}

fn answer(mut peer: SipPeer, stop: &AtomicBool) {
    let mut media = Vec::new();
    let mut ringing = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = peer.next_message(GLANCE) else { continue };
        match message.method() {
            Some("INVITE") if message.uri().is_some_and(|uri| uri.contains("ringing")) => {
                peer.reply(&message, 180, "Ringing");
                ringing = Some(message);
            }
            Some("INVITE") => {
                let rtp = RtpPeer::start(Voice::Silence);
                peer.accept(&message, &rtp);
                media.push(rtp);
            }
            Some("CANCEL") => {
                peer.reply(&message, 200, "OK");
                if let Some(invite) = ringing.take() {
                    peer.reply(&invite, 487, "Request Terminated");
                }
            }
            Some("ACK") | None => {}
            Some(_) => {
                peer.reply(&message, 200, "OK");
            }
        }
    }
}
