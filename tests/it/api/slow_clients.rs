//! Clients that take their time, or send too much of what is not the body (contract rest.md §1.6; README,
//! limits).

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::TestApi;

/// Longest wait for what should happen, generous for a busy machine.
const SOON: Duration = Duration::from_secs(30);
/// Between two octets of a client that trickles.
const TRICKLE: Duration = Duration::from_millis(20);

async fn connect(api: &TestApi) -> TcpStream {
    let address: SocketAddr = api.base.trim_start_matches("http://").parse().unwrap();
    TcpStream::connect(address).await.unwrap()
}

fn head(api: &TestApi) -> String {
    format!(
        "POST /v1/ServiceProviders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{",
        api.admin
    )
}

/// Sends an octet now and then until the other side closes; what it said by then.
async fn trickle(mut stream: TcpStream, octet: u8) -> String {
    let mut answer = Vec::new();
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        let mut part = [0; 4096];
        match timeout(TRICKLE, stream.read(&mut part)).await {
            Ok(Ok(0) | Err(_)) => return String::from_utf8(answer).unwrap(),
            Ok(Ok(length)) => answer.extend_from_slice(&part[..length]),
            // Fails once the other side has closed: then the next read says so.
            Err(_) => _ = stream.write_all(&[octet]).await,
        }
    }
    panic!("still open: {}", String::from_utf8_lossy(&answer));
}

#[actix_web::test]
async fn a_body_that_trickles_is_cut_and_the_connection_closed() {
    let api = TestApi::start_with(|config| {
        config.http.request_timeout = Duration::from_secs(1);
    })
    .await;
    let mut stream = connect(&api).await;
    stream.write_all(head(&api).as_bytes()).await.unwrap();
    let answer = trickle(stream, b' ').await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("the body took too long"), "{answer}");
    api.stop().await;
}

#[actix_web::test]
async fn a_head_that_trickles_is_cut() {
    let api = TestApi::start_with(|config| {
        config.http.request_timeout = Duration::from_secs(1);
    })
    .await;
    let mut stream = connect(&api).await;
    stream.write_all(b"GET /health HTTP/1.1\r\nX-Slow: ").await.unwrap();
    let answer = trickle(stream, b'x').await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    api.stop().await;
}

#[actix_web::test]
async fn slow_clients_hold_no_more_connections_than_there_may_be() {
    const MOST: usize = 4;
    let api = TestApi::start_with(|config| {
        config.http.request_timeout = Duration::from_secs(1);
        config.http.max_connections = MOST;
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..MOST {
        let mut stream = connect(&api).await;
        stream.write_all(head(&api).as_bytes()).await.unwrap();
        slow.push(actix_web::rt::spawn(trickle(stream, b' ')));
    }
    // It may have to wait until the slow are cut, but no longer.
    let answer = timeout(SOON, api.get(&api.admin, "/Accounts")).await.unwrap();
    assert_eq!(answer.status, 200);
    for stream in slow {
        assert!(stream.await.unwrap().starts_with("HTTP/1.1 400 "));
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_head_without_end_is_refused() {
    let api = TestApi::start().await;
    let mut stream = connect(&api).await;
    let head = format!("GET /health HTTP/1.1\r\nX-Long: {}", "x".repeat(1024 * 1024));
    // Fails when the other side closes before it has read all of it.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it closes");
    // A reset may overtake the answer.
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let mut many = "GET /health HTTP/1.1\r\n".to_owned();
    many.extend((0..200).map(|n| format!("X-{n}: y\r\n")));
    let mut stream = connect(&api).await;
    stream.write_all(format!("{many}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("it closes");
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    api.stop().await;
}
