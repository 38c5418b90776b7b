//! Look-ups against small zones written out as text.

use std::collections::HashMap;

use super::*;

/// Records by name, one a line: `name NAPTR order pref flags service replacement`,
/// `name SRV priority weight port target`, `name A address`.
fn zone(text: &str) -> HashMap<Query, Answer> {
    let mut zone: HashMap<Query, Answer> = HashMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words[0].to_owned();
        match words[1] {
            "NAPTR" => {
                let record = NaptrRecord {
                    order: words[2].parse().unwrap(),
                    preference: words[3].parse().unwrap(),
                    flags: words[4].to_owned(),
                    service: words[5].to_owned(),
                    replacement: words[6].to_owned(),
                };
                let slot = zone.entry(Query::Naptr(name)).or_insert(Answer::Naptr(Vec::new()));
                let Answer::Naptr(records) = slot else { unreachable!() };
                records.push(record);
            }
            "SRV" => {
                let record = SrvRecord {
                    priority: words[2].parse().unwrap(),
                    weight: words[3].parse().unwrap(),
                    port: words[4].parse().unwrap(),
                    target: words[5].to_owned(),
                };
                let slot = zone.entry(Query::Srv(name)).or_insert(Answer::Srv(Vec::new()));
                let Answer::Srv(records) = slot else { unreachable!() };
                records.push(record);
            }
            _ => {
                let slot = zone.entry(Query::Host(name)).or_insert(Answer::Host(Vec::new()));
                let Answer::Host(addresses) = slot else { unreachable!() };
                addresses.push(words[2].parse().unwrap());
            }
        }
    }
    zone
}

fn everything() -> Policy {
    Policy { transports: Transport::ALL.to_vec(), families: vec![Family::V4, Family::V6] }
}

/// Asks until all is answered; the questions, and the targets as `transport address`.
fn resolve_as(uri: &str, policy: Policy, records: &str, seed: u64) -> (Vec<Query>, Vec<String>) {
    let zone = zone(records);
    let uri: Uri = uri.parse().unwrap();
    let mut resolution = Resolution::new(&uri, policy, seed);
    let mut asked = Vec::new();
    while let Some(query) = resolution.next_query() {
        assert!(!resolution.is_done());
        assert!(resolution.targets().is_empty(), "nothing is said before all is known");
        resolution.answer(&query, zone.get(&query).cloned().unwrap_or(Answer::Nothing));
        asked.push(query);
    }
    assert!(resolution.is_done());
    let ways = resolution.targets();
    assert!(ways.iter().all(|way| way.host == bare(uri.host())));
    let ways = ways.iter().map(|way| format!("{} {}", way.transport.name(), way.addr)).collect();
    (asked, ways)
}

fn ways(uri: &str, records: &str) -> Vec<String> {
    resolve_as(uri, everything(), records, 1).1
}

/// The example of RFC 3263 §4.1, with addresses for its hosts.
const EXAMPLE: &str = "
    example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com.
    example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com
    example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com
    _sip._tcp.example.com SRV 1 2 5070 Server2.Example.COM.
    _sip._udp.example.com SRV 0 1 5060 server1.example.com
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
    example.com A 192.0.2.9";

#[test]
fn the_example_of_rfc_3263_goes_by_what_both_sides_have() {
    let policy =
        Policy { transports: vec![Transport::Udp, Transport::Tcp], families: vec![Family::V4] };
    let (asked, ways) = resolve_as("sip:example.com", policy, EXAMPLE, 1);
    assert_eq!(ways, ["tcp 192.0.2.1:5060", "tcp 192.0.2.2:5070", "udp 192.0.2.1:5060"]);
    let srv = |name: &str| Query::Srv(format!("{name}.example.com"));
    let host = |name: &str| Query::Host(format!("{name}.example.com"));
    assert_eq!(
        asked,
        [
            Query::Naptr("example.com".into()),
            srv("_sip._tcp"),
            srv("_sip._udp"),
            host("server1"),
            host("server2"),
        ]
    );
    assert_eq!(ways_of_all("sip:example.com")[0], "tls 192.0.2.1:5061");
}

fn ways_of_all(uri: &str) -> Vec<String> {
    ways(uri, EXAMPLE)
}

#[test]
fn sips_takes_tls_alone_and_never_comes_down_from_it() {
    assert_eq!(ways_of_all("sips:example.com"), ["tls 192.0.2.1:5061"]);
    let no_tls = Policy { transports: vec![Transport::Udp, Transport::Tcp], ..everything() };
    for uri in [
        "sips:example.com",
        "sips:192.0.2.1",
        "sips:example.com:5060",
        "sips:example.com;transport=tcp",
    ] {
        let (_, ways) = resolve_as(uri, no_tls.clone(), EXAMPLE, 1);
        assert!(ways.is_empty(), "{uri}");
    }
    assert!(ways_of_all("sips:192.0.2.1;transport=udp").is_empty());
}

