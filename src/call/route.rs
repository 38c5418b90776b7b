//! The ways to the callee of an outbound call: what is tried one after the other, and what at the
//! same time. Made by `originate`, carried out by the call's actor.

use sip::Invite;

use crate::model::{Encryption, SipGatewaySid};

/// Stages one after the other, the attempts of a stage at the same time. Never empty, and no stage is.
#[derive(Clone, Debug)]
pub struct Route {
    pub stages: Vec<Vec<Attempt>>,
}

/// One INVITE to one place.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Without its body: the offer is the call's.
    pub invite: Invite,
    /// The gateway it goes to, whose health its outcome is told.
    pub gateway: Option<SipGatewaySid>,
    /// The carrier's name, for the call's record.
    pub trunk: Option<String>,
    /// `None`: as the server's configuration says.
    pub encryption: Option<Encryption>,
}

/// Stages of one call: beyond it the caller has waited long enough.
pub const MAX_STAGES: usize = 8;
/// Attempts at the same time: more phones than one person has.
pub const MAX_FORKS: usize = 8;

impl Route {
    /// `None` when nothing leads anywhere. What exceeds [`MAX_STAGES`] and [`MAX_FORKS`] is left out.
    pub fn new(stages: impl IntoIterator<Item = Vec<Attempt>>) -> Option<Self> {
        let cut = |mut stage: Vec<Attempt>| {
            stage.truncate(MAX_FORKS);
            stage
        };
        let stages = stages.into_iter().filter(|stage| !stage.is_empty()).map(cut);
        let stages: Vec<_> = stages.take(MAX_STAGES).collect();
        (!stages.is_empty()).then_some(Self { stages })
    }

    /// One attempt after the other.
    pub fn in_turn(attempts: impl IntoIterator<Item = Attempt>) -> Option<Self> {
        Self::new(attempts.into_iter().map(|attempt| vec![attempt]))
    }
}

impl Attempt {
    /// An attempt that is no trunk's business.
    pub fn direct(invite: Invite) -> Self {
        Self { invite, gateway: None, trunk: None, encryption: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip::{Flow, NameAddr, Uri};

    fn attempt(user: &str) -> Attempt {
        let address = "192.0.2.1:5060".parse().unwrap();
        let uri = Uri::of_addr(Some(user), address);
        let name = NameAddr::new(uri.clone());
        Attempt::direct(Invite::new(uri, Flow::udp(address, address), name.clone(), name))
    }

    fn shape(route: Option<Route>) -> Vec<usize> {
        route.map(|r| r.stages.iter().map(Vec::len).collect()).unwrap_or_default()
    }

    #[test]
    fn a_route_is_never_empty_and_has_bounds() {
        assert!(Route::new(Vec::new()).is_none());
        assert!(Route::new([vec![], vec![]]).is_none());
        assert_eq!(shape(Route::new([vec![], vec![attempt("a"), attempt("b")]])), [2]);
        assert_eq!(shape(Route::in_turn([attempt("a"), attempt("b")])), [1, 1]);
        let many = vec![attempt("a"); MAX_FORKS + 1];
        assert_eq!(shape(Route::new(vec![many; MAX_STAGES + 1])), [MAX_FORKS; MAX_STAGES]);
    }
}
