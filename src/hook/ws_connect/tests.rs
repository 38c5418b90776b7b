//! Sockets to a server on loopback that answers well or badly.

use tokio::net::TcpListener;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Asked, Response as Accepted};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::*;
use crate::hook::HookConfig;
use crate::hook::test_server::{Answer, TestServer};
use crate::model::{AddressPolicy, Secret};

fn client_with(ws: WsConfig) -> HookClient {
    let addresses = AddressPolicy::loopback();
    HookClient::new(&HookConfig { addresses, ws, ..HookConfig::default() }).unwrap()
}

fn client() -> HookClient {
    client_with(WsConfig::default())
}

fn target<'a>(url: &'a Url, subprotocols: &'a [&'a str]) -> WsTarget<'a> {
    WsTarget { url, auth: None, subprotocols, needs_subprotocol: true }
}

/// Accepts one socket with the subprotocol it is told to name; what it was asked comes back.
async fn server(
    subprotocol: Option<&'static str>,
) -> (Url, tokio::task::JoinHandle<(HeaderMap, WebSocketStream<TcpStream>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("ws://{}/app?x=1#rc=2", listener.local_addr().unwrap())).unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut asked = HeaderMap::new();
        #[expect(clippy::result_large_err, reason = "the library's type")]
        let judge = |request: &Asked, mut accepted: Accepted| {
            assert_eq!(request.uri(), "/app?x=1");
            asked = request.headers().clone();
            if let Some(name) = subprotocol {
                let name = HeaderValue::from_static(name);
                accepted.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
            }
            Ok(accepted)
        };
        let socket = accept_hdr_async(stream, judge).await.unwrap();
        (asked, socket)
    });
    (url, task)
}

#[tokio::test]
async fn messages_go_both_ways_until_somebody_closes() {
    let (url, peer) = server(Some("b")).await;
    let auth = Login { username: "jo".into(), password: Secret("pass word".into()) };
    let target = WsTarget { auth: Some(&auth), ..target(&url, &["a", "b"]) };
    let mut socket = client().connect_ws(&target).await.unwrap();
    assert_eq!(socket.subprotocol(), Some("b"));
    let (asked, mut peer) = peer.await.unwrap();
    assert_eq!(asked[header::SEC_WEBSOCKET_PROTOCOL], "a, b");
    assert_eq!(asked[header::AUTHORIZATION], "Basic am86cGFzcyB3b3Jk");
    assert_eq!(asked[header::USER_AGENT], "jambonz");
    assert_eq!(asked[header::HOST], url[url::Position::BeforeHost..url::Position::AfterPort]);

    socket.send_text("{\"ä\":1}".into()).await.unwrap();
    socket.send_binary(Bytes::from_static(&[0, 255])).await.unwrap();
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::text("{\"ä\":1}"));
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::Binary(vec![0, 255].into()));
    peer.send(Message::Ping(Bytes::from_static(b"?"))).await.unwrap();
    peer.send(Message::text("x")).await.unwrap();
    assert_eq!(socket.next().await, WsIncoming::Text("x".into()));
    assert_eq!(peer.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"?")));
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    peer.close(Some(frame)).await.unwrap();
    assert_eq!(socket.next().await, WsIncoming::Closed(Some(1000)));
}

#[tokio::test]
async fn our_close_names_its_code() {
    let (url, peer) = server(Some("a")).await;
    let socket = client().connect_ws(&target(&url, &["a"])).await.unwrap();
    let (_, mut peer) = peer.await.unwrap();
    let closing = tokio::spawn(socket.close(1001, "failed"));
    let Some(Ok(Message::Close(Some(frame)))) = peer.next().await else { panic!("no close") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "failed"));
    assert!(peer.next().await.is_none());
    closing.await.unwrap();
}

