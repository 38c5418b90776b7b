//! One caller's place in the run, and who gets which voice.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;
use support::tone::distinct_tones;

use crate::args::Args;
use crate::codec::Codec;
use crate::media::Media;
use crate::voice::{Quiet, Voice};

/// Rooms whose talkers have tones of their own; further rooms use theirs again. It is enough to see
/// that somebody is in the wrong one.
const ROOMS_APART: u32 = 4;
/// Different voices of those who say nothing.
const QUIET_VOICES: u32 = 8;
const TONES_FREE_OF_DISTORTION: usize = 24;
/// Talkers of a room whose tones a listener can tell apart; more Opus tones are not made, since each
/// takes a while to encode.
pub(crate) const TONES_TOLD_APART: u32 = 100;
/// No talker is louder, nor so quiet that a server might take it for background noise.
const LOUDEST_DB: f64 = -18.0;
const FAINTEST_DB: f64 = -35.0;

pub(crate) struct Seat {
    /// None: that of those who only listen.
    pub(crate) room: Option<u32>,
    /// Frequency of its own tone.
    pub(crate) tone: Option<f64>,
    /// It was let in at some time.
    pub(crate) stood: bool,
    pub(crate) media: Media,
}

impl Seat {
    /// # Errors
    /// When the kernel refuses the address.
    pub(crate) fn begin(&mut self, remote: SocketAddr, level_id: Option<u8>) -> Result<()> {
        self.stood = true;
        self.media.begin(remote, level_id)
    }
}

/// What one caller says, and where.
pub(crate) struct Part {
    pub(crate) room: u32,
    pub(crate) tone: Option<f64>,
    pub(crate) voice: Rc<Voice>,
}

/// Talkers of the fullest room.
pub(crate) fn talkers_of_a_room(args: &Args) -> u32 {
    args.talkers().div_ceil(args.rooms)
}

/// Level of each talker's tone: as loud as the sum of all in a room allows.
pub(crate) fn tone_level_db(args: &Args) -> f64 {
    let together = f64::from(talkers_of_a_room(args).max(1));
    (-20.0 * (together / 0.5).log10()).clamp(FAINTEST_DB, LOUDEST_DB)
}

/// A part for everybody: the first callers talk, which spreads them evenly over the rooms.
///
/// # Errors
/// When a voice cannot be encoded.
pub(crate) fn cast(args: &Args) -> Result<Vec<Part>> {
    let apart = args.rooms.min(ROOMS_APART);
    let tones = tones((talkers_of_a_room(args) * apart) as usize, args.codec);
    let level = tone_level_db(args);
    let quiet = (0..if args.quiet == Quiet::Silence { 1 } else { QUIET_VOICES })
        .map(|seed| Ok(Rc::new(Voice::quiet(args.codec, args.quiet, seed + 1)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut talking: HashMap<u64, Rc<Voice>> = HashMap::new();
    (0..args.calls)
        .map(|number| {
            let room = number % args.rooms;
            if number >= args.talkers() {
                let voice = Rc::clone(&quiet[number as usize % quiet.len()]);
                return Ok(Part { room, tone: None, voice });
            }
            let index = number / args.rooms * apart + room % apart;
            let hz = tones[index as usize % tones.len()];
            let voice = match talking.get(&hz.to_bits()) {
                Some(voice) => Rc::clone(voice),
                None => Rc::new(Voice::tone(args.codec, args.quiet, hz, level, index)?),
            };
            talking.insert(hz.to_bits(), Rc::clone(&voice));
            Ok(Part { room, tone: Some(hz), voice })
        })
        .collect()
}

/// Frequencies in whole hertz: free of each other's distortion while they are few, 30 Hz apart while
/// there is room for that, after that only different.
fn tones(count: usize, codec: Codec) -> Vec<f64> {
    if count <= TONES_FREE_OF_DISTORTION {
        return distinct_tones(count);
    }
    let every = 3_000 / TONES_TOLD_APART as usize;
    let apart = |i: usize| 350 + i * 37 % TONES_TOLD_APART as usize * every;
    let different = |i: usize| 350 + i * 577 % 3_000;
    let (hz, limit): (&dyn Fn(usize) -> usize, usize) =
        if count <= TONES_TOLD_APART as usize || codec == Codec::Opus {
            (&apart, TONES_TOLD_APART as usize)
        } else {
            (&different, 3_000)
        };
    (0..count.min(limit)).map(|i| hz(i) as f64).collect()
}

pub(crate) fn room_uri(args: &Args, room: Option<u32>, domain: &str) -> String {
    let name = &args.conference;
    match room {
        None => format!("sip:conference-{}@{domain}", listeners_room(args)),
        Some(_) if args.rooms == 1 => format!("sip:conference-{name}@{domain}"),
        Some(room) => format!("sip:conference-{name}-{room}@{domain}"),
    }
}

/// The room of those who only listen.
pub(crate) fn listeners_room(args: &Args) -> String {
    format!("{}-listeners", args.conference)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn parts(words: &str) -> Vec<Part> {
        cast(&Args::parse_from(format!("trunkline-load {words}").split(' '))).unwrap()
    }

    #[test]
    fn everybody_talks_when_all_shall_however_many() {
        let parts = parts("-n 2500 --talkers all");
        assert!(parts.iter().all(|part| part.tone.is_some()));
    }

    #[test]
    fn tones_that_are_told_apart_leave_room_for_each_other() {
        let mut tones = tones(TONES_TOLD_APART as usize, Codec::Pcmu);
        tones.sort_by(f64::total_cmp);
        assert!(tones.windows(2).all(|pair| pair[1] - pair[0] >= 20.0), "{tones:?}");
    }

    #[test]
    fn talkers_of_one_room_and_of_its_neighbours_have_different_tones() {
        let parts = parts("-n 40 --rooms 8 --talkers all");
        let of = |room| parts.iter().filter(move |p| p.room == room).filter_map(|p| p.tone);
        for room in 0..8 {
            let mut own: Vec<f64> = of(room).chain(of((room + 1) % 8)).collect();
            own.sort_by(f64::total_cmp);
            assert_eq!(own.len(), 10);
            assert!(own.windows(2).all(|pair| pair[1] - pair[0] >= 20.0), "{own:?}");
        }
    }
}
