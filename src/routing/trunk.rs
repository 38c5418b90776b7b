//! Carriers with their gateways, as one table: which of them a call may go through, and which one a
//! call came through.
//!
//! Built anew from the store when REST changes one of its rows, and never changed.

use std::collections::HashMap;

use super::network::{Networks, Source};
use crate::model::{AccountSid, ServiceProviderSid, SipGateway, Trunk, VoipCarrierSid};

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

    /// An account's own carriers.
    pub fn of_account(&self, account: AccountSid) -> impl Iterator<Item = &Trunk> {
        self.pick(self.by_account.get(&account))
    }

    /// The carriers that the accounts of a service provider share.
    pub fn shared_by(&self, provider: ServiceProviderSid) -> impl Iterator<Item = &Trunk> {
        self.pick(self.shared.get(&provider))
    }

    /// The carriers whose gateways a message from `source` may come from, those of the smallest network
    /// around it first.
    pub fn behind(&self, source: Source) -> impl Iterator<Item = &Trunk> {
        self.networks.find(source).into_iter().filter_map(|index| self.all.get(index))
    }

    fn pick(&self, indices: Option<&Vec<usize>>) -> impl Iterator<Item = &Trunk> {
        let indices = indices.map(Vec::as_slice).unwrap_or_default();
        indices.iter().filter_map(|index| self.all.get(*index))
    }
}
