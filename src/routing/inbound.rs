//! Who answers an INVITE, and whether it must prove who sent it (contract verbs.md §1.1, rest.md §2.4).
//!
//! Asked in this order by `sip_io/gate.rs`: what carrier brings it ([`through`]), may it come in at all
//! ([`admit`]), and what answers it ([`route`] for phones, [`through`] for carriers).

use crate::model::{ApplicationSid, PhoneNumber, Trunk};

/// What is known of one INVITE before anything is proved.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// From names a realm of ours.
    pub realm_is_ours: bool,
    /// That realm has the client it claims to be.
    pub client_exists: bool,
    /// Its source is a network of carriers.
    pub trunk: Trust,
    pub number: Reach,
}

/// What a source address is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Nobody's.
    #[default]
    None,
    /// A carrier's, whose network is its proof.
    Trusted,
    /// A carrier's that has a name and password to prove itself with.
    MustProve,
}

/// Who may call the dialled number, if it is provisioned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    #[default]
    Unknown,
    /// On no carrier: anybody.
    Anybody,
    /// On carriers that are known by their networks.
    Networks,
    /// On a carrier that proves itself by digest, from wherever.
    Digest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Digest first; whoever passes is a client, or a carrier.
    Challenge,
    /// Its carrier brings it.
    Trunk,
    /// Anybody may call a number that is on no carrier.
    Number,
    /// 403.
    Forbidden,
}

/// Unknown users of a known realm are challenged like known ones, so that names cannot be guessed.
pub fn admit(facts: Facts) -> Admission {
    match facts {
        Facts { client_exists: true, .. } | Facts { trunk: Trust::MustProve, .. } => {
            Admission::Challenge
        }
        Facts { trunk: Trust::Trusted, .. } => Admission::Trunk,
        Facts { number: Reach::Anybody, .. } => Admission::Number,
        Facts { number: Reach::Digest, .. } | Facts { realm_is_ours: true, .. } => {
            Admission::Challenge
        }
        _ => Admission::Forbidden,
    }
}

/// What a carrier's call reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Through<'a> {
    /// The carrier that brings it, of those it may come from.
    pub trunk: &'a Trunk,
    pub to: Reached<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reached<'a> {
    Number(&'a PhoneNumber),
    /// The carrier's own application.
    Application(ApplicationSid),
    /// 480.
    Nothing,
}

