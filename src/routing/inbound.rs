//! Who answers an INVITE, and whether it must prove who sent it (contract verbs.md §1.1).
//!
//! Two questions, asked in this order by `sip_io/gate.rs` after one look into the store: may this
//! request come in at all ([`admit`]), and what answers it ([`route`]).

use crate::model::ApplicationSid;

/// The store's answers about one INVITE.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// From (or the request) names a realm of ours.
    pub realm_is_ours: bool,
    /// That realm has the client it claims to be.
    pub client_exists: bool,
    /// The dialled number is provisioned, with an account that is active.
    pub number_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Digest first; whoever passes is a client.
    Challenge,
    /// Anybody may call a provisioned number.
    Number,
    /// 403.
    Forbidden,
}

/// Unknown users of a known realm are challenged like known ones, so that names cannot be guessed.
pub fn admit(facts: Facts) -> Admission {
    if facts.client_exists {
        Admission::Challenge
    } else if facts.number_exists {
        Admission::Number
    } else if facts.realm_is_ours {
        Admission::Challenge
    } else {
        Admission::Forbidden
    }
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
    /// The dialled number's application, if the account has it.
    OwnNumber,
    /// The client's settings forbid it: 403.
    NotAllowed,
    /// Understood, but not offered: 480 with this X-Reason.
    Unavailable(&'static str),
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
    if dialled.starts_with("queue-") {
        return if client.direct_queue {
            Route::Unavailable("calling a queue is not supported yet")
        } else {
            Route::NotAllowed
        };
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
    use super::*;

    #[test]
    fn strangers_come_in_by_number_only() {
        let facts = Facts::default();
        assert_eq!(admit(facts), Admission::Forbidden);
        assert_eq!(admit(Facts { number_exists: true, ..facts }), Admission::Number);
        assert_eq!(admit(Facts { realm_is_ours: true, ..facts }), Admission::Challenge);
        let client = Facts { realm_is_ours: true, client_exists: true, number_exists: true };
        assert_eq!(admit(client), Admission::Challenge);
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
            ("queue-x".into(), Route::Unavailable("calling a queue is not supported yet")),
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
