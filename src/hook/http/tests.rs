use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::hook::test_server::{Answer, Seen, TestServer};

fn client() -> HookClient {
    with(|_| ())
}

fn with(change: impl FnOnce(&mut HookConfig)) -> HookClient {
    let mut config = HookConfig { addresses: AddressPolicy::loopback(), ..HookConfig::default() };
    change(&mut config);
    HookClient::new(&config).unwrap()
}

fn secret() -> Secret {
    Secret("wh_secret".into())
}

fn body() -> Map<String, Value> {
    let Value::Object(map) = json!({
        "call_sid": "c-1",
        "from": "José & Söhne",
        "sip_status": 200,
        "duration": 2.0,
        "has_recording": false,
        "customerData": {"b": 1, "1": 2.50},
    }) else {
        unreachable!()
    };
    map
}

async fn ask(server: &TestServer, path: &str) -> Result<HookReply, HookError> {
    client().ask(&server.hook(path), &secret(), &body()).await
}

fn signed_seconds(seen: &Seen) -> u64 {
    let value = seen.header("jambonz-signature").unwrap();
    value.strip_prefix("t=").unwrap().split_once(',').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn post_carries_the_signed_javascript_json() {
    let mut server = TestServer::start(|_| Answer::json(r#"[{"verb":"hangup"}]"#)).await;
    let reply = ask(&server, "/hello?x=1#rc=2&secret").await.unwrap();
    assert_eq!(reply, HookReply { body: Some(json!([{"verb": "hangup"}])) });

    let seen = server.next().await;
    assert_eq!(seen.line, "POST /hello?x=1 HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("user-agent"), Some("jambonz"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(
        seen.body,
        r#"{"call_sid":"c-1","from":"José & Söhne","sip_status":200,"duration":2,"has_recording":false,"customerData":{"1":2.5,"b":1}}"#
    );
    let seconds = signed_seconds(&seen);
    assert!(unix_seconds().abs_diff(seconds) < 60);
    let expected = sign::signature(&secret(), seconds, &seen.body);
    assert_eq!(seen.header("jambonz-signature"), Some(expected.as_str()));
}

#[tokio::test]
async fn get_carries_scalars_in_the_query_and_is_signed_over_an_empty_object() {
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let target = ResolvedHook { method: HookMethod::Get, ..server.hook("/hello?x=a%26b") };
    client().ask(&target, &secret(), &body()).await.unwrap();

    let seen = server.next().await;
    assert_eq!(
        seen.line,
        "GET /hello?x=a%26b&call_sid=c-1&from=Jos%C3%A9+%26+S%C3%B6hne&sip_status=200&duration=2\
         &has_recording=false HTTP/1.1"
    );
    assert_eq!((seen.body.as_str(), seen.header("content-type")), ("", None));
    let expected = sign::signature(&secret(), signed_seconds(&seen), "{}");
    assert_eq!(seen.header("jambonz-signature"), Some(expected.as_str()));
}

#[tokio::test]
async fn credentials_and_user_agent_are_sent_when_set() {
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let auth = Some(Login { username: "jo".into(), password: Secret("p:w".into()) });
    let target = ResolvedHook { auth, ..server.hook("/") };
    let client = with(|config| config.user_agent = "my server/1".into());
    client.ask(&target, &secret(), &body()).await.unwrap();
    let seen = server.next().await;
    assert_eq!(seen.header("authorization"), Some("Basic am86cDp3"));
    assert_eq!(seen.header("user-agent"), Some("my server/1"));
}

#[tokio::test]
async fn statuses_other_than_200_202_and_204_are_failures_and_redirects_are_not_followed() {
    for status in [200, 202, 204] {
        let server = TestServer::start(move |_| {
            Answer::Raw(format!("HTTP/1.1 {status} Ok\r\nContent-Length: 0\r\n\r\n"))
        })
        .await;
        assert_eq!(ask(&server, "/").await.unwrap(), HookReply { body: None });
    }
    for status in [201, 301, 302, 400, 404, 500, 503] {
        let mut server = TestServer::start(move |_| {
            Answer::Raw(format!(
                "HTTP/1.1 {status} No\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
            ))
        })
        .await;
        let error = ask(&server, "/x?token=hunter2").await.unwrap_err();
        assert_eq!(error, HookError::Status { url: server.url("/x?..."), status });
        server.next().await;
        assert!(server.seen().is_none(), "{status} was followed or tried again");
    }
}

#[tokio::test]
async fn only_json_is_read_and_what_claims_to_be_json_must_be() {
    for (kind, text, expected) in [
        ("application/json", "[1]", Some(json!([1]))),
        ("Application/JSON;charset=utf-8", "{}", Some(json!({}))),
        ("application/json", "", None),
        ("text/plain; charset=utf-8", "OK", None),
        ("text/html", "[1]", None),
    ] {
        let server = TestServer::start(move |_| Answer::status(200, kind, text)).await;
        assert_eq!(ask(&server, "/").await.unwrap().body, expected, "{kind} {text}");
    }
    let deep = "[".repeat(100_000);
    for text in ["not json", "[1", deep.as_str()] {
        let text = text.to_owned();
        let server = TestServer::start(move |_| Answer::json(&text)).await;
        let error = ask(&server, "/").await.unwrap_err();
        assert_eq!(error, HookError::NotJson { url: server.url("/") });
    }
}

#[tokio::test]
async fn an_answer_that_does_not_begin_or_end_in_time_is_a_timeout() {
    let limit = Duration::from_millis(500);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[1,";
    for (sent, phase) in [("", Phase::Headers), (head, Phase::Body)] {
        let server = TestServer::start(move |_| Answer::Hang(sent.into())).await;
        let error = with(|config| config.timeout = limit)
            .ask(&server.hook("/"), &secret(), &body())
            .await
            .unwrap_err();
        assert_eq!(error, HookError::Timeout { url: server.url("/"), phase, limit });
    }
}

#[tokio::test]
async fn a_reply_is_bounded_and_must_be_complete() {
    let client = with(|config| config.max_reply_bytes = 10);
    let announced =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\
                   \r\n\r\n6\r\n[1,2,3\r\n5\r\n,4,5]\r\n0\r\n\r\n";
    for answer in [announced, chunked] {
        let server = TestServer::start(move |_| Answer::Hang(answer.into())).await;
        let error = client.ask(&server.hook("/"), &secret(), &body()).await.unwrap_err();
        assert_eq!(error, HookError::TooLarge { url: server.url("/"), limit: 10 });
    }
    let fits = TestServer::start(|_| Answer::json("[1,2,3,44]")).await;
    assert!(client.ask(&fits.hook("/"), &secret(), &body()).await.is_ok());

    let cut = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[1";
    let server = TestServer::start(move |_| Answer::RawThenClose(cut.into())).await;
    let error = client.ask(&server.hook("/"), &secret(), &body()).await.unwrap_err();
    assert_eq!(error, HookError::Truncated { url: server.url("/") });
}

#[tokio::test]
async fn a_connection_of_the_pool_that_was_closed_is_replaced_once() {
    // The second request of each connection finds it closing.
    let mut server = TestServer::start(|seen| match seen.number {
        1 => Answer::Close,
        _ => Answer::json("[]"),
    })
    .await;
    let client = client();
    for _ in 0..2 {
        client.ask(&server.hook("/"), &secret(), &body()).await.unwrap();
    }
    let connections =
        [server.next().await, server.next().await, server.next().await].map(|seen| seen.connection);
    assert_eq!(connections, [0, 0, 1]);
    assert!(server.seen().is_none());
}

#[tokio::test]
async fn a_fresh_connection_that_closes_silently_is_a_failure_at_once() {
    let mut server = TestServer::start(|_| Answer::Close).await;
    let error = ask(&server, "/").await.unwrap_err();
    assert_eq!(error, HookError::Connect { url: server.url("/"), fault: ConnectFault::Reset });
    server.next().await;
    assert!(server.seen().is_none());
}

#[tokio::test]
async fn garbage_instead_of_an_answer_is_a_failure_and_not_sent_again() {
    let mut server =
        TestServer::start(|_| Answer::RawThenClose("SIP/2.0 200 OK\r\n\r\n".into())).await;
    let error = ask(&server, "/").await.unwrap_err();
    assert_eq!(error, HookError::Connect { url: server.url("/"), fault: ConnectFault::Other });
    server.next().await;
    assert!(server.seen().is_none());
}

#[tokio::test]
async fn hooks_are_tried_again_as_their_fragment_says() {
    let mut server = TestServer::start(|seen| match seen.number {
        0 => Answer::status(503, "text/plain", "busy"),
        _ => Answer::json("[]"),
    })
    .await;
    assert!(ask(&server, "/once").await.is_err());
    assert!(ask(&server, "/twice").await.is_ok());
    assert_eq!(server.next().await.line, "POST /once HTTP/1.1");

    let mut server = TestServer::start(|seen| match seen.number {
        0 => Answer::status(503, "text/plain", "busy"),
        _ => Answer::json("[]"),
    })
    .await;
    assert!(ask(&server, "/again#rc=1&rp=5xx").await.is_ok());
    for _ in 0..2 {
        assert_eq!(server.next().await.line, "POST /again HTTP/1.1");
    }
}

#[tokio::test]
async fn a_hook_nobody_listens_to_is_refused() {
    let server = TestServer::start(|_| Answer::Close).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("http://u:hunter2@{free}/x")).unwrap();
    let target = ResolvedHook { url, ..server.hook("/") };
    let error = client().ask(&target, &secret(), &body()).await.unwrap_err();
    let url = format!("http://{free}/x");
    assert_eq!(error, HookError::Connect { url, fault: ConnectFault::Refused });
}

#[tokio::test]
async fn a_name_without_address_and_a_server_without_tls_have_faults_of_their_own() {
    let server = TestServer::start(|_| Answer::Close).await;
    let mut target = server.hook("/");
    // A label is 63 characters at most (RFC 1035 §2.3.4): refused without asking any server.
    target.url.set_host(Some(&format!("{}.example", "x".repeat(64)))).unwrap();
    let error = client().ask(&target, &secret(), &body()).await.unwrap_err();
    assert!(matches!(error, HookError::Connect { fault: ConnectFault::Dns, .. }), "{error}");

    // Speaks, but not TLS.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 1024];
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut hello).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 No\r\n\r\n").await;
    });
    let target = ResolvedHook {
        url: Url::parse(&format!("https://{address}/")).unwrap(),
        ..server.hook("/")
    };
    let error = client().ask(&target, &secret(), &body()).await.unwrap_err();
    assert!(matches!(error, HookError::Connect { fault: ConnectFault::Tls, .. }), "{error}");
}

#[tokio::test]
async fn this_machine_is_out_of_reach_unless_allowed_by_address_and_by_name() {
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let strict = with(|config| config.addresses = AddressPolicy::default());
    let mut by_name = server.hook("/");
    by_name.url.set_host(Some("localhost")).unwrap();
    for target in [server.hook("/"), by_name] {
        let error = strict.ask(&target, &secret(), &body()).await.unwrap_err();
        assert_eq!(error, HookError::ForbiddenAddress { url: target.url.to_string() });
        let error = strict.fetch(target.url.as_str(), 10).await.unwrap_err();
        assert_eq!(error, HookError::ForbiddenAddress { url: target.url.to_string() });
    }
    assert!(server.seen().is_none());
}

/// A resolver that gives one address after the other, and the last one from then on.
fn resolver(addresses: &[&str]) -> (Lookup, Arc<AtomicUsize>) {
    let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let at = count.fetch_add(1, Ordering::SeqCst).min(addresses.len() - 1);
        let found = vec![SocketAddr::new(addresses[at], 0)];
        Box::pin(async move { Ok(found) })
    });
    (lookup, asked)
}

