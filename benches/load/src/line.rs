//! What all callers share: the address they call from, who they are, and how their requests look.

use std::net::SocketAddr;

use support::Message;
use support::digest::{Challenge, Credentials};

#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) local: SocketAddr,
    pub(crate) domain: String,
    pub(crate) user: String,
    pub(crate) credentials: Option<Credentials>,
}

impl Line {
    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.local)
    }

    /// A request with Via (its branch made of `branch`) and Max-Forwards.
    pub(crate) fn request(&self, method: &str, uri: &str, branch: &str) -> Message {
        Message::request(method, uri).with("Via", self.via(branch)).with("Max-Forwards", "70")
    }

    /// A request made by a dialog, completed with Via and Contact.
    pub(crate) fn in_dialog(&self, mut request: Message, branch: &str) -> Message {
        request.headers.insert(0, ("Via".to_owned(), self.via(branch)));
        request.with("Contact", self.contact())
    }

    fn via(&self, branch: &str) -> String {
        format!("SIP/2.0/UDP {};branch=z9hG4bK-{branch};rport", self.local)
    }

    /// The request again with an answer to the challenge in `response`: next CSeq, new branch.
    /// `None` when nothing was asked, nobody can answer, or it was answered before.
    pub(crate) fn authorize(&self, request: &Message, response: &Message) -> Option<Message> {
        let challenge = Challenge::of(response)?;
        let credentials = self.credentials.as_ref()?;
        if request.header(challenge.answer_header).is_some() {
            return None;
        }
        let (cseq, method) = request.cseq()?;
        let branch = request.branch()?.trim_start_matches("z9hG4bK-");
        let value = challenge.answer(credentials, method, request.uri()?, 1);
        let mut again = request.clone();
        again.set("Via", self.via(&format!("{branch}-a")));
        again.set("CSeq", format!("{} {method}", cseq + 1));
        again.set(challenge.answer_header, value);
        Some(again)
    }
}
