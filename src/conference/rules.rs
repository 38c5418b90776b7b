//! What REST laid down for a room, as the room takes it (contract rest.md §3.2). It beats what the verbs of
//! members say.

use std::sync::Arc;

use super::policy::Settings;
use crate::call::ConferenceTarget;
use crate::hook::{Base, HookError, ResolvedHook};
use crate::model::{Conference, Hook, RecordingPath, Secret};
use crate::verb::StatusEventName;

#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub settings: Settings,
    pub status: StatusRule,
    /// What is played to those who wait for the start, where their verb does not say.
    pub wait_hook: Option<Hook>,
}

/// Where the room's events go and which; what is `None` is left to the member that starts the room.
#[derive(Clone, Debug, Default)]
pub struct StatusRule {
    hook: Option<ResolvedHook>,
    events: Option<Vec<StatusEventName>>,
}

/// What the member that starts a room brings along.
#[derive(Clone)]
pub struct Starter {
    pub status: Option<Arc<ConferenceTarget>>,
    /// The account's webhook secret.
    pub secret: Secret,
    /// The mix is to be recorded there.
    pub record: Option<RecordingPath>,
}

impl Rules {
    /// Beside them what is wrong with the status hook, if it cannot be asked.
    pub fn of(defined: &Conference) -> (Self, Option<HookError>) {
        let hook = defined
            .status_hook
            .as_ref()
            .map(|stored| Base::default().resolve(&stored.hook).and_then(ResolvedHook::for_events));
        let (hook, error) = match hook.transpose() {
            Ok(hook) => (hook, None),
            Err(error) => (None, Some(error)),
        };
        let settings = Settings {
            max_participants: defined.max_participants.and_then(|max| usize::try_from(max).ok()),
            beep: defined.beep,
            join_muted: defined.join_muted,
            locked: defined.locked,
        };
        let events = defined.status_events.as_ref().map(|events| {
            events.iter().filter_map(|event| StatusEventName::parse(event.as_str())).collect()
        });
        let wait_hook = defined.wait_hook.as_ref().map(|stored| stored.hook.clone());
        (Self { settings, status: StatusRule { hook, events }, wait_hook }, error)
    }
}

impl StatusRule {
    /// Where events of the room go that `starter` has started.
    pub fn target(&self, starter: &Starter) -> Option<Arc<ConferenceTarget>> {
        let own = starter.status.as_ref();
        if self.hook.is_none() && self.events.is_none() {
            return own.cloned();
        }
        let hook = self.hook.clone().or_else(|| own.map(|target| target.hook.clone()))?;
        let events = self.events.clone().or_else(|| own.map(|target| target.events.clone()));
        let (events, secret) = (events.unwrap_or_default(), starter.secret.clone());
        let socket = own.filter(|_| self.hook.is_none()).and_then(|target| target.socket.clone());
        Some(Arc::new(ConferenceTarget { hook, secret, events, socket }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountSid, ConferenceInput, Fields};
    use serde_json::{Value, json};

    fn rules(body: Value) -> Rules {
        let Value::Object(map) = body else { panic!("an object") };
        let mut defined = Conference::new(AccountSid::random(), "lobby");
        let update = ConferenceInput::update(Fields::new(map)).unwrap();
        update.settings.apply(&mut defined).unwrap();
        Rules::of(&defined).0
    }

    fn starter(url: Option<&str>) -> Starter {
        let secret = Secret("s".to_owned());
        let status = url.map(|url| {
            let hook = Base::default().resolve(&Hook::post(url)).unwrap();
            let events = vec![StatusEventName::Join];
            Arc::new(ConferenceTarget { hook, secret: secret.clone(), events, socket: None })
        });
        Starter { status, secret, record: None }
    }

    fn told(body: Value, url: Option<&str>) -> Option<(String, Vec<&'static str>)> {
        let target = rules(body).status.target(&starter(url))?;
        let events = target.events.iter().map(|event| event.as_str()).collect();
        Some((target.hook.url.host_str()?.to_owned(), events))
    }

    #[test]
    fn what_is_laid_down_beats_the_starter_and_what_is_not_is_the_starters() {
        let verb = Some("http://verb/");
        let expected =
            |host: &str, events: &[&'static str]| Some((host.to_owned(), events.to_vec()));
        let rest = "http://rest/";
        assert_eq!(told(json!({}), verb), expected("verb", &["join"]));
        assert_eq!(told(json!({}), None), None);
        assert_eq!(told(json!({"status_hook": rest}), verb), expected("rest", &["join"]));
        assert_eq!(told(json!({"status_hook": rest}), None), expected("rest", &[]));
        let events = json!(["end", "stop-talking"]);
        let both = json!({"status_hook": rest, "status_events": events});
        assert_eq!(told(both.clone(), verb), expected("rest", &["end", "stop-talking"]));
        assert_eq!(told(both, None), expected("rest", &["end", "stop-talking"]));
        assert_eq!(told(json!({"status_events": []}), verb), expected("verb", &[]));
        assert_eq!(told(json!({"status_events": events}), None), None);
    }

    #[test]
    fn a_status_hook_that_cannot_be_asked_is_told_of() {
        let Value::Object(map) = json!({"status_hook": "wss://rest/"}) else { panic!("an object") };
        let mut defined = Conference::new(AccountSid::random(), "lobby");
        let update = ConferenceInput::update(Fields::new(map)).unwrap();
        update.settings.apply(&mut defined).unwrap();
        assert!(Rules::of(&defined).1.is_some());
    }
}