#[test]
fn numeric_hosts_ask_nobody() {
    for (uri, way) in [
        ("sip:192.0.2.1", "udp 192.0.2.1:5060"),
        ("sip:a@192.0.2.1:5070", "udp 192.0.2.1:5070"),
        ("sip:192.0.2.1;transport=tcp", "tcp 192.0.2.1:5060"),
        ("sip:192.0.2.1;transport=TLS", "tls 192.0.2.1:5061"),
        ("sip:192.0.2.1:0", "udp 192.0.2.1:5060"),
        ("sips:192.0.2.1", "tls 192.0.2.1:5061"),
        ("sips:[2001:db8::1]:5071;transport=tcp", "tls [2001:db8::1]:5071"),
        ("sip:[2001:db8::1]", "udp [2001:db8::1]:5060"),
    ] {
        let (asked, found) = resolve_as(uri, everything(), "", 1);
        assert!(asked.is_empty(), "{uri}");
        assert_eq!(found, [way], "{uri}");
    }
    let v4 = Policy { families: vec![Family::V4], ..everything() };
    assert!(resolve_as("sip:[2001:db8::1]", v4, "", 1).1.is_empty());
}

#[test]
fn a_port_is_taken_as_it_stands() {
    let (asked, found) = resolve_as("sip:example.com:5080", everything(), EXAMPLE, 1);
    assert_eq!(asked, [Query::Host("example.com".into())]);
    assert_eq!(found, ["udp 192.0.2.9:5080"]);
    assert_eq!(ways_of_all("sips:example.com:5080"), ["tls 192.0.2.9:5080"]);
    assert_eq!(ways_of_all("sip:example.com:5080;transport=tcp"), ["tcp 192.0.2.9:5080"]);
}

#[test]
fn a_transport_is_looked_up_by_srv_alone() {
    let (asked, found) = resolve_as("sip:example.com;transport=tcp", everything(), EXAMPLE, 1);
    assert_eq!(asked[0], Query::Srv("_sip._tcp.example.com".into()));
    assert_eq!(found, ["tcp 192.0.2.1:5060", "tcp 192.0.2.2:5070"]);
    assert_eq!(ways_of_all("sip:example.com;transport=tls"), ["tls 192.0.2.1:5061"]);
    let bare = "example.com A 192.0.2.9";
    assert_eq!(ways("sip:example.com;transport=tcp", bare), ["tcp 192.0.2.9:5060"]);
    assert_eq!(ways("sip:example.com;transport=tls", bare), ["tls 192.0.2.9:5061"]);
}

#[test]
fn without_naptr_every_transport_is_looked_up_and_without_srv_the_host() {
    let (asked, found) = resolve_as("sip:Example.com", everything(), "example.com A 192.0.2.9", 1);
    let names: Vec<_> = asked
        .iter()
        .map(|query| match query {
            Query::Naptr(name) | Query::Srv(name) | Query::Host(name) => name.as_str(),
        })
        .collect();
    assert_eq!(
        names,
        [
            "example.com",
            "_sip._udp.example.com",
            "_sip._tcp.example.com",
            "_sips._tcp.example.com",
            "example.com",
        ]
    );
    assert_eq!(found, ["udp 192.0.2.9:5060"]);
    assert_eq!(ways("sips:example.com", "example.com A 192.0.2.9"), ["tls 192.0.2.9:5061"]);
    let tcp_only = "_sip._tcp.example.com SRV 0 0 5065 a.example\na.example A 192.0.2.3";
    assert_eq!(ways("sip:example.com", tcp_only), ["tcp 192.0.2.3:5065"]);
}

#[test]
fn naptr_that_leads_nowhere_falls_back_to_the_domain_itself() {
    let dead = "example.com NAPTR 1 1 s SIP+D2T _sip._tcp.elsewhere\nexample.com A 192.0.2.9";
    assert_eq!(ways("sip:example.com", dead), ["tcp 192.0.2.9:5060"]);
    let unusable = "
        example.com NAPTR 1 1 s SIP+D2S _sip._sctp.example.com
        example.com NAPTR 2 1 s SIPS+D2W _sips._ws.example.com
        example.com NAPTR 3 1 u SIP+D2U _sip._udp.example.com
        example.com NAPTR 4 1 s SIP+D2U .
        _sip._udp.example.com SRV 0 0 5062 a.example
        a.example A 192.0.2.4";
    assert_eq!(ways("sip:example.com", unusable), ["udp 192.0.2.4:5062"]);
}

#[test]
fn a_service_that_is_decidedly_not_there_is_not_tried() {
    let none = "_sip._udp.example.com SRV 0 0 0 .\nexample.com A 192.0.2.9";
    assert!(ways("sip:example.com", none).is_empty());
    assert!(ways("sip:example.com;transport=udp", none).is_empty());
    assert_eq!(ways("sip:example.com;transport=tcp", none), ["tcp 192.0.2.9:5060"]);
}

