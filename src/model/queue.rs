//! A queue that REST defined (contract rest.md §3.4).

use super::{AccountSid, Fields, HookInput, Invalid, Patch, QueueSid, StoredHook, Timestamp};

#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    pub sid: QueueSid,
    pub account_sid: AccountSid,
    pub name: String,
    /// It stays until it is deleted, also over a restart.
    pub persistent: bool,
    /// `None`: as long as it gets.
    pub max_length: Option<u32>,
    /// For calls whose `enqueue` names none.
    pub wait_hook: Option<StoredHook>,
    pub created_at: Timestamp,
}

impl Queue {
    pub fn new(account_sid: AccountSid, name: impl Into<String>) -> Self {
        Self {
            sid: QueueSid::random(),
            account_sid,
            name: name.into(),
            persistent: true,
            max_length: None,
            wait_hook: None,
            created_at: Timestamp::now(),
        }
    }
}

/// The settings in a create or an update.
#[derive(Clone, Debug, Default)]
pub struct QueueInput {
    persistent: Patch<bool>,
    max_length: Patch<u32>,
    wait_hook: Patch<HookInput>,
}

const OUTPUT: &[&str] =
    &["event_sid", "account_sid", "length", "longest_wait", "average_wait", "created_at"];

impl QueueInput {
    /// The body of a create: the name beside the settings.
    pub fn create(mut fields: Fields) -> Result<(String, Self), Invalid> {
        let name = fields.room_name()?;
        fields.ignore(&["queue_sid"]);
        Ok((name, Self::read(fields)?))
    }

    pub fn update(fields: Fields) -> Result<Self, Invalid> {
        fields.refuse("queue_sid", Invalid::PrimaryKey("queue_sid"))?;
        fields.refuse("name", Invalid::Fixed("name"))?;
        Self::read(fields)
    }

    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let input = Self {
            persistent: fields.flag("persistent")?,
            max_length: fields.count("max_length", 1)?,
            wait_hook: fields.hook_or_url("wait_hook")?.empty_as_null().with_usable_url()?,
        };
        fields.ignore(OUTPUT);
        fields.finish()?;
        Ok(input)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.persistent.is_absent() && self.max_length.is_absent() && self.wait_hook.is_absent()
    }

    /// Property and URL of the hook it brings.
    pub fn urls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.wait_hook.as_ref().value().and_then(HookInput::named_url).into_iter()
    }

    pub fn apply(self, record: &mut Queue) -> Result<(), Invalid> {
        self.persistent.apply_or(|| true, &mut record.persistent);
        self.max_length.apply(&mut record.max_length);
        self.wait_hook.resolve_into(&mut record.wait_hook)
    }
}
