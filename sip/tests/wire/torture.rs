//! The torture messages of RFC 4475 and RFC 5118, each with the verdict of its folder's README.md.

use sip::auth::DigestCredentials;
use sip::message::{Scheme, Via};
use sip::registrar::{Bindings, Limits};
use sip::{Error, Event, Message, Method, Request, Response, StreamFramer, Uri};

use crate::{epoch, feed, flow, list, read, status_of};

/// What an endpoint makes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// A new call.
    Call,
    /// A request handed to the caller.
    Handed,
    /// Answered by the endpoint with this status.
    Answered(u16),
    /// A good response that belongs to nothing.
    Stray,
    /// A bad response, dropped.
    Dropped,
}

use Verdict::{Answered, Call, Dropped, Handed, Stray};

const VERDICTS: [(&str, Verdict); 49] = [
    // in a dialog (To has a tag) that does not exist here
    ("wsinv", Answered(481)),
    ("intmeth", Answered(501)),
    ("esc01", Call),
    ("escnull", Handed),
    ("esc02", Answered(501)),
    ("lwsdisp", Answered(200)),
    ("longreq", Call),
    ("dblreq", Handed),
    ("semiuri", Answered(200)),
    ("transports", Answered(200)),
    ("mpart01", Answered(405)),
    ("unreason", Stray),
    ("noreason", Stray),
    ("badinv01", Answered(400)),
    ("clerr", Answered(400)),
    ("ncl", Answered(400)),
    ("scalar02", Answered(400)),
    ("scalarlg", Dropped),
    ("quotbal", Answered(400)),
    ("ltgtruri", Answered(400)),
    ("lwsruri", Answered(400)),
    ("lwsstart", Answered(400)),
    // lenient: white space at the end of a line means nothing
    ("trws", Answered(200)),
    ("escruri", Answered(400)),
    // lenient: the Date is of no interest
    ("baddate", Call),
    // the registrar refuses it, below
    ("regbadct", Handed),
    ("badaspec", Answered(400)),
    ("baddn", Answered(400)),
    ("badvers", Answered(505)),
    ("mismatch01", Answered(400)),
    ("mismatch02", Answered(400)),
    ("bigcode", Dropped),
    // matched as RFC 2543 did
    ("badbranch", Answered(200)),
    ("insuf", Answered(400)),
    ("unkscm", Answered(416)),
    ("novelsc", Answered(416)),
    // the registrar refuses it, below
    ("unksm2", Handed),
    ("bext01", Answered(420)),
    ("invut", Answered(415)),
    ("regaut01", Handed),
    ("multi01", Answered(400)),
    ("mcl01", Answered(400)),
    ("bcast", Stray),
    ("zeromf", Answered(200)),
    ("cparam01", Handed),
    ("cparam02", Handed),
    ("regescrt", Handed),
    ("sdp01", Answered(406)),
    ("inv2543", Call),
];

/// RFC 5118 §4.
const IPV6_VERDICTS: [(&str, Verdict); 12] = [
    ("ipv6-good", Handed),
    ("ipv6-bad", Answered(400)),
    ("port-ambiguous", Handed),
    ("port-unambiguous", Handed),
    // requests in a dialog that does not exist here
    ("via-received-param-with-delim", Answered(481)),
    ("via-received-param-no-delim", Answered(200)),
    ("ipv6-in-sdp", Call),
    ("mult-ip-in-header", Answered(481)),
    ("mult-ip-in-sdp", Call),
    ("ipv4-mapped-ipv6", Call),
    // lenient: the third colon is passed over
    ("ipv6-bug-abnf-3-colons", Answered(200)),
    ("ipv6-correct-abnf-2-colons", Answered(200)),
];

fn message(name: &str) -> Vec<u8> {
    match IPV6_VERDICTS.iter().any(|(known, _)| *known == name) {
        true => read(format!("torture5118/{name}.dat")),
        false => read(format!("torture/{name}.dat")),
    }
}

fn request(name: &str) -> Request {
    Request::parse(&message(name)).unwrap_or_else(|refused| panic!("{name}: {refused:?}"))
}

