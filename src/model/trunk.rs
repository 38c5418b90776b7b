//! A carrier together with its gateways: what calls pass through.

use super::{SipGateway, VoipCarrier};

/// A carrier and its gateways, in the order they are tried.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    pub carrier: VoipCarrier,
    pub gateways: Vec<SipGateway>,
    /// Its account is switched off: it neither takes calls nor brings any.
    pub is_closed: bool,
}

impl Trunk {
    /// Whether calls may pass at all.
    pub fn is_open(&self) -> bool {
        self.carrier.is_active && !self.is_closed
    }

    /// The gateways calls may go to.
    pub fn outbound(&self) -> impl Iterator<Item = &SipGateway> {
        self.gateways.iter().filter(|gateway| gateway.is_active && gateway.outbound)
    }
}
