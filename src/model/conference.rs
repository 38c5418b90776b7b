//! A conference that REST defined, live or not (contract rest.md §3.2).

use super::word::words;
use super::{
    AccountSid, ConferenceSid, Fields, HookInput, Invalid, Patch, RoomOrder, StoredHook, Timestamp,
};

words! {
    /// What a status hook can be told of a room.
    RoomEvent {
        Start = "start",
        End = "end",
        Join = "join",
        Leave = "leave",
        StartTalking = "start-talking",
        StopTalking = "stop-talking",
    }
}

/// What was laid down for a room. What is `None` was not: a member's verb may say.
#[derive(Clone, Debug, PartialEq)]
pub struct Conference {
    pub sid: ConferenceSid,
    pub account_sid: AccountSid,
    pub name: String,
    /// It stays until it is deleted, also over a restart. Otherwise its last participant ends it.
    pub persistent: bool,
    pub max_participants: Option<u32>,
    /// A tone when somebody enters.
    pub beep: Option<bool>,
    /// For all but moderators.
    pub join_muted: Option<bool>,
    /// For those who wait and whose verb names none.
    pub wait_hook: Option<StoredHook>,
    pub status_hook: Option<StoredHook>,
    pub status_events: Option<Vec<RoomEvent>>,
    /// Nobody new comes in.
    pub locked: bool,
    pub created_at: Timestamp,
}

impl Conference {
    /// One for which nothing is laid down.
    pub fn new(account_sid: AccountSid, name: impl Into<String>) -> Self {
        Self {
            sid: ConferenceSid::random(),
            account_sid,
            name: name.into(),
            persistent: true,
            max_participants: None,
            beep: None,
            join_muted: None,
            wait_hook: None,
            status_hook: None,
            status_events: None,
            locked: false,
            created_at: Timestamp::now(),
        }
    }
}

/// What a create or an update lays down. `null` takes it back.
#[derive(Clone, Debug, Default)]
pub struct ConferenceInput {
    persistent: Patch<bool>,
    max_participants: Patch<u32>,
    beep: Patch<bool>,
    join_muted: Patch<bool>,
    wait_hook: Patch<HookInput>,
    status_hook: Patch<HookInput>,
    status_events: Patch<Vec<RoomEvent>>,
    locked: Patch<bool>,
}

/// The body of an update: settings, and an order to the live room.
#[derive(Debug)]
pub struct ConferenceUpdate {
    pub settings: ConferenceInput,
    pub order: Option<RoomOrder>,
}

const OUTPUT: &[&str] = &[
    "event_sid",
    "account_sid",
    "status",
    "participant_count",
    "waiting_count",
    "moderator_count",
    "recording",
    "created_at",
    "started_at",
];

impl ConferenceInput {
    /// The body of a create: the name beside the settings.
    pub fn create(mut fields: Fields) -> Result<(String, Self), Invalid> {
        let name = fields.room_name()?;
        fields.ignore(&["conference_sid"]);
        Ok((name, Self::read(fields)?))
    }

    /// # Errors
    /// [`Invalid`] also for more than one order.
    pub fn update(mut fields: Fields) -> Result<ConferenceUpdate, Invalid> {
        fields.refuse("conference_sid", Invalid::PrimaryKey("conference_sid"))?;
        fields.refuse("name", Invalid::Fixed("name"))?;
        // First: a `wait_hook` beside `hold_status` is the order's, alone it is laid down.
        let order = RoomOrder::read(&mut fields)?;
        Ok(ConferenceUpdate { settings: Self::read(fields)?, order })
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let input = Self {
            persistent: fields.flag("persistent")?,
            max_participants: fields.count("max_participants", 2)?,
            beep: fields.flag("beep")?,
            join_muted: fields.flag("join_muted")?,
            wait_hook: fields.hook_or_url("wait_hook")?.empty_as_null().with_usable_url()?,
            status_hook: fields.hook_or_url("status_hook")?.empty_as_null().with_usable_url()?,
            status_events: fields.words("status_events", RoomEvent::WORDS, RoomEvent::parse)?,
            locked: fields.flag("locked")?,
        };
        fields.ignore(OUTPUT);
        fields.finish()?;
        Ok(input)
    }

