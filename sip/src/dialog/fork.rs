//! The early dialogs of one INVITE of ours: each fork that answers provisionally has its own
//! (RFC 3261 §12.1.2, §13.2.2.1, RFC 3262 §4).

use super::cseq::{LocalCSeq, RemoteCSeq};
use super::exchange::Exchange;
use super::invite_session::{Session, Stage};
use super::path::Path;
use crate::message::RAck;

/// One early dialog.
#[derive(Debug)]
pub(crate) struct Fork {
    /// The tag of its To.
    pub(crate) tag: String,
    pub(crate) path: Path,
    pub(crate) local_seq: LocalCSeq,
    pub(crate) remote_seq: RemoteCSeq,
    pub(crate) exchange: Exchange,
    /// RSeq of its last reliable response.
    pub(crate) rseq: Option<u32>,
    /// The PRACK that waits for our answer to its offer.
    pub(crate) held: Option<RAck>,
    /// Whether its Allow lists UPDATE.
    pub(crate) takes_update: bool,
}

/// The part of a session that belongs to one dialog: a fork's while the call is early, else its own.
pub(crate) struct View<'a> {
    pub(crate) path: &'a mut Path,
    pub(crate) local_seq: &'a mut LocalCSeq,
    pub(crate) remote_seq: &'a mut RemoteCSeq,
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) takes_update: &'a mut bool,
}

impl Session {
    /// Whether our INVITE has no final response.
    pub(crate) fn is_early_caller(&self) -> bool {
        self.is_caller && self.stage == Stage::Early
    }

    pub(crate) fn fork_mut(&mut self, tag: &str) -> Option<&mut Fork> {
        self.forks.iter_mut().find(|fork| fork.tag == tag)
    }

    /// The dialog with the peer of that tag. `None` if a call of ours is early and no fork has it.
    pub(crate) fn view(&mut self, remote_tag: Option<&str>) -> Option<View<'_>> {
        if self.is_early_caller() {
            let fork = self.fork_mut(remote_tag?)?;
            return Some(View {
                path: &mut fork.path,
                local_seq: &mut fork.local_seq,
                remote_seq: &mut fork.remote_seq,
                exchange: &mut fork.exchange,
                takes_update: &mut fork.takes_update,
            });
        }
        Some(View {
            path: &mut self.path,
            local_seq: &mut self.local_seq,
            remote_seq: &mut self.remote_seq,
            exchange: &mut self.exchange,
            takes_update: &mut self.takes_update,
        })
    }

    /// The next number of ours towards the peer of that tag. A fork that lost still counts for itself.
    pub(crate) fn next_seq(&mut self, remote_tag: Option<&str>) -> u32 {
        let is_own = self.path.remote.tag() == remote_tag;
        match remote_tag.filter(|_| !is_own).and_then(|tag| self.fork_mut(tag)) {
            Some(fork) => fork.local_seq.next(),
            None => self.local_seq.next(),
        }
    }

    /// Every exchange of the session: its own and its forks'.
    pub(crate) fn exchanges_mut(&mut self) -> impl Iterator<Item = &mut Exchange> {
        std::iter::once(&mut self.exchange).chain(self.forks.iter_mut().map(|f| &mut f.exchange))
    }

    /// The call was answered by the fork of that tag: its early dialog becomes the dialog.
    pub(crate) fn confirm_fork(&mut self, tag: &str) {
        let Some(at) = self.forks.iter().position(|fork| fork.tag == tag) else { return };
        let fork = self.forks.swap_remove(at);
        self.local_seq = fork.local_seq;
        self.remote_seq = fork.remote_seq;
        self.exchange = fork.exchange;
        self.held = fork.held;
        self.takes_update = fork.takes_update;
    }
}
