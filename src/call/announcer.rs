//! Announcements to conferences: fetched away from every thread that moves audio, then handed to the
//! room (contract rest.md §2.3.7, §3.2, §3.3). Nobody waits for them to be heard.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;
use media::source::Pcm;

use super::desk::Desk;
use super::effect::Audience;
use super::prompt::Unplayable;
use crate::conference::actor::ConferenceActor;
use crate::conference::message::{Announce, Announced};
use crate::floor::message::PlayToMember;
use crate::hook;
use crate::model::{AccountSid, Alert, CallSid};
use crate::participant::message::Play;
use crate::verb::{Clip, Loops, RunId};

/// Of an account, on their way to rooms at the same time. Those that sound or wait in a room are the
/// room's to bound.
const MOST: usize = 20;

/// One announcement, still to be fetched. URLs are absolute.
pub struct Announcement {
    pub account: AccountSid,
    pub room: Addr<ConferenceActor>,
    pub call: Option<CallSid>,
    pub clips: Vec<Clip>,
    pub audience: Audience,
}

/// As many announcements of the account as may be are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many announcements are on their way")]
pub struct TooMany;

/// How many announcements are being fetched, by account.
#[derive(Debug, Default)]
pub struct Fetching(Mutex<HashMap<AccountSid, usize>>);

/// One of them, until it is dropped.
struct Place {
    fetching: Arc<Fetching>,
    account: AccountSid,
}

impl Fetching {
    fn enter(self: &Arc<Self>, account: AccountSid) -> Result<Place, TooMany> {
        let mut counts = self.lock();
        let count = counts.entry(account).or_default();
        if *count == MOST {
            return Err(TooMany);
        }
        *count += 1;
        Ok(Place { fetching: self.clone(), account })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountSid, usize>> {
        // A count is whole after every change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.fetching.lock();
        if let Some(count) = counts.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}

impl Desk {
    /// Has it fetched and heard. What cannot be had is an alert.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn announce(&self, announcement: Announcement) -> Result<(), TooMany> {
        let is_speech = |clip: &Clip| matches!(clip, Clip::Speech(_));
        let kind = match announcement.clips.iter().all(is_speech) {
            true => Announced::Say,
            false => Announced::Play,
        };
        let place = self.fetching.enter(announcement.account)?;
        let desk = self.clone();
        let fetching = async move {
            let _place = place;
            let Announcement { account, room, call, clips, audience } = announcement;
            match desk.source(account).fetch_all(&clips).await {
                Ok(sounds) => match (audience, call) {
                    (Audience::Member, Some(call)) => room.do_send(to_member(call, sounds)),
                    _ => room.do_send(Announce { clips: sounds, kind, told: None }),
                },
                Err(unplayable) => {
                    let alert = Alert::of_hook(account, call, alert(unplayable, &clips));
                    desk.store.alerts().write(alert);
                }
            }
        };
        self.control.spawn(fetching);
        Ok(())
    }
}

/// In between what it hears of its own.
fn to_member(call: CallSid, clips: Vec<Arc<Pcm>>) -> PlayToMember {
    let play = Play {
        // Nobody asks for it again.
        id: RunId(0),
        clips,
        loops: Loops::Times(NonZeroU32::MIN),
        seek_samples: 0,
        there: true,
        announce: true,
    };
    PlayToMember::new(call, play, None)
}

/// As of the verbs: a text that could not be spoken, or a file.
fn alert(Unplayable { url, detail }: Unplayable, clips: &[Clip]) -> hook::Alert {
    let is_text = |clip: &Clip| matches!(clip, Clip::Speech(speech) if speech.text == url);
    if clips.iter().any(is_text) {
        let message = format!("text-to-speech failed: {detail}");
        return hook::Alert::new(hook::AlertKind::TtsFailure, message);
    }
    let message = format!("file not found or not playable: {url}");
    hook::Alert::new(hook::AlertKind::PlayUrlNotFound, message).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_so_many_on_their_way_and_no_more() {
        let fetching = Arc::new(Fetching::default());
        let (busy, calm) = (AccountSid::random(), AccountSid::random());
        let mut places: Vec<_> = (0..MOST).map(|_| fetching.enter(busy).unwrap()).collect();
        assert_eq!(fetching.enter(busy).err(), Some(TooMany));
        assert!(fetching.enter(calm).is_ok());
        places.pop();
        assert!(fetching.enter(busy).is_ok());
        drop(places);
        assert!(fetching.lock().is_empty());
    }
}
