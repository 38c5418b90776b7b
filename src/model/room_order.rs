//! What an update orders a live conference to do: as a whole (contract rest.md §3.2), or to one
//! participant (§3.3). Verbs are handed on as they came: their grammar is not known here.

use serde_json::Value;

use super::{Fields, Hook, HookInput, Invalid, Patch, RecordingPath};

/// One order to a conference in progress.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomOrder {
    /// Everybody but the moderators.
    Mute(bool),
    /// The same, neither heard nor hearing.
    Hold(HoldOrder),
    /// Verbs that all hear.
    Announce(Value),
    Record(RecordOrder),
}

/// `hold_status` with the `wait_hook` beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOrder {
    pub held: bool,
    /// What is heard meanwhile.
    pub wait_hook: Option<Hook>,
}

/// The recording of the mix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordOrder {
    /// Without a path one is made up.
    Start {
        path: Option<RecordingPath>,
    },
    Stop,
    Pause,
    Resume,
}

/// The body of an update of a participant: one thing or more, all or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParticipantUpdate {
    pub mute: Option<bool>,
    pub hold: Option<HoldOrder>,
    pub tag: Patch<String>,
    /// Coach mode: heard by members with that tag alone.
    pub speak_only_to: Patch<String>,
    /// Verbs that this one hears.
    pub announce: Option<Value>,
}

const ORDERS: &[&str] = &["mute_status", "hold_status", "announce", "record"];

impl RoomOrder {
    /// Takes the order out of an update; at most one.
    pub(super) fn read(fields: &mut Fields) -> Result<Option<Self>, Invalid> {
        if ORDERS.iter().filter(|name| fields.has(name)).count() > 1 {
            let text = "only one of mute_status, hold_status, announce and record may be given";
            return Err(Invalid::Rule(text));
        }
        let mute = fields.mute_status()?.map(Self::Mute);
        let hold = match fields.hold_status()? {
            Some(held) => {
                Some(Self::Hold(HoldOrder { held, wait_hook: fields.plain_hook("wait_hook")? }))
            }
            // Then a hook is one that is laid down.
            None => None,
        };
        let announce = fields.announce()?.map(Self::Announce);
        let record = fields.record()?.map(Self::Record);
        Ok(mute.or(hold).or(announce).or(record))
    }
}

impl ParticipantUpdate {
    /// # Errors
    /// [`Invalid`] also for a body that changes nothing.
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let mute = fields.mute_status()?;
        let (held, brings_hook) = (fields.hold_status()?, fields.has("wait_hook"));
        let wait_hook = fields.plain_hook("wait_hook")?;
        if held.is_none() && brings_hook {
            return Err(Invalid::Rule("wait_hook is only valid with hold_status"));
        }
        let update = Self {
            mute,
            hold: held.map(|held| HoldOrder { held, wait_hook }),
            tag: fields.tag("member_tag")?,
            speak_only_to: fields.tag("speak_only_to")?,
            announce: fields.announce()?,
        };
        fields.finish()?;
        if update == Self::default() {
            let text =
                "one of mute_status, hold_status, member_tag, speak_only_to, announce is required";
            return Err(Invalid::MissingAs { name: "mute_status", text });
        }
        Ok(update)
    }

    /// Property and URL of the hook it brings.
    pub fn url(&self) -> Option<(&'static str, &str)> {
        self.hold.as_ref()?.url()
    }
}

impl HoldOrder {
    pub(super) fn url(&self) -> Option<(&'static str, &str)> {
        Some(("wait_hook", &self.wait_hook.as_ref()?.url))
    }
}

impl Fields {
    /// `mute_status`, of conferences and participants.
    pub fn mute_status(&mut self) -> Result<Option<bool>, Invalid> {
        const CHOICES: &[&str] = &["mute", "unmute"];
        self.either("mute_status", CHOICES)
    }

    /// `hold_status`. A `wait_hook` beside it is its own.
    fn hold_status(&mut self) -> Result<Option<bool>, Invalid> {
        const CHOICES: &[&str] = &["hold", "unhold"];
        self.either("hold_status", CHOICES)
    }

