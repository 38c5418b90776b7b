//! Tests of the resolver.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, Record};

use super::*;

fn resolver(servers: &[SocketAddr]) -> (Resolver, Peers) {
    let listener = |transport, local: &str| {
        let local = local.parse().unwrap();
        Listener { transport, local, public: local }
    };
    let listeners = vec![
        listener(Transport::Udp, "0.0.0.0:5060"),
        listener(Transport::Tcp, "0.0.0.0:5060"),
        listener(Transport::Udp, "[::]:5070"),
    ];
    let peers = Peers::default();
    (Resolver::new(servers, listeners, peers.clone()).unwrap(), peers)
}

async fn resolve(resolver: &Resolver, uri: &str) -> Result<Vec<Flow>, Unresolved> {
    resolver.resolve(&uri.parse().unwrap()).await
}

/// A name server that does not answer: nothing here may ask it.
const NOBODY: &str = "127.0.0.1:1";

#[tokio::test]
async fn a_numeric_host_needs_no_name_server() {
    let (resolver, peers) = resolver(&[NOBODY.parse().unwrap()]);
    for (uri, transport, local, peer) in [
        ("sip:a@192.0.2.7", Transport::Udp, "0.0.0.0:5060", "192.0.2.7:5060"),
        ("sip:a@192.0.2.7:5080;transport=tcp", Transport::Tcp, "0.0.0.0:5060", "192.0.2.7:5080"),
        ("sip:a@[2001:db8::1]", Transport::Udp, "[::]:5070", "[2001:db8::1]:5060"),
        ("sip:192.0.2.7;transport=tls", Transport::Tls, "0.0.0.0:5060", "192.0.2.7:5061"),
        ("sips:192.0.2.7", Transport::Tls, "0.0.0.0:5060", "192.0.2.7:5061"),
    ] {
        let flows = resolve(&resolver, uri).await.unwrap();
        let [flow] = flows[..] else { panic!("{flows:?}") };
        assert_eq!(flow.transport, transport, "{uri}");
        assert_eq!(flow.local, local.parse().unwrap(), "{uri}");
        assert_eq!(flow.peer, peer.parse().unwrap(), "{uri}");
        assert_eq!(flow.connection.is_some(), transport.is_reliable(), "{uri}");
        if let Some(id) = flow.connection {
            assert_eq!(peers.find(id), Some(Peer::of(&flow)), "{uri}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_said() {
    let (resolver, _) = resolver(&[NOBODY.parse().unwrap()]);
    for (uri, why) in [
        ("tel:+15551234", Unresolved::NotSip),
        ("sip:a@192.0.2.7;transport=ws", Unresolved::Transport),
        ("sip:a@192.0.2.7;transport=sctp", Unresolved::Transport),
        ("sip:a@[2001:db8::1];transport=tcp", Unresolved::Transport),
    ] {
        assert_eq!(resolve(&resolver, uri).await, Err(why), "{uri}");
    }
}

/// Starts a name server that knows `zone` and nothing else; counts what it was asked.
async fn name_server(zone: Vec<Record>) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..len]).unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let query = &question.queries[0];
            let of_name = zone.iter().filter(|record| record.name == *query.name());
            let of_kind = |record: &&Record| record.record_type() == query.query_type();
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.add_query(query.clone());
            answer.add_answers(of_name.clone().filter(of_kind).cloned());
            if of_name.count() == 0 {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    (address, asked)
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), 60, data)
}

fn naptr_record(owner: &str, order: u16, service: &str, replacement: &str) -> Record {
    let empty = Box::default();
    let service = service.as_bytes().into();
    let data = NAPTR::new(order, 50, b"s"[..].into(), service, empty, name(replacement));
    record(owner, RData::NAPTR(data))
}

fn srv_record(owner: &str, priority: u16, port: u16, target: &str) -> Record {
    record(owner, RData::SRV(SRV::new(priority, 0, port, name(target))))
}

fn host(owner: &str, ip: &str) -> Record {
    let data = match ip.parse().unwrap() {
        IpAddr::V4(ip) => RData::A(ip.into()),
        IpAddr::V6(ip) => RData::AAAA(ip.into()),
    };
    record(owner, data)
}

fn shown(flows: &[Flow]) -> Vec<String> {
    flows.iter().map(|flow| format!("{} {}", flow.transport.name(), flow.peer)).collect()
}

#[tokio::test]
async fn a_domain_is_found_by_naptr_srv_and_addresses_in_order() {
    let zone = vec![
        naptr_record("carrier.example.", 10, "SIPS+D2T", "_sips._tcp.carrier.example."),
        naptr_record("carrier.example.", 20, "SIP+D2U", "_sip._udp.carrier.example."),
        naptr_record("carrier.example.", 5, "SIP+D2W", "_sip._ws.carrier.example."),
        srv_record("_sips._tcp.carrier.example.", 1, 5071, "edge1.carrier.example."),
        srv_record("_sip._udp.carrier.example.", 2, 5080, "edge2.carrier.example."),
        srv_record("_sip._udp.carrier.example.", 1, 5070, "edge1.carrier.example."),
        host("edge1.carrier.example.", "192.0.2.1"),
        host("edge1.carrier.example.", "2001:db8::1"),
        host("edge2.carrier.example.", "192.0.2.2"),
    ];
    let (server, asked) = name_server(zone).await;
    let (resolver, peers) = resolver(&[server]);
    let flows = resolve(&resolver, "sip:+15551234@carrier.example").await.unwrap();
    let expected = [
        "tls 192.0.2.1:5071",
        "tls [2001:db8::1]:5071",
        "udp 192.0.2.1:5070",
        "udp [2001:db8::1]:5070",
        "udp 192.0.2.2:5080",
    ];
    assert_eq!(shown(&flows), expected);
    // The certificate must be the domain's, whatever host SRV led to (RFC 5922 §7.3).
    let peer = peers.find(flows[0].connection.unwrap()).unwrap();
    assert_eq!(peer.host, "carrier.example");
    let before = asked.load(Ordering::SeqCst);
    assert_eq!(resolve(&resolver, "sip:2@carrier.example").await.unwrap(), flows);
    assert_eq!(asked.load(Ordering::SeqCst), before, "answers are kept while they are valid");
}

#[tokio::test]
async fn a_host_without_services_is_found_by_its_addresses() {
    let (server, _) = name_server(vec![host("pbx.example.", "192.0.2.9")]).await;
    let (resolver, _) = resolver(&[server]);
    for (uri, found) in [
        ("sip:pbx.example", "udp 192.0.2.9:5060"),
        ("sip:pbx.example:5090", "udp 192.0.2.9:5090"),
        ("sip:pbx.example;transport=tcp", "tcp 192.0.2.9:5060"),
        ("sips:pbx.example", "tls 192.0.2.9:5061"),
    ] {
        assert_eq!(shown(&resolve(&resolver, uri).await.unwrap()), [found], "{uri}");
    }
    assert_eq!(resolve(&resolver, "sip:nobody.example").await, Err(Unresolved::NotFound));
}

#[tokio::test]
async fn a_silent_name_server_is_not_waited_for_long() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (resolver, _) = resolver(&[silent.local_addr().unwrap()]);
    let asked = tokio::time::timeout(3 * QUESTION, resolve(&resolver, "sip:a.example:5060")).await;
    assert!(matches!(asked, Ok(Err(Unresolved::Timeout | Unresolved::NotFound))), "{asked:?}");
}
