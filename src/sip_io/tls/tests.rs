//! Tests of TLS: who is believed, and files that change.

use support::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Settings with a pair for these names, which trust their authority.
fn pair(authority: &Authority, file: &str, names: &[&str]) -> TlsFiles {
    let (cert, key) = authority.pair(file, names);
    TlsFiles { cert: Some(cert), key: Some(key), ..trusting(authority) }
}

fn trusting(authority: &Authority) -> TlsFiles {
    TlsFiles { ca: Some(authority.ca()), verify_peer: true, ..TlsFiles::default() }
}

/// Whether one octet passes from `client`, which asked for `host`, to `server` and back.
async fn passes(server: &Tls, client: &Tls, host: &str) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let answer = async {
        let mut stream = server.accept(listener.accept().await?.0).await?;
        let octet = stream.read_u8().await?;
        stream.write_u8(octet).await?;
        stream.flush().await
    };
    let ask = async {
        let mut stream = client.connect(host, TcpStream::connect(address).await?).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let (answered, asked) = tokio::join!(answer, ask);
    answered?;
    asked.map(|_| ())
}

#[tokio::test]
async fn a_server_must_be_who_was_asked_for() {
    let authority = Authority::new();
    let server = Tls::open(pair(&authority, "server", &["sip.example.com", "192.0.2.7"])).unwrap();
    let client = Tls::open(trusting(&authority)).unwrap();
    passes(&server, &client, "sip.example.com").await.unwrap();
    passes(&server, &client, "192.0.2.7").await.unwrap();
    assert!(passes(&server, &client, "sip.example.net").await.is_err());
    let other = Authority::new();
    let stranger = Tls::open(trusting(&other)).unwrap();
    assert!(passes(&server, &stranger, "sip.example.com").await.is_err());
    let credulous = TlsFiles { verify_peer: false, ..trusting(&other) };
    passes(&server, &Tls::open(credulous).unwrap(), "sip.example.net").await.unwrap();
}

#[tokio::test]
async fn clients_show_a_certificate_where_one_is_asked_for() {
    let authority = Authority::new();
    let other = Authority::new();
    let own = pair(&authority, "client", &["phone"]);
    let foreign = TlsFiles { ca: own.ca.clone(), ..pair(&other, "client", &["phone"]) };
    let nothing = trusting(&authority);
    for (require, files, is_let_in) in [
        (true, &own, true),
        (true, &nothing, false),
        (true, &foreign, false),
        (false, &nothing, true),
        (false, &foreign, false),
    ] {
        let server = TlsFiles {
            client_ca: Some(authority.ca()),
            require_client_cert: require,
            ..pair(&authority, "server", &["sip.example.com"])
        };
        let server = Tls::open(server).unwrap();
        let client = Tls::open(files.clone()).unwrap();
        let passed = passes(&server, &client, "sip.example.com").await;
        assert_eq!(passed.is_ok(), is_let_in, "required: {require}, {files:?}: {passed:?}");
    }
}

#[tokio::test]
async fn new_files_are_used_and_bad_ones_are_not() {
    let authority = Authority::new();
    let files = pair(&authority, "server", &["old.example.com"]);
    let server = Tls::open(files.clone()).unwrap();
    let client = Tls::open(trusting(&authority)).unwrap();
    passes(&server, &client, "old.example.com").await.unwrap();
    fs::write(files.cert.as_ref().unwrap(), "half a certificate").unwrap();
    server.look();
    passes(&server, &client, "old.example.com").await.unwrap();
    pair(&authority, "server", &["new.example.com"]);
    server.look();
    passes(&server, &client, "new.example.com").await.unwrap();
    assert!(passes(&server, &client, "old.example.com").await.is_err());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let good = pair(&authority, "server", &["a"]);
    let other = pair(&authority, "other", &["b"]);
    let missing = TlsFiles { cert: Some("/nowhere/cert.pem".into()), ..good.clone() };
    let no_key = TlsFiles { key: good.cert.clone(), ..good.clone() };
    let mixed = TlsFiles { key: other.key, ..good.clone() };
    let no_ca = TlsFiles { ca: good.key.clone(), ..good };
    for (files, named) in [
        (missing, "/nowhere/cert.pem"),
        (no_key, "server.pem"),
        (mixed, "certificate and key"),
        (no_ca, "server.key"),
    ] {
        let error = Tls::open(files).err().expect("refused").to_string();
        assert!(error.contains(named), "{error:?} does not name {named}");
    }
}

#[tokio::test]
async fn a_client_s_certificate_proves_its_own_name_and_no_other() {
    let authority = Authority::new();
    let files = pair(&authority, "server", &["sip.example.com"]);
    let server = TlsFiles { client_ca: Some(authority.ca()), ..files };
    let server = Tls::open(server).unwrap();
    for (files, own) in [
        (pair(&authority, "client", &["proxy.example.net", "192.0.2.7"]), true),
        (trusting(&authority), false),
    ] {
        let client = Tls::open(files).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (accepted, asked) =
            tokio::join!(server.accept(accepted), client.connect("sip.example.com", stream));
        asked.unwrap();
        let proof = Proof::of(&accepted.unwrap());
        let is_of = |host| proof.as_ref().is_some_and(|proof| proof.is_of(host));
        assert_eq!(is_of("proxy.example.net"), own);
        assert_eq!(is_of("192.0.2.7"), own);
        assert!(!is_of("sip.example.com") && !is_of("not a host"));
    }
}