    /// Property and URL of every hook it brings.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let hooks = [&self.wait_hook, &self.status_hook].into_iter();
        hooks.filter_map(|hook| hook.as_ref().value()?.named_url())
    }

    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.persistent.is_absent()
            && self.max_participants.is_absent()
            && self.beep.is_absent()
            && self.join_muted.is_absent()
            && self.wait_hook.is_absent()
            && self.status_hook.is_absent()
            && self.status_events.is_absent()
            && self.locked.is_absent()
    }

    pub fn apply(self, record: &mut Conference) -> Result<(), Invalid> {
        self.persistent.apply_or(|| true, &mut record.persistent);
        self.max_participants.apply(&mut record.max_participants);
        self.beep.apply(&mut record.beep);
        self.join_muted.apply(&mut record.join_muted);
        self.wait_hook.resolve_into(&mut record.wait_hook)?;
        self.status_hook.resolve_into(&mut record.status_hook)?;
        self.status_events.apply(&mut record.status_events);
        self.locked.apply_or(|| false, &mut record.locked);
        Ok(())
    }
}

impl ConferenceUpdate {
    /// Property and URL of every hook it brings.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let held = match &self.order {
            Some(RoomOrder::Hold(order)) => order.url(),
            _ => None,
        };
        self.settings.urls().chain(held)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    fn changed(record: &mut Conference, body: Value) {
        ConferenceInput::update(fields(body)).unwrap().settings.apply(record).unwrap();
    }

    #[test]
    fn what_is_laid_down_can_be_taken_back() {
        let mut room = Conference::new(AccountSid::random(), "lobby");
        let plain = room.clone();
        changed(
            &mut room,
            json!({
                "max_participants": "2", "beep": 0, "join_muted": true, "locked": true,
                "status_events": ["join", "leave", "join"], "persistent": false,
                "status_hook": "https://a/b", "wait_hook": {"url": "https://a/c", "method": "get"}
            }),
        );
        assert_eq!(
            (room.max_participants, room.beep, room.join_muted),
            (Some(2), Some(false), Some(true))
        );
        assert_eq!(room.status_events, Some(vec![RoomEvent::Join, RoomEvent::Leave]));
        assert_eq!(room.status_hook.as_ref().unwrap().hook.url, "https://a/b");
        let all_null = json!({
            "max_participants": null, "beep": null, "join_muted": null, "locked": null,
            "status_events": null, "persistent": null, "status_hook": "", "wait_hook": null
        });
        changed(&mut room, all_null);
        assert_eq!(room, plain);
    }

    #[test]
    fn orders_are_told_from_settings() {
        let update = |body| ConferenceInput::update(fields(body));
        let muted = update(json!({"mute_status": "mute"})).unwrap();
        assert!(muted.settings.is_empty() && muted.order == Some(RoomOrder::Mute(true)));
        let hook = "https://a/w";
        let held = update(json!({"hold_status": "hold", "wait_hook": hook})).unwrap();
        assert!(held.settings.is_empty());
        assert_eq!(held.urls().collect::<Vec<_>>(), [("wait_hook", hook)]);
        let laid_down = update(json!({"wait_hook": hook})).unwrap();
        assert!(!laid_down.settings.is_empty() && laid_down.order.is_none());
        assert_eq!(laid_down.urls().collect::<Vec<_>>(), [("wait_hook", hook)]);
        assert!(!update(json!({"locked": false})).unwrap().settings.is_empty());
        for (body, text) in [
            (json!({"mute_status": "off"}), "mute_status must be mute or unmute"),
            (json!({"hold_status": "on"}), "hold_status must be hold or unhold"),
            (json!({"name": "x"}), "name may not be modified"),
        ] {
            assert_eq!(update(body).unwrap_err().to_string(), text);
        }
    }
}
