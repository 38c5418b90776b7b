//! Which encoded stream a seat is sent, and how it changes from one to another without a click.
//!
//! Seats of one format and audience form a group; those that hear just the group's mix follow the
//! group's chain, which encodes once for all of them. A seat that talks, hears a prompt, or fades is
//! sent a stream of its own. Going alone it copies the group's state, so its decoder sees one
//! continuous stream. Coming back it first hears the group's mix through its own chain until the two
//! encoders have converged (`chain::converges_after`); an idle group takes the seat's chain over.
//!
//! G.711 in a mixer at 8 kHz has no state at all: such seats are `Plain` and need none of this.

use super::audience::Audiences;
use super::chain::{Chain, converges_after, ticks_per_cycle};
use crate::codec::{CodecKind, SendFormat};
use crate::error::Error;
use crate::time::{Ptime, SampleRate};

/// What a seat is sent.
#[derive(Debug)]
pub(super) enum Stream {
    /// 20 ms of G.711 at the mixer's own rate.
    Plain,
    /// A chain that begins when packets of its length next begin.
    Starting(Box<Chain>),
    /// A chain of its own. `settle` ticks more of hearing the same, and it may follow the group.
    Own { chain: Box<Chain>, settle: u32 },
    /// The chain of its group.
    Following,
}

/// Whether the format needs no chain in a mixer of this rate.
pub(super) fn is_plain(format: &SendFormat, mix: SampleRate) -> bool {
    matches!(format.codec, CodecKind::Pcmu | CodecKind::Pcma)
        && format.ptime == Ptime::TICK
        && mix == SampleRate::NARROW
}

/// All seats that may share one chain.
#[derive(Debug)]
pub(super) struct Group {
    format: SendFormat,
    /// Index into the audiences.
    audience: usize,
    members: usize,
    chain: Option<Box<Chain>>,
    /// Somebody follows it in this tick, or is about to.
    is_wanted: bool,
    /// It was fed in the last tick: its state is that of its followers' decoders.
    is_live: bool,
}

/// The groups of a mixer, and chains that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Groups {
    all: Vec<Group>,
    #[allow(clippy::vec_box)] // they move between seats, groups and here
    spare: Vec<Box<Chain>>,
    /// The most seats that were sent streams of their own at once: so many chains are kept of each
    /// format that has members.
    most_own: usize,
    /// Seats that were on their way to a group in the last tick, and so far in this one.
    converging: (usize, usize),
}

/// So many seats at a time may take the long way into their group, one more encoding each.
const MAX_CONVERGING: usize = 8;

impl Groups {
    /// The group of this format and audience, with one member more.
    pub(super) fn join(&mut self, format: &SendFormat, audience: usize) -> usize {
        let fits = |group: &Group| {
            group.members > 0 && group.format == *format && group.audience == audience
        };
        let at = self.all.iter().position(fits).unwrap_or_else(|| {
            let fresh = Group {
                format: *format,
                audience,
                members: 0,
                chain: None,
                is_wanted: false,
                is_live: false,
            };
            match self.all.iter().position(|group| group.members == 0) {
                Some(at) => {
                    self.all[at] = fresh;
                    at
                }
                None => {
                    self.all.push(fresh);
                    self.all.len() - 1
                }
            }
        });
        self.all[at].members += 1;
        at
    }

    pub(super) fn leave(&mut self, group: usize) {
        let group = &mut self.all[group];
        group.members -= 1;
        if group.members == 0 {
            group.chain = None;
            let format = group.format;
            if self.all.iter().all(|group| group.members == 0 || group.format != format) {
                self.spare.retain(|chain| *chain.format() != format);
            }
        }
    }

    /// Audiences have other indexes: `moved` has the new one of each. Of a group whose audience is no
    /// more every member is about to leave.
    pub(super) fn follow_audiences(&mut self, moved: &[Option<usize>]) {
        for group in self.all.iter_mut().filter(|group| group.members > 0) {
            group.audience = moved[group.audience].unwrap_or(usize::MAX);
        }
    }

    /// The chain that followers of the group are sent.
    pub(super) fn chain(&self, group: usize) -> Option<&Chain> {
        self.all[group].chain.as_deref()
    }

