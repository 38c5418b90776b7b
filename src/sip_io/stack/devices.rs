//! How many devices an account may have registered at once (contract rest.md §2.14).
//!
//! A device is a user: an address of record with at least one contact. Two phones of one user are one
//! device, as one user's `RegisteredSipUsers` entry is.

use sip::Reply;

use super::StackActor;
use crate::model::AccountSid;
use crate::sip_io::gate::Registrant;

impl StackActor {
    /// Whether this user may have contacts: it has some, or its account may have one more device.
    ///
    /// Asked and acted on in one go, so two new users do not both take the last place.
    pub(super) fn has_room_for(&self, Registrant { aor, devices, .. }: &Registrant) -> bool {
        let most = devices.map_or(usize::MAX, |most| most as usize);
        self.parts.registrations.has_room_for(aor, most)
    }

    /// The answer to who would be one too many.
    pub(super) fn refuse_device(&self, account: AccountSid, most: Option<u32>, aor: &str) -> Reply {
        self.parts.desk.device_refused(account, most.unwrap_or_default(), aor);
        Reply::new(403).with_header("X-Reason", "Maximum Devices Registered")
    }
}