#[tokio::test]
async fn a_subprotocol_is_needed_or_not_and_never_another() {
    for (answered, offered, needed, is_open) in [
        (None, &["a"][..], true, false),
        (None, &["a"][..], false, true),
        (None, &[][..], false, true),
        (Some("b"), &["a"][..], false, false),
        (Some("a"), &["a"][..], true, true),
    ] {
        let (url, _peer) = server(answered).await;
        let target = WsTarget { needs_subprotocol: needed, ..target(&url, offered) };
        match client().connect_ws(&target).await {
            Ok(socket) => {
                assert!(is_open, "{answered:?} {offered:?}");
                assert_eq!(socket.subprotocol(), answered);
            }
            Err(error) => {
                assert!(!is_open, "{answered:?} {offered:?}: {error}");
                assert!(matches!(error, HookError::Subprotocol { .. }), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn two_redirects_are_followed_and_credentials_stay_at_home() {
    let (end, peer) = server(Some("a")).await;
    let second = TestServer::start({
        let end = end.to_string().replace("ws://", "http://");
        move |_| Answer::RawThenClose(format!("HTTP/1.1 307 x\r\nLocation: {end}\r\n\r\n"))
    })
    .await;
    let first = {
        let second = second.url("/second").replace("http://", "ws://");
        TestServer::start(move |seen| {
            let next = if seen.number == 0 { second.as_str() } else { "/again" };
            Answer::RawThenClose(format!("HTTP/1.1 302 x\r\nLocation: {next}\r\n\r\n"))
        })
        .await
    };
    let url = Url::parse(&first.url("/first").replace("http://", "ws://")).unwrap();
    let auth = Login { username: "jo".into(), password: Secret("pass".into()) };
    let target = WsTarget { auth: Some(&auth), ..target(&url, &["a"]) };
    client().connect_ws(&target).await.unwrap();
    let (asked, _) = peer.await.unwrap();
    assert!(!asked.contains_key(header::AUTHORIZATION));
    // From now on `first` leads to itself.
    let error = client().connect_ws(&target).await.unwrap_err();
    assert!(matches!(error, HookError::Status { status: 508, .. }), "{error}");
}

#[tokio::test]
async fn each_bad_answer_is_told_from_the_others() {
    let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("ws://{refused}/")).unwrap();
    let error = client().connect_ws(&target(&url, &["a"])).await.unwrap_err();
    assert!(matches!(error, HookError::Connect { fault: ConnectFault::Refused, .. }), "{error}");

    for (answer, fault) in [
        ("HTTP/1.1 101 x\r\n\r\n", ConnectFault::NotWebSocket),
        ("SIP/2.0 200 OK\r\n\r\n", ConnectFault::NotWebSocket),
        (
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
             Sec-WebSocket-Accept: AAAA\r\n\r\n",
            ConnectFault::NotWebSocket,
        ),
        ("HTTP/1.1 1", ConnectFault::Reset),
    ] {
        let server = TestServer::start(move |_| Answer::RawThenClose(answer.into())).await;
        let url = Url::parse(&server.url("/").replace("http", "ws")).unwrap();
        let error = client().connect_ws(&target(&url, &["a"])).await.unwrap_err();
        let HookError::Connect { fault: given, .. } = error else { panic!("{answer}: {error}") };
        assert_eq!(given, fault, "{answer}");
    }
    let server = TestServer::start(|_| Answer::status(404, "text/html", "no")).await;
    let url = Url::parse(&server.url("/?token=hunter2").replace("http", "ws")).unwrap();
    let error = client().connect_ws(&target(&url, &["a"])).await.unwrap_err();
    assert!(matches!(error, HookError::Status { status: 404, .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"));
}

#[tokio::test]
async fn a_handshake_that_does_not_end_and_an_address_that_is_not_allowed() {
    let server = TestServer::start(|_| Answer::Hang("HTTP/1.1 101 x\r\n".into())).await;
    let url = Url::parse(&server.url("/").replace("http", "ws")).unwrap();
    let handshake_timeout = Duration::from_millis(50);
    let hasty = client_with(WsConfig { handshake_timeout, ..WsConfig::default() });
    let error = hasty.connect_ws(&target(&url, &["a"])).await.unwrap_err();
    assert!(matches!(error, HookError::Connect { fault: ConnectFault::TimedOut, .. }), "{error}");

    let strict = HookClient::new(&HookConfig::default()).unwrap();
    let error = strict.connect_ws(&target(&url, &["a"])).await.unwrap_err();
    assert!(matches!(error, HookError::ForbiddenAddress { .. }), "{error}");
    // Also where a redirect leads to.
    let target_url = Url::parse("ws://[::ffff:10.0.0.1]/").unwrap();
    let error = client().connect_ws(&target(&target_url, &["a"])).await.unwrap_err();
    assert!(matches!(error, HookError::ForbiddenAddress { .. }), "{error}");
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_socket() {
    let (url, peer) = server(Some("a")).await;
    let small = client_with(WsConfig { message_max_bytes: 1000, ..WsConfig::default() });
    let mut socket = small.connect_ws(&target(&url, &["a"])).await.unwrap();
    let (_, mut peer) = peer.await.unwrap();
    peer.send(Message::text("x".repeat(1000))).await.unwrap();
    assert_eq!(socket.next().await, WsIncoming::Text("x".repeat(1000).into()));
    peer.send(Message::text("x".repeat(1001))).await.unwrap();
    assert!(matches!(socket.next().await, WsIncoming::Lost(_)));
}
