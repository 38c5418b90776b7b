//! One question over a socket of its own: a hook with a WebSocket URL that is not the session's
//! (contract verbs.md §1.2).

use tokio::time::{sleep, timeout};

use super::protocol::{self, Incoming, SUBPROTOCOL};
use crate::hook::resolve::shown;
use crate::hook::retry::Schedule;
use crate::hook::ws_connect::{WsIncoming, WsSocket, WsTarget};
use crate::hook::{HookClient, HookError, HookReply, HookRequest, Phase};

impl HookClient {
    /// Opens a socket, asks as `session:new`, and closes it when the answer is there.
    ///
    /// # Errors
    /// No connection, no answer in time, or a socket that closes before it.
    pub(in crate::hook) async fn ask_over_socket(
        &self,
        request: &HookRequest,
    ) -> Result<HookReply, HookError> {
        let target = &request.target;
        let schedule = Schedule::of_socket(target.url.fragment());
        let to = WsTarget {
            url: &target.url,
            auth: target.auth.as_ref(),
            subprotocols: &[SUBPROTOCOL],
            needs_subprotocol: true,
        };
        let mut failed = 0;
        let mut socket = loop {
            match self.connect_ws(&to).await {
                Ok(socket) => break socket,
                Err(error) => {
                    failed += 1;
                    match schedule.wait_after(failed, &error) {
                        Some(wait) => sleep(wait).await,
                        None => return Err(error),
                    }
                }
            }
        };
        let limit = self.ws.ack_timeout();
        let answer = timeout(limit, exchange(&mut socket, request)).await;
        let url = || shown(&target.url);
        let answer = match answer {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => return Err(HookError::Abandoned { url: url() }),
            Err(_) => Err(HookError::Timeout { url: url(), phase: Phase::Headers, limit }),
        };
        let code = if answer.is_ok() { 1000 } else { 1001 };
        tokio::spawn(socket.close(code, ""));
        answer
    }
}

/// The answer; nothing if the socket closes before it.
async fn exchange(socket: &mut WsSocket, request: &HookRequest) -> Option<HookReply> {
    let msgid = format!("{:08x}-1", rand::random::<u32>());
    let data = request.body.clone();
    let text = protocol::envelope("session:new", msgid.clone(), request.call_sid, None, data);
    socket.send_text(text).await.ok()?;
    loop {
        let WsIncoming::Text(text) = socket.next().await else { return None };
        match protocol::parse(&text) {
            Ok(Incoming::Ack { msgid: named, data }) if named == msgid => {
                return Some(HookReply { body: data });
            }
            Ok(Incoming::Command(command)) if command.msgid.as_ref() == Some(&msgid) => {
                return Some(HookReply { body: Some(command.data) });
            }
            // What else it says has nobody to obey it.
            Ok(_) | Err(_) => {}
        }
    }
}