/// One address of loopback is allowed, so that the others stand for what is inside.
fn only_the_first_loopback_address(lookup: Lookup) -> HookClient {
    let allowed_networks = vec!["127.0.0.1".parse().unwrap()];
    let addresses = AddressPolicy { allowed_networks, ..AddressPolicy::default() };
    let config = HookConfig { addresses, ..HookConfig::default() };
    HookClient::with_lookup(&config, lookup).unwrap()
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected() {
    let answer = || {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        Answer::RawThenClose(head.into())
    };
    let mut allowed = TestServer::start(move |_| answer()).await;
    // The same port at the address that the name moves to.
    let inside = SocketAddr::new("127.0.0.2".parse().unwrap(), allowed.address.port());
    let mut inside = TestServer::start_at(inside, move |_| answer()).await;
    let (lookup, asked) = resolver(&["127.0.0.1", "127.0.0.2"]);
    let client = only_the_first_loopback_address(lookup);
    let mut target = allowed.hook("/x");
    target.url.set_host(Some("app.example")).unwrap();

    // One lookup: the address that was found good is the one that hears of it.
    client.ask(&target, &secret(), &body()).await.unwrap();
    let host = allowed.next().await.header("host").map(str::to_owned);
    assert_eq!(host, Some(format!("app.example:{}", allowed.address.port())));
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    let moved = HookError::ForbiddenAddress { url: target.url.to_string() };
    assert_eq!(client.ask(&target, &secret(), &body()).await, Err(moved.clone()));
    assert_eq!(client.options(target.url.as_str()).await, Err(moved.clone()));
    assert_eq!(client.fetch(target.url.as_str(), 9).await, Err(moved));
    assert_eq!(client.check_address(target.url.as_str()).await, Err(NotAllowed));
    assert!(allowed.seen().is_none() && inside.seen().is_none());
}

#[tokio::test]
async fn a_name_that_was_good_when_it_was_saved_is_looked_up_again() {
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let (lookup, _) = resolver(&["93.184.215.14", "127.0.0.3"]);
    let client = only_the_first_loopback_address(lookup);
    let mut target = server.hook("/x");
    target.url.set_host(Some("app.example")).unwrap();
    assert_eq!(client.check_address(target.url.as_str()).await, Ok(()));
    let moved = HookError::ForbiddenAddress { url: target.url.to_string() };
    assert_eq!(client.ask(&target, &secret(), &body()).await, Err(moved));
    assert!(server.seen().is_none());
}

#[tokio::test]
async fn every_hop_of_a_redirected_file_is_checked() {
    let mut server = TestServer::start(|seen| {
        let to = match seen.line.as_str() {
            "GET /address HTTP/1.1" => "http://127.0.0.2:1/",
            "GET /spelling HTTP/1.1" => "//0x7f000002:1/",
            "GET /name HTTP/1.1" => "http://app.example:1/",
            "GET /local HTTP/1.1" => "http://metadata.google.internal/",
            _ => "/address",
        };
        Answer::Raw(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
    })
    .await;
    let (lookup, _) = resolver(&["127.0.0.2"]);
    let client = only_the_first_loopback_address(lookup);
    for (path, refused) in [
        ("/address", "http://127.0.0.2:1/"),
        ("/spelling", "http://127.0.0.2:1/"),
        ("/name", "http://app.example:1/"),
        ("/local", "http://metadata.google.internal/"),
        ("/twice", "http://127.0.0.2:1/"),
    ] {
        let error = client.fetch(&server.url(path), 9).await.unwrap_err();
        assert_eq!(error, HookError::ForbiddenAddress { url: refused.into() }, "{path}");
        server.next().await;
    }
}

#[tokio::test]
async fn an_application_is_asked_for_its_settings_without_a_signature() {
    let mut server = TestServer::start(|seen| match seen.line.as_str() {
        "OPTIONS /moved HTTP/1.1" => {
            Answer::Raw("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".into())
        }
        _ => Answer::json(r#"{"a":1}"#),
    })
    .await;
    for url in [server.url("/x"), server.url("/x").replace("http:", "WS:")] {
        assert_eq!(client().options(&url).await, Ok(Some(json!({"a": 1}))));
        let seen = server.next().await;
        assert_eq!(seen.line, "OPTIONS /x HTTP/1.1");
        assert_eq!(seen.header("accept"), Some("application/json"));
        assert_eq!(seen.header("jambonz-signature"), None);
    }
    let moved = HookError::Status { url: server.url("/moved"), status: 302 };
    assert_eq!(client().options(&server.url("/moved")).await, Err(moved));
}

#[tokio::test]
async fn media_is_fetched_within_a_bound_and_through_redirects() {
    let mut server = TestServer::start(|seen| match seen.line.as_str() {
        "GET /a.wav HTTP/1.1" => Answer::status(200, "audio/wav", "RIFF1234"),
        "GET /moved HTTP/1.1" => {
            Answer::Raw("HTTP/1.1 302 Found\r\nLocation: a.wav\r\nContent-Length: 0\r\n\r\n".into())
        }
        "GET /away HTTP/1.1" => Answer::Raw(
            "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n".into(),
        ),
        "GET /loop HTTP/1.1" => {
            Answer::Raw("HTTP/1.1 307 Again\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n".into())
        }
        _ => Answer::status(404, "text/plain", "none"),
    })
    .await;
    let client = client();
    assert_eq!(client.fetch(&server.url("/a.wav"), 8).await.unwrap(), "RIFF1234");
    let seen = server.next().await;
    assert_eq!(seen.header("jambonz-signature"), None);
    assert_eq!(seen.header("authorization"), None);

    let with_login = server.url("/moved").replace("http://", "http://u:p@");
    assert_eq!(client.fetch(&with_login, 8).await.unwrap(), "RIFF1234");
    for _ in 0..2 {
        assert_eq!(server.next().await.header("authorization"), Some("Basic dTpw"));
    }

    let error = client.fetch(&server.url("/a.wav"), 7).await.unwrap_err();
    assert_eq!(error, HookError::TooLarge { url: server.url("/a.wav"), limit: 7 });
    let error = client.fetch(&server.url("/b.wav"), 8).await.unwrap_err();
    assert_eq!(error, HookError::Status { url: server.url("/b.wav"), status: 404 });
    let error = client.fetch(&server.url("/away"), 8).await.unwrap_err();
    assert_eq!(error, HookError::ForbiddenAddress { url: "http://10.0.0.1/".into() });
    let error = client.fetch(&server.url("/loop"), 8).await.unwrap_err();
    assert!(matches!(error, HookError::Status { .. }), "{error}");
    for url in ["silence_stream://1000", "/relative.wav", "ftp://a.example/x"] {
        let error = client.fetch(url, 8).await.unwrap_err();
        assert!(matches!(error, HookError::BadUrl { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_user_agent_that_cannot_be_a_header_is_an_error_and_not_a_panic() {
    let config = HookConfig { user_agent: "a\r\nb".into(), ..HookConfig::default() };
    assert!(HookClient::new(&config).is_err());
}
