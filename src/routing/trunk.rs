//! Carriers with their gateways, as one table: which of them a call may go through, and which one a
//! call came through.
//!
//! Built anew from the store when REST changes one of its rows, and never changed.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::network::{Networks, Source};
use crate::model::{
    AccountSid, PhoneNumber, ServiceProviderSid, SipGateway, Trunk, VoipCarrierSid,
};

/// The shortest netmask of a network that says something about who sends from it: one tenant does not
/// open the door for half the internet.
pub const WIDEST_BELIEVED: u8 = 16;

/// All carriers, in order of creation.
#[derive(Debug, Default)]
pub struct TrunkTable {
    all: Vec<Trunk>,
    by_sid: HashMap<VoipCarrierSid, usize>,
    by_account: HashMap<AccountSid, Vec<usize>>,
    /// Those that the accounts of a service provider share.
    shared: HashMap<ServiceProviderSid, Vec<usize>>,
    networks: Networks,
}

impl TrunkTable {
    pub fn new(all: Vec<Trunk>) -> Self {
        let mut table = Self { networks: Networks::new(&all), ..Self::default() };
        for (index, trunk) in all.iter().enumerate() {
            let carrier = &trunk.carrier;
            table.by_sid.insert(carrier.sid, index);
            match (carrier.account_sid, carrier.service_provider_sid) {
                (Some(account), _) => table.by_account.entry(account).or_default().push(index),
                (None, Some(provider)) => table.shared.entry(provider).or_default().push(index),
                // The administrator's alone: nobody's calls go through it.
                (None, None) => {}
            }
        }
        Self { all, ..table }
    }

    pub fn all(&self) -> &[Trunk] {
        &self.all
    }

    pub fn get(&self, sid: VoipCarrierSid) -> Option<&Trunk> {
        self.all.get(*self.by_sid.get(&sid)?)
    }

    /// Every gateway, active or not.
    pub fn gateways(&self) -> impl Iterator<Item = (&Trunk, &SipGateway)> {
        self.all.iter().flat_map(|trunk| trunk.gateways.iter().map(move |gateway| (trunk, gateway)))
    }

    /// The carriers that have a gateway for calls there: at that address, or of that name. A carrier that
    /// knows us by our address lets such a call in, whoever wanted it.
    pub fn ways_out(&self, host: &str, peer: SocketAddr) -> impl Iterator<Item = &Trunk> {
        let ip = peer.ip().to_canonical();
        let is_there = move |gateway: &SipGateway| match gateway.host.parse::<IpAddr>() {
            // Servers on one host are told apart by their ports.
            Ok(own) if own.is_loopback() => {
                own == ip && gateway.port.is_none_or(|port| port == peer.port())
            }
            Ok(own) => own == ip,
            Err(_) => gateway.host.eq_ignore_ascii_case(host),
        };
        self.all.iter().filter(move |trunk| trunk.outbound().any(is_there))
    }

    /// An account's own carriers.
    pub fn of_account(&self, account: AccountSid) -> impl Iterator<Item = &Trunk> {
        self.pick(self.by_account.get(&account))
    }

    /// The carriers that the accounts of a service provider share.
    pub fn shared_by(&self, provider: ServiceProviderSid) -> impl Iterator<Item = &Trunk> {
        self.pick(self.shared.get(&provider))
    }

    /// The carriers whose gateways a call from `source` to the number of these rows may come from: the
    /// one that has the number, else those of the smallest network around the source, several if they
    /// name the same one.
    ///
    /// Who draws a smaller network around another's carrier, or one around half the internet, takes no
    /// calls to that other's numbers: the number decides first, and a network wider than
    /// [`WIDEST_BELIEVED`] does not bring calls to a number on no carrier that is not its account's.
    pub fn behind(&self, source: Source, numbers: &[PhoneNumber]) -> Vec<&Trunk> {
        let found = self.networks.find(source);
        let around = || {
            found
                .iter()
                .filter_map(|(bits, index)| self.all.get(*index).map(|trunk| (*bits, trunk)))
        };
        let has = |trunk: &Trunk| {
            numbers.iter().any(|number| number.voip_carrier_sid == Some(trunk.carrier.sid))
        };
        if let Some((_, trunk)) = around().find(|(_, trunk)| has(trunk)) {
            return vec![trunk];
        }
        let Some((smallest, _)) = around().next() else { return Vec::new() };
        let nearest = around().take_while(|(bits, _)| *bits == smallest).map(|(_, trunk)| trunk);
        let free = numbers.iter().find(|number| number.voip_carrier_sid.is_none());
        match free {
            Some(number) if smallest < WIDEST_BELIEVED => {
                nearest.filter(|trunk| trunk.carrier.account_sid == number.account_sid).collect()
            }
            _ => nearest.collect(),
        }
    }

    fn pick(&self, indices: Option<&Vec<usize>>) -> impl Iterator<Item = &Trunk> {
        let indices = indices.map(Vec::as_slice).unwrap_or_default();
        indices.iter().filter_map(|index| self.all.get(*index))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routing::fixtures::trunk;

    #[test]
    fn a_way_out_is_known_by_its_address_or_name() {
        let body = || json!({"name": "c", "account_sid": AccountSid::random()});
        let out = |host: &str| json!({"ipv4": host, "outbound": 1});
        let local = json!({"ipv4": "127.0.0.1", "port": 5080, "outbound": 1});
        let table = TrunkTable::new(vec![
            trunk(body(), &[out("198.51.100.1"), out("Gw.example.com"), local]),
            trunk(body(), &[json!({"ipv4": "198.51.100.2", "inbound": 1})]),
        ]);
        for (host, peer, expected) in [
            ("x.example.com", "198.51.100.1:5060", true),
            ("198.51.100.1", "198.51.100.1:5099", true),
            ("x", "[::ffff:198.51.100.1]:5060", true),
            ("gw.EXAMPLE.com", "203.0.113.1:5060", true),
            ("127.0.0.1", "127.0.0.1:5080", true),
            ("127.0.0.1", "127.0.0.1:5081", false),
            ("198.51.100.2", "198.51.100.2:5060", false),
            ("example.com", "203.0.113.1:5060", false),
        ] {
            let found = table.ways_out(host, peer.parse().unwrap()).count();
            assert_eq!(found > 0, expected, "{host} {peer}");
        }
    }
}