    /// Decides what a seat is sent in this tick. `alone` says that what it hears is not, or may not
    /// be, the group's mix. After this an `Own` chain is to be fed by the caller.
    pub(super) fn settle(
        &mut self,
        stream: &mut Stream,
        group: usize,
        alone: bool,
        tick: u64,
        mix: SampleRate,
    ) {
        let converge = converges_after(self.all[group].format.codec);
        match stream {
            Stream::Plain => {}
            Stream::Starting(chain) => {
                if tick.is_multiple_of(ticks_per_cycle(chain.format().ptime))
                    && let Stream::Starting(chain) = std::mem::replace(stream, Stream::Following)
                {
                    // A decoder that has heard nothing yet can begin in the middle of a stream, if not
                    // as smoothly: better than that a crowd at the door makes everybody's tick late.
                    let is_crowded = self.converging.0.max(self.converging.1) >= MAX_CONVERGING;
                    if is_crowded && !alone && self.all[group].is_live {
                        self.all[group].is_wanted = true;
                        self.put_away(Some(chain));
                    } else {
                        self.converging.1 += 1;
                        *stream = Stream::Own { chain, settle: converge };
                    }
                }
            }
            Stream::Following if self.all[group].chain.is_none() => {
                // Its chain could not go on at another rate: begin anew.
                let format = self.all[group].format;
                if let Ok(chain) = self.fresh(&format, mix) {
                    *stream = Stream::Starting(chain);
                }
            }
            Stream::Following if alone => {
                if let Some(chain) = self.copy_of(group, mix) {
                    *stream = Stream::Own { chain, settle: converge };
                }
            }
            Stream::Following => self.all[group].is_wanted = true,
            // The last of a chain's memory is gone: see `tune.rs`.
            Stream::Own { settle: 0, .. } if is_plain(&self.all[group].format, mix) => {
                *stream = Stream::Plain;
            }
            Stream::Own { settle, .. } if is_plain(&self.all[group].format, mix) => *settle -= 1,
            Stream::Own { settle, .. } if alone => *settle = converge,
            // A group of one has nothing to share, and nothing to converge with.
            Stream::Own { settle, .. } if self.all[group].members < 2 => *settle = converge,
            Stream::Own { chain, settle } => {
                let target = &mut self.all[group];
                let is_idle = !target.is_live && !target.is_wanted;
                target.is_wanted = true;
                self.converging.1 += 1;
                if is_idle || (*settle == 0 && chain.is_between_packets()) {
                    if let Stream::Own { chain, .. } = std::mem::replace(stream, Stream::Following)
                    {
                        let unused = match is_idle {
                            true => self.all[group].chain.replace(chain),
                            false => Some(chain),
                        };
                        self.put_away(unused);
                    }
                } else {
                    *settle = settle.saturating_sub(1);
                }
            }
        }
    }

    /// Feeds every group that is followed: `feed` gets its audience and its chain.
    pub(super) fn feed(&mut self, mut feed: impl FnMut(usize, &mut Chain)) {
        self.converging = (self.converging.1, 0);
        for group in &mut self.all {
            if group.is_wanted
                && let Some(chain) = &mut group.chain
            {
                feed(group.audience, chain);
            }
            group.is_live = group.is_wanted;
            group.is_wanted = false;
        }
    }

    /// Notes how many streams of their own were needed in this tick.
    pub(super) fn count_own(&mut self, own: usize) {
        if own > self.most_own {
            self.most_own = own;
            self.spare.reserve(own);
        }
    }

    /// Gives a group that nobody follows a chain that can be followed at once, by all who were sent the
    /// same until now. `false` if that cannot be made.
    pub(super) fn revive(
        &mut self,
        group: usize,
        chain: impl FnOnce() -> Option<Box<Chain>>,
    ) -> bool {
        let group = &mut self.all[group];
        if !group.is_live {
            group.chain = chain();
            group.is_live = group.chain.is_some();
        }
        group.is_live
    }

    /// A chain that continues the group's stream.
    pub(super) fn copy_of(&mut self, group: usize, mix: SampleRate) -> Option<Box<Chain>> {
        let group = &self.all[group];
        let original = group.chain.as_deref()?;
        let spare = self.spare.iter().position(|chain| *chain.format() == group.format);
        let mut copy = match spare {
            Some(at) => self.spare.swap_remove(at),
            None => Box::new(Chain::new(group.format, mix).ok()?),
        };
        copy.copy_from(original);
        Some(copy)
    }

    /// Keeps a chain for the next seat that needs one of that format.
    pub(super) fn put_away(&mut self, chain: Option<Box<Chain>>) {
        let Some(chain) = chain else { return };
        let alike = self.spare.iter().filter(|spare| spare.format() == chain.format()).count();
        if alike < self.most_own {
            self.spare.push(chain);
        }
    }

    /// A fresh chain: a spare one or a new one.
    ///
    /// # Errors
    /// [`Error::CodecRate`].
    pub(super) fn fresh(
        &mut self,
        format: &SendFormat,
        mix: SampleRate,
    ) -> Result<Box<Chain>, Error> {
        match self.spare.iter().position(|chain| chain.format() == format) {
            Some(at) => {
                let mut chain = self.spare.swap_remove(at);
                chain.reset();
                Ok(chain)
            }
            None => Ok(Box::new(Chain::new(*format, mix)?)),
        }
    }

    /// Goes on at another rate; see [`Chain::set_rate`].
    pub(super) fn set_rate(&mut self, mix: SampleRate, audiences: &mut Audiences) {
        self.spare.clear();
        for group in &mut self.all {
            if let Some(chain) = &mut group.chain
                && chain.set_rate(mix, audiences.get_mut(group.audience).mix()).is_err()
            {
                // Nobody may follow a chain that cannot go on.
                group.chain = None;
                group.is_live = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_chains_are_kept_for_each_format_that_has_members() {
        let (mix, mut groups) = (SampleRate::WIDE, Groups::default());
        let formats = [CodecKind::Pcmu, CodecKind::G722].map(SendFormat::new);
        let joined = formats.map(|format| groups.join(&format, 0));
        groups.count_own(1);
        for format in formats.iter().cycle().take(6) {
            let chain = groups.fresh(format, mix).ok();
            groups.put_away(chain);
            groups.put_away(Chain::new(*format, mix).ok().map(Box::new));
        }
        let kept = |groups: &Groups| -> Vec<CodecKind> {
            groups.spare.iter().map(|chain| chain.format().codec).collect()
        };
        let mut both = kept(&groups);
        both.sort();
        assert_eq!(both, [CodecKind::G722, CodecKind::Pcmu]);
        groups.leave(joined[1]);
        assert_eq!(kept(&groups), [CodecKind::Pcmu]);
    }
}
