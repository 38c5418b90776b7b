//! Hundreds of calls between two endpoints over a link that loses, doubles and reorders: every call ends
//! on both sides, exactly once, and nothing is left behind. `random` gives every order there is.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::endpoint::Load;
use crate::sim::{Link, Pair, Side};
use crate::{Body, DialogId, Event, Invite, Method, Reply, Transport};

pub(super) const NOTHING: Load = Load { dialogs: 0, servers: 0, clients: 0 };

/// Longer than any chain of timers: give-up of an INVITE, of its CANCEL or ACK, and of a BYE.
const AFTERMATH: Duration = Duration::from_secs(64 * 4);

/// What was seen of the dialogs of a run.
#[derive(Default)]
pub(super) struct Seen {
    /// Dialogs by side, with the number of terminal events.
    pub(super) ends: BTreeMap<(bool, DialogId), usize>,
    answered: usize,
    acked: usize,
    rejected: Vec<u16>,
}

impl Seen {
    pub(super) fn note(&mut self, side: Side, event: &Event) {
        let is_a = side == Side::A;
        match event {
            Event::Invite { dialog, .. } => {
                assert_eq!(self.ends.insert((is_a, *dialog), 0), None);
            }
            Event::Answered { .. } => self.answered += 1,
            Event::Acked { .. } => self.acked += 1,
            Event::Rejected { dialog, status, .. } => {
                self.rejected.push(*status);
                self.end(is_a, *dialog);
            }
            Event::Cancelled { dialog, .. }
            | Event::ByeReceived { dialog, .. }
            | Event::Ended { dialog, .. } => self.end(is_a, *dialog),
            _ => {}
        }
    }

    fn end(&mut self, is_a: bool, dialog: DialogId) {
        *self.ends.get_mut(&(is_a, dialog)).expect("an end of a dialog that began") += 1;
    }

    pub(super) fn assert_all_ended_once(&self, seed: u64) {
        for (dialog, ends) in &self.ends {
            assert_eq!(*ends, 1, "seed {seed}: {dialog:?} ended {ends} times");
        }
    }
}

fn place(pair: &mut Pair, seen: &mut Seen, from: Side) -> DialogId {
    let flow = pair.flow(from);
    let mut invite = Invite::new(
        format!("sip:callee@{}", flow.peer).parse().unwrap(),
        flow,
        "<sip:caller@example.com>".parse().unwrap(),
        "<sip:callee@example.com>".parse().unwrap(),
    );
    invite.body = Some(Body::sdp("v=0\r\n"));
    let now = pair.now;
    let (dialog, _) = pair.end(from).invite(now, invite).unwrap();
    seen.ends.insert((from == Side::A, dialog), 0);
    dialog
}

#[test]
fn a_call_over_a_bad_link_is_nearly_always_made_and_both_sides_agree() {
    let mut made = 0;
    for seed in 0..200 {
        let mut pair = Pair::new(Transport::Udp, Link::BAD, seed);
        let mut seen = Seen::default();
        place(&mut pair, &mut seen, Side::A);
        pair.run(AFTERMATH, |pair, side, event| {
            seen.note(side, &event);
            let now = pair.now;
            match event {
                Event::Invite { dialog, .. } => {
                    pair.end(side).progress(now, dialog, Reply::new(180)).unwrap();
                    pair.end(side).answer(now, dialog, Reply::new(200)).unwrap();
                }
                Event::Acked { dialog, .. } => pair.end(side).bye(now, dialog, vec![]).unwrap(),
                _ => {}
            }
        });
        seen.assert_all_ended_once(seed);
        assert_eq!(seen.answered, seen.acked, "seed {seed}");
        made += seen.answered;
        assert_eq!((pair.a.load(), pair.b.load()), (NOTHING, NOTHING), "seed {seed}");
    }
    assert!(made >= 198, "{made} of 200");
}

#[test]
fn a_cancel_races_an_answer_and_never_leaves_a_half_call() {
    for seed in 0..200 {
        let link = if seed % 2 == 0 { Link::GOOD } else { Link::BAD };
        let mut pair = Pair::new(Transport::Udp, link, seed);
        let mut seen = Seen::default();
        let call = place(&mut pair, &mut seen, Side::A);
        let mut callee = None;
        let (answer_ms, cancel_ms) = (pair.chance(60), pair.chance(60));
        for ms in 0..60 {
            pair.run(Duration::from_millis(1), |_, side, event| {
                seen.note(side, &event);
                if let Event::Invite { dialog, .. } = event {
                    callee = Some(dialog);
                }
            });
            let now = pair.now;
            if ms == cancel_ms {
                pair.a.cancel(now, call).unwrap();
            }
            if ms >= answer_ms
                && let Some(dialog) = callee.take()
            {
                // too late if the CANCEL was faster
                let _ = pair.b.answer(now, dialog, Reply::new(200));
            }
        }
        let mut late = None;
        pair.run(AFTERMATH, |pair, side, event| {
            seen.note(side, &event);
            let now = pair.now;
            if let Event::Invite { dialog, .. } = event {
                late = Some(dialog);
                let _ = pair.end(side).answer(now, dialog, Reply::new(200));
            }
        });
        // an answer that nobody saw before the cancellation ends the call as well
        if seen.answered == 1 {
            assert!(seen.rejected.is_empty(), "seed {seed}");
        } else {
            assert!(seen.rejected.len() == 1, "seed {seed}: {:?}", seen.rejected);
        }
        if let Some(dialog) = callee.or(late) {
            let now = pair.now;
            let _ = pair.b.bye(now, dialog, vec![]);
        }
        pair.run(AFTERMATH, |_, side, event| seen.note(side, &event));
        seen.assert_all_ended_once(seed);
        assert_eq!((pair.a.load(), pair.b.load()), (NOTHING, NOTHING), "seed {seed}");
    }
}

#[test]
fn a_link_that_is_cut_in_mid_call_strands_nobody_who_hangs_up() {
    let mut pair = Pair::new(Transport::Udp, Link::GOOD, 1);
    let mut seen = Seen::default();
    let call = place(&mut pair, &mut seen, Side::A);
    let mut callee = None;
    pair.run(Duration::from_secs(1), |pair, side, event| {
        seen.note(side, &event);
        if let Event::Invite { dialog, .. } = event {
            callee = Some(dialog);
            let now = pair.now;
            pair.end(side).answer(now, dialog, Reply::new(200)).unwrap();
        }
    });
    assert_eq!((seen.answered, seen.acked), (1, 1));
    pair.link = Link::CUT;
    let now = pair.now;
    pair.a.bye(now, call, vec![]).unwrap();
    pair.b.request(now, callee.unwrap(), Method::Info, vec![], None).unwrap();
    pair.run(AFTERMATH, |_, side, event| seen.note(side, &event));
    seen.assert_all_ended_once(1);
    assert_eq!((pair.a.load(), pair.b.load()), (NOTHING, NOTHING));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut pair = Pair::new(Transport::Udp, Link::BAD, seed);
        let mut seen = Seen::default();
        let start = pair.now;
        place(&mut pair, &mut seen, Side::A);
        let mut log = Vec::new();
        pair.run(AFTERMATH, |pair, side, event| {
            log.push((pair.now - start, side, std::mem::discriminant(&event)));
            if let Event::Invite { dialog, .. } = event {
                let now = pair.now;
                pair.end(side).answer(now, dialog, Reply::new(200)).unwrap();
            }
        });
        log
    };
    assert_eq!(run(5), run(5));
}
