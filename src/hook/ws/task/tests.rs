//! The task with a real application on loopback.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::hook::ws::MessageType;
use crate::hook::{Base, HookConfig, HookId, HookKind, HookReply, HookRequest};
use crate::model::{AddressPolicy, Hook, Secret};

struct Application {
    listener: TcpListener,
    url: String,
}

impl Application {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/app", listener.local_addr().unwrap());
        Self { listener, url }
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        let soon = timeout(Duration::from_secs(20), self.listener.accept());
        let (stream, _) = soon.await.expect("a connection").unwrap();
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let judge = |_: &Request, mut accepted: Response| {
            let name = HeaderValue::from_static(SUBPROTOCOL);
            accepted.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
            Ok(accepted)
        };
        accept_hdr_async(stream, judge).await.unwrap()
    }

    fn target(&self) -> ResolvedHook {
        let hook = Hook::post(&self.url);
        Base::of(&hook).resolve(&hook).unwrap()
    }
}

async fn hear(socket: &mut WebSocketStream<TcpStream>) -> Value {
    let frame = timeout(Duration::from_secs(20), socket.next()).await.expect("a message");
    serde_json::from_str(frame.unwrap().unwrap().to_text().unwrap()).unwrap()
}

fn client() -> HookClient {
    let addresses = AddressPolicy::loopback();
    HookClient::new(&HookConfig { addresses, ..HookConfig::default() }).unwrap()
}

fn told(kind: MessageType, id: Option<u64>) -> Message {
    Message { kind, hook: None, data: Map::new(), reply_to: id.map(HookId) }
}

fn ack(message: &Value, data: &Value) -> Frame {
    Frame::text(json!({"type": "ack", "msgid": message["msgid"], "data": data}).to_string())
}

#[tokio::test]
async fn a_session_over_two_sockets() {
    let application = Application::start().await;
    let (heard, mut events) = mpsc::unbounded_channel();
    let deliver = move |event| {
        let _ = heard.send(event);
        std::future::ready(())
    };
    let sender = open(client(), CallSid::random(), &application.target(), deliver);
    sender.send(told(MessageType::SessionNew, Some(1))).unwrap();
    let mut socket = application.accept().await;
    let first = hear(&mut socket).await;
    assert_eq!(first["type"], "session:new");
    socket.send(ack(&first, &json!([1]))).await.unwrap();
    let Some(Event::Reply(reply)) = events.recv().await else { panic!("no reply") };
    assert_eq!(reply.result, Ok(HookReply { body: Some(json!([1])) }));

    drop(socket);
    let mut socket = application.accept().await;
    let again = hear(&mut socket).await;
    assert_eq!(again["type"], "session:reconnect");
    sender.send(told(MessageType::CallStatus, None)).unwrap();
    sender.close();
    socket.send(ack(&again, &json!([1]))).await.unwrap();
    // The end came before the ack: whatever was still sent, the socket closes.
    loop {
        match timeout(Duration::from_secs(20), socket.next()).await.expect("an end") {
            Some(Ok(Frame::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => {}
        }
    }
    assert!(sender.send(told(MessageType::CallStatus, None)).is_err());
}

#[tokio::test]
async fn the_last_word_is_heard_before_the_close() {
    let application = Application::start().await;
    let deliver = |_| std::future::ready(());
    let sender = open(client(), CallSid::random(), &application.target(), deliver);
    for _ in 0..3 {
        sender.send(told(MessageType::CallStatus, None)).unwrap();
    }
    sender.close();
    let mut socket = application.accept().await;
    for _ in 0..3 {
        assert_eq!(hear(&mut socket).await["type"], "call:status");
    }
    let Some(Ok(Frame::Close(Some(frame)))) = socket.next().await else { panic!("no close") };
    assert_eq!(u16::from(frame.code), 1000);
}

#[tokio::test]
async fn one_question_has_a_socket_of_its_own() {
    let application = Application::start().await;
    let request = HookRequest {
        id: HookId(1),
        kind: HookKind::VerbHook,
        call_sid: CallSid::random(),
        target: Base::default().resolve(&Hook::post(&application.url)).unwrap(),
        body: Map::from_iter([("a".to_owned(), json!(1))]),
        secret: Secret("s".into()),
    };
    let client = client();
    let asking = tokio::spawn(async move { client.send(&request).await });
    let mut socket = application.accept().await;
    let first = hear(&mut socket).await;
    assert_eq!((&first["type"], &first["data"]), (&json!("session:new"), &json!({"a": 1})));
    socket.send(Frame::text("{}")).await.unwrap();
    socket.send(ack(&first, &json!([2]))).await.unwrap();
    assert_eq!(asking.await.unwrap(), Ok(HookReply { body: Some(json!([2])) }));
    let Some(Ok(Frame::Close(Some(frame)))) = socket.next().await else { panic!("no close") };
    assert_eq!(u16::from(frame.code), 1000);
}