#[test]
fn priorities_stand_and_weights_draw() {
    let records = "
        _sip._udp.h SRV 10 60 5060 a.h
        _sip._udp.h SRV 10 20 5060 b.h
        _sip._udp.h SRV 10 20 5060 c.h
        _sip._udp.h SRV 20 0 5060 d.h
        a.h A 192.0.2.1
        b.h A 192.0.2.2
        c.h A 192.0.2.3
        d.h A 192.0.2.4";
    let mut firsts = HashMap::new();
    for seed in 0..2_000 {
        let (_, ways) = resolve_as("sip:h;transport=udp", everything(), records, seed);
        assert_eq!(ways.len(), 4);
        assert_eq!(ways[3], "udp 192.0.2.4:5060", "the lower priority comes last");
        *firsts.entry(ways[0].clone()).or_insert(0) += 1;
    }
    let share = |way: &str| firsts[way];
    assert!((1_100..1_300).contains(&share("udp 192.0.2.1:5060")), "{firsts:?}");
    assert!((330..470).contains(&share("udp 192.0.2.2:5060")), "{firsts:?}");
    let again = |seed| resolve_as("sip:h;transport=udp", everything(), records, seed).1;
    assert_eq!(again(7), again(7));
}

#[test]
fn families_come_in_our_order_and_addresses_once() {
    let records = "
        h A 192.0.2.1
        h A 2001:db8::1
        h A 192.0.2.1
        h A 2001:db8::2";
    assert_eq!(
        ways("sip:h:5060", records),
        ["udp 192.0.2.1:5060", "udp [2001:db8::1]:5060", "udp [2001:db8::2]:5060"]
    );
    let v6_first = Policy { families: vec![Family::V6, Family::V4], ..everything() };
    let found = resolve_as("sip:h:5060", v6_first, records, 1).1;
    assert_eq!(found[0], "udp [2001:db8::1]:5060");
    let v6_only = Policy { families: vec![Family::V6], ..everything() };
    assert_eq!(resolve_as("sip:h:5060", v6_only, records, 1).1.len(), 2);
}

#[test]
fn maddr_is_where_a_request_goes_and_the_host_what_a_certificate_says() {
    let uri: Uri = "sips:Example.com;maddr=192.0.2.5".parse().unwrap();
    let resolution = Resolution::new(&uri, everything(), 1);
    let target = Target {
        transport: Transport::Tls,
        addr: "192.0.2.5:5061".parse().unwrap(),
        host: "example.com".to_owned(),
    };
    assert_eq!(resolution.targets(), [target]);
    let v6: Uri = "sips:[2001:db8::1]".parse().unwrap();
    assert_eq!(Resolution::new(&v6, everything(), 1).targets()[0].host, "2001:db8::1");
}

#[test]
fn what_nobody_can_be_reached_by_has_no_ways() {
    for uri in [
        "tel:+15551234",
        "mailto:a@example.com",
        "sip:example.com;transport=ws",
        "sip:192.0.2.1;transport=wss",
        "sip:example.com;transport=sctp",
        "sip:nowhere.example",
    ] {
        assert!(ways_of_all(uri).is_empty(), "{uri}");
    }
    let deaf = Policy { transports: Vec::new(), families: vec![Family::V4] };
    assert!(resolve_as("sip:example.com", deaf, EXAMPLE, 1).1.is_empty());
}

#[test]
fn answers_are_bounded_and_strange_ones_count_as_nothing() {
    let mut many = String::new();
    for n in 0..100 {
        many += &format!("_sip._udp.h SRV {n} 0 5060 host{n}.h\n");
        many += &format!("host{n}.h A 192.0.2.{n}\nhost{n}.h A 198.51.100.{n}\n");
    }
    let (asked, found) = resolve_as("sip:h;transport=udp", everything(), &many, 1);
    assert_eq!(asked.len(), 1 + MAX_HOPS);
    assert_eq!(found.len(), MAX_TARGETS);
    assert_eq!(found[..2], ["udp 192.0.2.0:5060", "udp 198.51.100.0:5060"]);

    let uri: Uri = "sip:h:5060".parse().unwrap();
    let mut resolution = Resolution::new(&uri, everything(), 1);
    let query = resolution.next_query().unwrap();
    resolution.answer(&Query::Host("other".into()), Answer::Host(Vec::new()));
    assert!(!resolution.is_done(), "nobody asked that");
    resolution.answer(&query, Answer::Naptr(Vec::new()));
    assert!(resolution.is_done() && resolution.targets().is_empty());
    resolution.answer(&query, Answer::Host(vec!["192.0.2.1".parse().unwrap()]));
    assert!(resolution.targets().is_empty(), "an answer counts once");
}

#[test]
fn the_queries_of_a_round_may_run_side_by_side() {
    let zone = zone(EXAMPLE);
    let uri: Uri = "sip:example.com".parse().unwrap();
    let mut resolution = Resolution::new(&uri, everything(), 1);
    while !resolution.is_done() {
        let round: Vec<Query> = std::iter::from_fn(|| resolution.next_query()).collect();
        for query in round.iter().rev() {
            resolution.answer(query, zone.get(query).cloned().unwrap_or(Answer::Nothing));
        }
    }
    let found: Vec<String> = resolution
        .targets()
        .iter()
        .map(|way| format!("{} {}", way.transport.name(), way.addr))
        .collect();
    assert_eq!(found, ways_of_all("sip:example.com"));
}
