//! Streams to a WebSocket server on loopback.

use futures_util::{SinkExt as _, StreamExt as _};
use media::dsp::goertzel_dbfs;
use media::mixer::SeatTap;
use media::source::tone;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::*;
use crate::hook::HookConfig;
use crate::model::{AddressPolicy, Secret};
use crate::verb::WsAuth;

const WITHIN: Duration = Duration::from_secs(10);

/// Accepts one socket; what it was asked comes first.
async fn server() -> (Url, oneshot::Receiver<(String, WebSocketStream<TcpStream>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/audio", listener.local_addr().unwrap())).unwrap();
    let (opened, socket) = oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut asked = String::new();
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let judge = |request: &Request, mut answer: Response| {
            let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
            asked = format!("{} {}", header("sec-websocket-protocol"), header("authorization"));
            let name = HeaderValue::from_static("audio.jambonz.org");
            answer.headers_mut().insert("sec-websocket-protocol", name);
            Ok(answer)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, judge).await.unwrap();
        let _ = opened.send((asked, socket));
    });
    (url, socket)
}

fn listener(addresses: AddressPolicy) -> Listener {
    let hooks = HookClient::new(&HookConfig { addresses, ..HookConfig::default() }).unwrap();
    Listener::new(hooks, actix::Arbiter::current())
}

fn listen(mix: MixType) -> Listen {
    let auth = WsAuth { username: "jo".to_owned(), password: Secret("pw".to_owned()) };
    Listen {
        url: String::new(),
        mix,
        sample_rate: 8_000,
        metadata: json!({"room": 5}).as_object().cloned(),
        auth: Some(auth),
        pass_dtmf: true,
        is_of_callee: false,
    }
}

fn open(url: Url, mix: MixType) -> (Streaming, SeatTap, oneshot::Receiver<Ended>) {
    let (told, ended) = oneshot::channel();
    let call = json!({"call_sid": "c"}).as_object().cloned().unwrap();
    let listener = listener(AddressPolicy::loopback());
    let (streaming, tap) = listener.open(url, &listen(mix), call, move |how| {
        let _ = told.send(how);
    });
    (streaming, tap, ended)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(WITHIN, what).await.expect("in time")
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Message {
    soon(socket.next()).await.expect("a message").expect("a good one")
}

/// A tick of a tone in each tap.
fn speak(tap: &mut SeatTap, said: &[i16], heard: &[i16]) {
    for (writer, samples) in [(&mut tap.said, said), (&mut tap.heard, heard)] {
        if let Some(writer) = writer {
            writer.write(Some(samples), SampleRate::NARROW);
        }
    }
}

#[actix_web::test]
async fn the_tone_of_a_call_arrives_after_its_first_message() {
    let (url, socket) = server().await;
    let (streaming, mut tap, ended) = open(url, MixType::Stereo);
    let (asked, mut socket) = soon(socket).await.unwrap();
    assert_eq!(asked, "audio.drachtio.org, audio.jambonz.org Basic am86cHc=");
    let setup: Value = serde_json::from_str(next(&mut socket).await.to_text().unwrap()).unwrap();
    let expected = json!({"type": "setup", "sampleRate": 8_000, "mixType": "stereo", "callSid": "c", "room": 5});
    assert_eq!(setup, expected);
    let said = tone::sine(SampleRate::NARROW, 1_000.0, -12.0, 16_000);
    let heard = tone::sine(SampleRate::NARROW, 440.0, -12.0, 16_000);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut frames = said.chunks(160).zip(heard.chunks(160)).cycle();
    while left.len() < 8_000 {
        let (said, heard) = frames.next().unwrap();
        speak(&mut tap, said, heard);
        tokio::task::yield_now().await;
        if let Ok(message) = tokio::time::timeout(FRAME, socket.next()).await {
            let bytes = message.unwrap().unwrap().into_data();
            assert_eq!(bytes.len(), 640);
            for four in bytes.chunks_exact(4) {
                left.push(i16::from_le_bytes([four[0], four[1]]));
                right.push(i16::from_le_bytes([four[2], four[3]]));
            }
        }
    }
    for (samples, hz, other) in [(&left, 1_000.0, 440.0), (&right, 440.0, 1_000.0)] {
        let level = |hz| goertzel_dbfs(samples, 8_000, hz);
        assert!(level(hz) > -14.0 && level(other) < -30.0, "{} {}", level(hz), level(other));
    }
    streaming.order(Order::Digit('5', Duration::from_millis(100)));
    let digit = loop {
        if let Message::Text(text) = next(&mut socket).await {
            break serde_json::from_str::<Value>(&text).unwrap();
        }
    };
    assert_eq!((&digit["dtmf"], &digit["duration"]), (&json!("5"), &json!(800)));
    drop(streaming);
    let closed = loop {
        if let Message::Close(frame) = next(&mut socket).await {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(closed.code), 1000);
    // Our word on it lets the other side go.
    while let Some(Ok(_)) = soon(socket.next()).await {}
    assert!(matches!(soon(ended).await.unwrap(), Ended::Stopped));
}

#[actix_web::test]
async fn a_pause_sends_nothing_and_the_peer_may_end_it() {
    let (url, socket) = server().await;
    let (streaming, mut tap, ended) = open(url, MixType::Mono);
    let (_, mut socket) = soon(socket).await.unwrap();
    next(&mut socket).await;
    streaming.order(Order::Flow(StreamFlow::Paused));
    // Text frames keep their place among the orders: what follows one is after the pause.
    streaming.order(Order::Digit('1', Duration::ZERO));
    assert!(next(&mut socket).await.is_text());
    for _ in 0..5 {
        speak(&mut tap, &[7; 160], &[]);
        tokio::time::sleep(FRAME).await;
    }
    streaming.order(Order::Flow(StreamFlow::Silent));
    streaming.order(Order::Digit('2', Duration::ZERO));
    assert!(next(&mut socket).await.is_text(), "audio in a pause");
    speak(&mut tap, &[7; 160], &[]);
    assert_eq!(next(&mut socket).await.into_data()[..], [0; 320]);
    socket.send(Message::text(r#"{"type": "playAudio"}"#)).await.unwrap();
    socket.send(Message::text(r#"{"type": "disconnect"}"#)).await.unwrap();
    while let Some(Ok(_)) = soon(socket.next()).await {}
    assert!(matches!(soon(ended).await.unwrap(), Ended::ByPeer));
}

#[actix_web::test]
async fn addresses_are_guarded_and_nobody_at_home_is_told() {
    let url = Url::parse("ws://127.0.0.1:9/audio").unwrap();
    let (_streaming, _tap, ended) = open(url.clone(), MixType::Mono);
    assert!(matches!(soon(ended).await.unwrap(), Ended::NotConnected(HookError::Connect { .. })));
    let (told, ended) = oneshot::channel();
    let strict = listener(AddressPolicy::default());
    let _stream = strict.open(url, &listen(MixType::Mono), Map::new(), move |how| {
        let _ = told.send(how);
    });
    let how = soon(ended).await.unwrap();
    assert!(matches!(how, Ended::NotConnected(HookError::ForbiddenAddress { .. })), "{how:?}");
}