fn verdict(bytes: &[u8]) -> Verdict {
    let (sent, events) = feed(bytes);
    let statuses: Vec<_> = sent.iter().map(|message| status_of(message)).collect();
    match (&events[..], &statuses[..]) {
        ([Event::Invite { .. }], []) => Call,
        ([Event::Request { .. }], []) => Handed,
        ([], [Some(status)]) => Answered(*status),
        ([], []) if Response::parse(bytes).is_ok() => Stray,
        ([], []) => Dropped,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_torture_message_gets_its_verdict() {
    assert_eq!(list("torture", ".dat").len(), VERDICTS.len());
    assert_eq!(list("torture5118", ".dat").len(), IPV6_VERDICTS.len());
    for (name, expected) in VERDICTS.iter().chain(&IPV6_VERDICTS) {
        assert_eq!((name, verdict(&message(name))), (name, *expected));
    }
}

#[test]
fn ipv6_addresses_are_read_wherever_they_stand() {
    let good = request("ipv6-good");
    assert_eq!(good.uri().host(), "[2001:db8::10]");
    assert_eq!(good.uri().socket_addr(), Some("[2001:db8::10]:5060".parse().unwrap()));
    assert_eq!((good.via().host.as_str(), good.via().port), ("[2001:db8::9:1]", None));
    assert_eq!(good.contact().unwrap().uri.host(), "[2001:db8::1]");

    let ambiguous = request("port-ambiguous");
    assert_eq!((ambiguous.uri().host(), ambiguous.uri().port()), ("[2001:db8::10:5070]", None));
    let clear = request("port-unambiguous");
    assert_eq!((clear.uri().host(), clear.uri().port()), ("[2001:db8::10]", Some(5070)));

    let mixed = request("mult-ip-in-header");
    let vias: Vec<Via> = mixed.headers("Via").map(|via| via.parse().unwrap()).collect();
    let hosts: Vec<_> = vias.iter().map(|via| (via.host.as_str(), via.port)).collect();
    assert_eq!(
        hosts,
        [("[2001:db8::9:1]", Some(6050)), ("192.0.2.1", None), ("[2001:db8::9:255]", None)]
    );
    assert_eq!(vias[2].params.get("received"), Some("192.0.2.200"));

    let mapped = request("ipv4-mapped-ipv6");
    assert_eq!(mapped.via().sent_by(), "[::ffff:192.0.2.10]:19823");
    assert_eq!(mapped.contact().unwrap().uri.host(), "[::ffff:192.0.2.2]");

    let (bug, meant) = (request("ipv6-bug-abnf-3-colons"), request("ipv6-correct-abnf-2-colons"));
    assert_eq!(bug.uri(), meant.uri());
    assert_eq!(bug.uri().to_string(), "sip:user@[2001:db8::192.0.2.1]");
    for bad in ["sip:[2001:::1]", "sip:[::::1]", "sip:[:::1.2.3.4:::]"] {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
}

#[test]
fn a_received_parameter_in_either_form_is_replaced_by_what_was_seen() {
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        let (sent, _) = feed(&message(name));
        let via: Via = Response::parse(&sent[0]).unwrap().header("Via").unwrap().parse().unwrap();
        assert_eq!(via.params.get("received"), Some("198.51.100.7"), "{name}");
    }
}

#[test]
fn oddly_written_but_valid_values_are_read_right() {
    let wsinv = request("wsinv");
    assert_eq!(wsinv.headers("Via").count(), 3);
    assert_eq!(wsinv.max_forwards(), Some(68));
    assert_eq!((wsinv.cseq().seq, wsinv.cseq().method.clone()), (9, Method::Invite));
    assert_eq!(wsinv.to().tag(), Some("1918181833n"));
    assert_eq!(wsinv.from().tag(), Some("98asjd8"));
    assert_eq!(wsinv.contact().unwrap().params.get("q"), Some("0.33"));
    assert_eq!(wsinv.body().len(), 150);
    assert!(!wsinv.via().has_unique_branch());
    assert_eq!(wsinv.header("Subject"), Some(""));

    let esc01 = request("esc01");
    assert_eq!(esc01.uri().scheme(), &Scheme::Sip);
    assert_eq!(esc01.uri().user().unwrap(), "sips:user@example.com");
    assert_eq!(esc01.uri().host(), "example.net");
    let plain: Uri = "sip:user@example.com".parse().unwrap();
    assert!(esc01.to().uri.is_equivalent(&plain));

    let intmeth = request("intmeth");
    let display = intmeth.to().display.clone().unwrap();
    assert!(display.contains('\0') && display.contains('\u{7}') && display.contains('\u{7f}'));
    assert_eq!(intmeth.header("extensionHeader-!.%*+_`'~").unwrap().chars().count(), 4);

    let esc02 = request("esc02");
    assert_eq!(esc02.method().as_str(), "RE%47IST%45R");
    assert_eq!(esc02.headers("Contact").count(), 2);
    assert!(esc02.header("C%6Fntact").is_some());

    assert_eq!(request("lwsdisp").from().display.as_deref(), Some("caller"));
    let longreq = request("longreq");
    assert_eq!(longreq.headers("Via").count(), 34);
    assert_eq!(longreq.raw().len(), 3_515);
    assert_eq!(request("dblreq").method(), &Method::Register);

    let semiuri = request("semiuri");
    assert_eq!(semiuri.uri().user().unwrap(), "user;par=u@example.net");
    assert_eq!(semiuri.uri().host(), "example.com");
    assert!(semiuri.uri().params().is_empty());

    assert_eq!(request("transports").headers("Via").count(), 5);
    assert_eq!(request("mpart01").body().len(), 553);
    assert_eq!(request("inv2543").body().first(), Some(&b'v'));
}

#[test]
fn reason_phrases_are_kept_whatever_they_say() {
    let unreason = Response::parse(&message("unreason")).unwrap();
    assert_eq!(unreason.status(), 200);
    assert!(unreason.reason().starts_with("= 2**3 * 5**2"));
    assert!(!unreason.reason().is_ascii());
    let noreason = Response::parse(&message("noreason")).unwrap();
    assert_eq!((noreason.status(), noreason.reason()), (100, ""));
    assert_eq!(Response::parse(&message("bigcode")), Err(Error::Malformed { what: "status" }));
}

#[test]
fn a_stream_waits_for_a_long_body_and_ends_on_a_length_it_cannot_trust() {
    for (name, good) in [("clerr", true), ("ncl", false), ("mcl01", false)] {
        let mut framer = StreamFramer::new();
        framer.push(&message(name));
        let framed = framer.next();
        assert_eq!(framed.is_ok(), good, "{name}: {framed:?}");
        assert_ne!(framer.next().map(|frame| frame.is_some()), Ok(true));
    }
}

#[test]
fn the_refusal_names_what_was_not_understood() {
    let (sent, _) = feed(&message("bext01"));
    let refusal = Response::parse(&sent[0]).unwrap();
    let named = "nothingSupportsThis, nothingSupportsThisEither";
    assert_eq!(refusal.header("Unsupported"), Some(named));
    let (sent, _) = feed(&message("invut"));
    assert_eq!(Response::parse(&sent[0]).unwrap().header("Accept"), Some("application/sdp"));
}

#[test]
fn credentials_of_an_unknown_scheme_are_no_credentials() {
    let request = request("regaut01");
    assert_eq!(DigestCredentials::parse(request.header("Authorization").unwrap()), None);
}

#[test]
fn the_registrar_keeps_the_good_contacts_as_written_and_refuses_the_bad() {
    for (name, outcome) in [
        ("regbadct", Err(400)),
        ("unksm2", Err(400)),
        ("escnull", Ok(vec!["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"])),
        ("cparam01", Ok(vec!["sip:+19725552222@gw1.example.net"])),
        ("cparam02", Ok(vec!["sip:+19725552222@gw1.example.net;unknownparam"])),
        ("regescrt", Ok(vec!["sip:user@example.com?Route=%3Csip:sip.example.com%3E"])),
    ] {
        let mut bindings = Bindings::new(10);
        let now = epoch();
        let applied = bindings.apply(now, "aor", &request(name), flow(), &Limits::default());
        match (applied, outcome) {
            (Ok(_), Ok(expected)) => {
                let contacts: Vec<String> =
                    bindings.lookup(now, "aor").iter().map(|b| b.contact.to_string()).collect();
                assert_eq!(contacts, expected, "{name}");
            }
            (Err(reply), Err(status)) => assert_eq!(reply.status, status, "{name}"),
            (applied, _) => panic!("{name}: {applied:?}"),
        }
    }
}

#[test]
fn the_message_type_tells_requests_from_responses() {
    assert!(matches!(Message::parse(&message("wsinv")), Ok(Message::Request(_))));
    assert!(matches!(Message::parse(&message("bcast")), Ok(Message::Response(_))));
}
