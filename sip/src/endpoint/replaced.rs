//! Calls that take the place of others (RFC 3891): the dialog that is meant, and the fields that say so.

use super::Endpoint;
use super::order::Replaces;
use crate::Error;
use crate::dialog::{DialogId, DialogKey, Stage};

impl Endpoint {
    /// The dialog a Replaces header means (RFC 3891 §3): known to its owner and not ending. An early
    /// dialog counts only if the call is ours. `None` is to be answered 481. `early_only` is for the
    /// owner to judge: it knows whether the call was answered (486 then).
    pub fn find_replaced(&self, replaces: &Replaces) -> Option<DialogId> {
        let id = *self.dialogs.get(&DialogKey::new(&replaces.call_id, &replaces.to_tag))?;
        let session = self.sessions.get(&id)?;
        let is_there = match session.stage {
            _ if session.is_told => false,
            Stage::Confirmed => {
                let tag = session.path.remote.tag();
                // §6.1: a tag of 0 stands for none, of peers from the days of RFC 2543
                tag.map_or(replaces.from_tag == "0", |tag| tag == replaces.from_tag)
            }
            Stage::Early => session.is_caller,
            Stage::Leaving(_) | Stage::Closing | Stage::Gone => false,
        };
        is_there.then_some(id)
    }

    /// The dialog of an INVITE that we sent ourselves and that nobody has answered yet, by its Call-ID
    /// and From tag.
    pub fn placed(&self, call_id: &str, from_tag: &str) -> Option<DialogId> {
        let id = *self.dialogs.get(&DialogKey::new(call_id, from_tag))?;
        let session = self.sessions.get(&id)?;
        (session.is_caller && session.stage == Stage::Early).then_some(id)
    }
}

/// The fields of an INVITE that replaces a dialog.
///
/// # Errors
/// The dialog is named in a way that cannot be written.
pub(super) fn fields(replaces: &Replaces) -> Result<[(&'static str, String); 2], Error> {
    let value = replaces.to_string();
    if Replaces::parse(&value)? != *replaces {
        return Err(Error::ForbiddenBytes { what: "Replaces" });
    }
    Ok([("Require", "replaces".to_owned()), ("Replaces", value)])
}
