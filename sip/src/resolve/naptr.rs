//! NAPTR records: which transports a domain offers, and under what name (RFC 3263 §4.1, RFC 3403).

use super::bare;
use crate::transport::Transport;

/// One NAPTR record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NaptrRecord {
    /// Lower comes first.
    pub order: u16,
    /// Among equal orders, lower comes first.
    pub preference: u16,
    /// `s` for the services of SIP.
    pub flags: String,
    /// `SIP+D2U` and the like.
    pub service: String,
    /// The name to look up next.
    pub replacement: String,
}

/// Transport and SRV name of the records we understand, best first.
///
/// All that are left stay in the list, not only those of the lowest order: RFC 3263 has every
/// unusable one discarded before, so the others are what the domain offers when the first is down.
pub(super) fn in_order(mut records: Vec<NaptrRecord>) -> Vec<(Transport, String)> {
    records.truncate(MAX_RECORDS);
    records.sort_by_key(|record| (record.order, record.preference));
    let usable = records.into_iter().filter_map(|record| {
        let transport = of_service(&record.service)?;
        let name = bare(&record.replacement);
        (record.flags.eq_ignore_ascii_case("s") && !name.is_empty()).then_some((transport, name))
    });
    usable.collect()
}

/// The transport of a service field (RFC 3263 §4.1, RFC 7118 §5.5 for the last two).
fn of_service(service: &str) -> Option<Transport> {
    [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
        ("SIP+D2W", Transport::Ws),
        ("SIPS+D2W", Transport::Wss),
    ]
    .into_iter()
    .find_map(|(name, transport)| name.eq_ignore_ascii_case(service).then_some(transport))
}

/// Records of one answer that are looked at; domains have three.
const MAX_RECORDS: usize = 32;