/// Which of several carriers behind one address brings a call, and what it reaches: the number on a
/// carrier; else the number on none, if its account uses the carrier; else the carrier's application;
/// else any number on none, as from a stranger.
///
/// `numbers` are the rows of the dialled one. `None` without carriers.
pub fn through<'a>(trunks: &[&'a Trunk], numbers: &'a [PhoneNumber]) -> Option<Through<'a>> {
    let on = |trunk: &Trunk| numbers.iter().find(|n| n.voip_carrier_sid == Some(trunk.carrier.sid));
    let free = numbers.iter().find(|number| number.voip_carrier_sid.is_none());
    let own = |trunk: &Trunk| {
        free.filter(|number| {
            let owner = trunk.carrier.account_sid;
            owner.is_some() && owner == number.account_sid
        })
    };
    let find = |pick: &dyn Fn(&'a Trunk) -> Option<Reached<'a>>| {
        trunks.iter().find_map(|trunk| pick(trunk).map(|to| Through { trunk, to }))
    };
    find(&|trunk| on(trunk).map(Reached::Number))
        .or_else(|| find(&|trunk| own(trunk).map(Reached::Number)))
        .or_else(|| find(&|trunk| trunk.carrier.application_sid.map(Reached::Application)))
        .or_else(|| find(&|_| free.map(Reached::Number)))
        .or_else(|| find(&|_| Some(Reached::Nothing)))
}

/// What a client may dial, and what its account offers.
#[derive(Clone, Copy, Debug)]
pub struct Permissions {
    pub direct_app: bool,
    pub direct_queue: bool,
    pub device_application: Option<ApplicationSid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Application(ApplicationSid),
    /// The implicit single verb `conference`.
    Conference(String),
    /// The implicit single verb `dequeue`.
    Queue(String),
    /// The dialled number's application, if the account has it.
    OwnNumber,
    /// The client's settings forbid it: 403.
    NotAllowed,
}

/// Where a client's call goes, by the user part it dialled.
pub fn route(dialled: &str, client: Permissions) -> Route {
    if let Some(sid) = dialled.strip_prefix("app-").and_then(ApplicationSid::parse) {
        return if client.direct_app { Route::Application(sid) } else { Route::NotAllowed };
    }
    if let Some(name) = dialled.strip_prefix("conference-").filter(|n| is_name(n)) {
        return if client.direct_app {
            Route::Conference(name.to_owned())
        } else {
            Route::NotAllowed
        };
    }
    if let Some(name) = dialled.strip_prefix("queue-").filter(|n| is_name(n)) {
        return if client.direct_queue { Route::Queue(name.to_owned()) } else { Route::NotAllowed };
    }
    client.device_application.map_or(Route::OwnNumber, Route::Application)
}

/// Names of conferences and queues (contract rest.md §3.1).
fn is_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=64).contains(&length) && !name.chars().any(|c| c.is_control() || c == '/' || c == ':')
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::model::{AccountSid, PhoneNumberSid};
    use crate::routing::fixtures::trunk;

    #[test]
    fn who_comes_in_and_who_must_prove_it() {
        use Admission::{Challenge, Forbidden, Number, Trunk};
        use Reach::{Anybody, Digest, Networks, Unknown};
        use Trust::{MustProve, None, Trusted};
        // realm is ours, client exists
        let (ours, client) = ((true, false), (true, true));
        let stranger = (false, false);
        for ((realm_is_ours, client_exists), trunk, number, expected) in [
            (stranger, None, Unknown, Forbidden),
            (stranger, None, Networks, Forbidden),
            (stranger, None, Anybody, Number),
            (stranger, None, Digest, Challenge),
            (ours, None, Unknown, Challenge),
            (ours, None, Networks, Challenge),
            (ours, None, Anybody, Number),
            (client, None, Anybody, Challenge),
            (client, Trusted, Anybody, Challenge),
            (stranger, Trusted, Unknown, Trunk),
            (ours, Trusted, Networks, Trunk),
            (stranger, MustProve, Anybody, Challenge),
        ] {
            let facts = Facts { realm_is_ours, client_exists, trunk, number };
            assert_eq!(admit(facts), expected, "{facts:?}");
        }
    }

    fn carrier(name: &str, more: serde_json::Value) -> Trunk {
        let mut body = serde_json::json!({"name": name, "account_sid": AccountSid::random()});
        if let (Some(body), serde_json::Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        trunk(body, &[])
    }

    fn number(account: AccountSid, carrier: Option<&Trunk>) -> PhoneNumber {
        PhoneNumber {
            sid: PhoneNumberSid::random(),
            number: "15551234567".to_owned(),
            voip_carrier_sid: carrier.map(|trunk| trunk.carrier.sid),
            account_sid: Some(account),
            application_sid: None,
            service_provider_sid: None,
        }
    }

    #[test]
    fn a_carriers_call_reaches_its_number_then_its_application() {
        let app = ApplicationSid::random();
        let with_app = carrier("with", serde_json::json!({"application_sid": app}));
        let without = carrier("without", serde_json::json!({}));
        let own = with_app.carrier.account_sid.unwrap();
        let other = AccountSid::random();
        let both = [&without, &with_app];
        let (on_with, on_without) = (number(own, Some(&with_app)), number(other, Some(&without)));
        let (own_free, other_free) = (number(own, None), number(other, None));
        let elsewhere = number(other, Some(&carrier("x", serde_json::json!({}))));
        let table: [(&[&Trunk], &[PhoneNumber], &Trunk, Reached<'_>); 9] = [
            (&both, from_ref(&on_with), &with_app, Reached::Number(&on_with)),
            (&both, from_ref(&on_without), &without, Reached::Number(&on_without)),
            (&both, &[], &with_app, Reached::Application(app)),
            (&both, from_ref(&elsewhere), &with_app, Reached::Application(app)),
            (&both, from_ref(&own_free), &with_app, Reached::Number(&own_free)),
            // Nobody takes another's calls by provisioning a number of theirs.
            (&both, from_ref(&other_free), &with_app, Reached::Application(app)),
            (&[&without], from_ref(&other_free), &without, Reached::Number(&other_free)),
            (&[&without], from_ref(&elsewhere), &without, Reached::Nothing),
            (&[&without], &[], &without, Reached::Nothing),
        ];
        for (trunks, numbers, trunk, to) in table {
            assert_eq!(through(trunks, numbers), Some(Through { trunk, to }));
        }
        assert_eq!(through(&[], &[own_free]), None);
    }

    #[test]
    fn dialled_user_part_chooses_the_application() {
        let device = ApplicationSid::random();
        let all =
            Permissions { direct_app: true, direct_queue: true, device_application: Some(device) };
        let app = ApplicationSid::random();
        let table = [
            (format!("app-{app}"), Route::Application(app)),
            ("conference-lobby".into(), Route::Conference("lobby".into())),
            ("queue-x".into(), Route::Queue("x".into())),
            ("queue-".into(), Route::Application(device)),
            ("1000".into(), Route::Application(device)),
            ("app-nonsense".into(), Route::Application(device)),
            ("conference-".into(), Route::Application(device)),
        ];
        for (dialled, expected) in table {
            assert_eq!(route(&dialled, all), expected, "{dialled}");
        }
        assert_eq!(
            route("1000", Permissions { device_application: None, ..all }),
            Route::OwnNumber
        );
        let none = Permissions { direct_app: false, direct_queue: false, ..all };
        for dialled in [format!("app-{app}"), "conference-a".into(), "queue-a".into()] {
            assert_eq!(route(&dialled, none), Route::NotAllowed, "{dialled}");
        }
    }
}