    /// True for the first of two words.
    fn either(
        &mut self,
        name: &'static str,
        choices: &'static [&'static str],
    ) -> Result<Option<bool>, Invalid> {
        let place = |word: &str| choices.iter().position(|choice| *choice == word);
        match self.one_of(name, choices, place)? {
            Patch::Absent => Ok(None),
            Patch::Value(place) => Ok(Some(place == 0)),
            Patch::Null => Err(Invalid::NotOneOf { name, choices }),
        }
    }

    /// A hook that is used and not kept; `null` and an empty URL are none.
    pub(super) fn plain_hook(&mut self, name: &'static str) -> Result<Option<Hook>, Invalid> {
        let given = self.hook_or_url(name)?.empty_as_null().with_usable_url()?;
        let hook = given.value().map(|input: HookInput| input.resolve(None)).transpose()?;
        Ok(hook.map(|stored| stored.hook))
    }

    /// A member's tag; an empty one is none.
    pub(super) fn tag(&mut self, name: &'static str) -> Result<Patch<String>, Invalid> {
        self.text_or_empty(name, 64)
    }

    fn announce(&mut self) -> Result<Option<Value>, Invalid> {
        const EXPECTED: &str = "a say or play verb, or an array of them";
        match self.take("announce") {
            Patch::Absent => Ok(None),
            Patch::Value(verbs @ (Value::Object(_) | Value::Array(_))) => Ok(Some(verbs)),
            _ => Err(Invalid::Wrong { name: "announce", expected: EXPECTED }),
        }
    }

    fn record(&mut self) -> Result<Option<RecordOrder>, Invalid> {
        let bad = |reason| Invalid::Refused { name: "record", reason };
        let map = match self.object("record")? {
            Patch::Absent => return Ok(None),
            Patch::Value(map) => map,
            Patch::Null => return Err(bad("must be an object")),
        };
        let mut record = Self::new(map);
        const ACTIONS: &[&str] = &["start", "stop", "pause", "resume"];
        let action = record.one_of("action", ACTIONS, |word| Some(word.to_owned()));
        let path =
            record.text("path", 1024).map_err(|_| bad("has a path that is no short text"))?;
        let path = path.value().filter(|path| !path.is_empty());
        let path = path.map(|path| RecordingPath::parse(&path));
        let order = match action.ok().and_then(Patch::value).as_deref() {
            Some("start") => RecordOrder::Start { path: path.transpose().map_err(bad)? },
            Some("stop") => RecordOrder::Stop,
            Some("pause") => RecordOrder::Pause,
            Some("resume") => RecordOrder::Resume,
            _ => return Err(bad("needs an action: start, stop, pause or resume")),
        };
        record.finish().map_err(|_| bad("has an unknown property"))?;
        Ok(Some(order))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    fn participant(body: Value) -> Result<ParticipantUpdate, String> {
        ParticipantUpdate::read(fields(body)).map_err(|bad| bad.to_string())
    }

    #[test]
    fn an_update_of_a_participant_names_one_thing_or_more() {
        let all = participant(json!({
            "mute_status": "unmute", "hold_status": "hold", "wait_hook": "https://a/w",
            "member_tag": "agent", "speak_only_to": null, "announce": {"verb": "play", "url": "x"},
        }))
        .unwrap();
        let wait_hook = Some(Hook::post("https://a/w"));
        assert_eq!(all.mute, Some(false));
        assert_eq!(all.hold, Some(HoldOrder { held: true, wait_hook }));
        assert_eq!(all.tag, Patch::Value("agent".to_owned()));
        assert_eq!(all.speak_only_to, Patch::Null);
        assert_eq!(all.url(), Some(("wait_hook", "https://a/w")));
        assert_eq!(participant(json!({"member_tag": ""})).unwrap().tag, Patch::Null);
        let unhold = participant(json!({"hold_status": "unhold", "wait_hook": ""})).unwrap();
        assert_eq!(unhold.hold, Some(HoldOrder { held: false, wait_hook: None }));
    }

    #[test]
    fn what_is_wrong_with_an_update_of_a_participant_is_said() {
        let long = "x".repeat(65);
        for (body, text) in [
            (json!({}), "one of mute_status, hold_status, member_tag, speak_only_to, announce is"),
            (json!({"hold_status": "on"}), "hold_status must be hold or unhold"),
            (json!({"hold_status": null}), "hold_status must be hold or unhold"),
            (
                json!({"hold_status": "hold", "wait_hook": 5}),
                "wait_hook must be an object or a URL",
            ),
            (json!({"hold_status": "hold", "wait_hook": "/w"}), "wait_hook url is not an absolute"),
            (json!({"wait_hook": "https://a/w"}), "wait_hook is only valid with hold_status"),
            (json!({"mute_status": "mute", "wait_hook": ""}), "wait_hook is only valid with"),
            (json!({"member_tag": long}), "member_tag is longer than 64 characters"),
            (json!({"speak_only_to": 5}), "speak_only_to must be a string"),
            (json!({"announce": "hi"}), "announce must be a say or play verb, or an array of them"),
            (json!({"announce": null}), "announce must be a say or play verb, or an array of them"),
            (json!({"colour": "red"}), "unknown property colour"),
        ] {
            let refused = participant(body.clone()).expect_err(&body.to_string());
            assert!(refused.starts_with(text), "{body}: {refused}");
        }
    }

    #[test]
    fn a_room_is_given_one_order_at_a_time() {
        let order = |body: Value| RoomOrder::read(&mut fields(body)).map_err(|bad| bad.to_string());
        assert_eq!(order(json!({})), Ok(None));
        assert_eq!(order(json!({"mute_status": "mute"})), Ok(Some(RoomOrder::Mute(true))));
        let held = RoomOrder::Hold(HoldOrder { held: true, wait_hook: None });
        assert_eq!(order(json!({"hold_status": "hold"})), Ok(Some(held)));
        let verbs = json!([{"verb": "say", "text": "hi"}]);
        assert_eq!(order(json!({"announce": verbs})), Ok(Some(RoomOrder::Announce(verbs))));
        let record = |body| order(json!({"record": body}));
        let start = |path: Option<&str>| {
            let path = path.map(|path| RecordingPath::parse(path).unwrap());
            RecordOrder::Start { path }
        };
        for (body, expected) in [
            (json!({"action": "start", "path": "a/b"}), start(Some("a/b"))),
            (json!({"action": "start", "path": ""}), start(None)),
            (json!({"action": "stop"}), RecordOrder::Stop),
            (json!({"action": "pause"}), RecordOrder::Pause),
            (json!({"action": "resume"}), RecordOrder::Resume),
        ] {
            assert_eq!(record(body), Ok(Some(RoomOrder::Record(expected))));
        }
        for (body, text) in [
            (json!("start"), "record must be an object"),
            (json!(null), "record must be an object"),
            (json!({}), "record needs an action: start, stop, pause or resume"),
            (json!({"action": "begin"}), "record needs an action: start, stop, pause or resume"),
            (json!({"action": "start", "path": 5}), "record has a path that is no short text"),
            (json!({"action": "start", "x": 5}), "record has an unknown property"),
        ] {
            assert_eq!(record(body), Err(text.to_owned()));
        }
        let both = order(json!({"mute_status": "mute", "hold_status": "hold"})).unwrap_err();
        assert!(both.starts_with("only one of mute_status, hold_status"), "{both}");
    }
}
