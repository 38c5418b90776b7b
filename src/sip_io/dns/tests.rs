//! Tests of the resolver.

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
