//! One dialog's memory (RFC 3261 §12): tags, targets, routes, the local CSeq.

use crate::message::{Message, uri_of};

/// An established (or early) dialog as one side keeps it.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub call_id: String,
    /// Own From value, tag included.
    pub local: String,
    /// The other side's To value, tag included.
    pub remote: String,
    /// Request-URI of requests inside the dialog: the other side's Contact.
    pub target: String,
    pub routes: Vec<String>,
    pub cseq: u32,
}

impl Dialog {
    /// As the caller keeps it, from its INVITE and a response that has a To tag.
    #[must_use]
    pub fn of_caller(invite: &Message, response: &Message) -> Option<Self> {
        response.to_tag()?;
        let mut routes: Vec<String> = routes_of(response);
        routes.reverse();
        Some(Self {
            call_id: invite.call_id().to_owned(),
            local: invite.header("From")?.to_owned(),
            remote: response.header("To")?.to_owned(),
            target: uri_of(response.header("Contact")?).to_owned(),
            routes,
            cseq: invite.cseq()?.0,
        })
    }

    /// As the called side keeps it, from the INVITE received and the response sent.
    #[must_use]
    pub fn of_called(invite: &Message, response: &Message) -> Option<Self> {
        response.to_tag()?;
        Some(Self {
            call_id: invite.call_id().to_owned(),
            local: response.header("To")?.to_owned(),
            remote: invite.header("From")?.to_owned(),
            target: uri_of(invite.header("Contact")?).to_owned(),
            routes: routes_of(invite),
            cseq: 0,
        })
    }

    /// The next request inside the dialog, without Via and Contact. `ACK` keeps the CSeq number.
    pub fn request(&mut self, method: &str) -> Message {
        if method != "ACK" {
            self.cseq += 1;
        }
        let mut request = Message::request(method, &self.target);
        for route in &self.routes {
            request = request.with("Route", route);
        }
        request
            .with("Max-Forwards", "70")
            .with("From", &self.local)
            .with("To", &self.remote)
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{} {method}", self.cseq))
    }
}

fn routes_of(message: &Message) -> Vec<String> {
    message
        .all("Record-Route")
        .flat_map(|value| value.split(','))
        .map(|route| route.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_s_routes_are_reversed_and_its_cseq_goes_on() {
        let invite = Message::request("INVITE", "sip:b@h")
            .with("From", "<sip:a@h>;tag=1")
            .with("Call-ID", "c")
            .with("CSeq", "5 INVITE");
        let ok = Message::response(200, "OK")
            .with("Record-Route", "<sip:p1;lr>, <sip:p2;lr>")
            .with("To", "<sip:b@h>;tag=2")
            .with("Contact", "<sip:b@10.0.0.1:5070;transport=tcp>");
        let mut dialog = Dialog::of_caller(&invite, &ok).expect("dialog");
        let ack = dialog.request("ACK");
        assert_eq!(ack.uri(), Some("sip:b@10.0.0.1:5070;transport=tcp"));
        assert_eq!(ack.cseq(), Some((5, "ACK")));
        assert_eq!(ack.all("Route").collect::<Vec<_>>(), ["<sip:p2;lr>", "<sip:p1;lr>"]);
        assert_eq!(dialog.request("BYE").cseq(), Some((6, "BYE")));
    }

    #[test]
    fn a_response_without_tag_makes_no_dialog() {
        let invite = Message::request("INVITE", "sip:b@h").with("From", "<sip:a@h>;tag=1");
        let trying = Message::response(100, "Trying").with("To", "<sip:b@h>");
        assert!(Dialog::of_caller(&invite, &trying).is_none());
    }
}
