//! Who hears whom: the room, and the listeners with a tag that somebody speaks to alone.
//!
//! Everybody hears the room's sum. A seat that speaks to one tag only (a coach) adds to that tag's sum
//! instead, which is the room's plus its own. So a restriction costs one sum for each tag spoken to,
//! however many listen, and nobody else anything.

use crate::codec::CodecKind;
use crate::dsp;

/// A mark on seats that others may choose to be heard by alone. Its meaning is the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u32);

/// One mix and what was made of it in this tick.
#[derive(Debug)]
pub(super) struct Audience {
    /// `None` is the room: all who wear no tag that is spoken to.
    tag: Option<Tag>,
    /// Voices for these listeners alone; then, after [`Audiences::close`], all they hear.
    sum: Vec<i32>,
    talkers: usize,
    mix: Vec<i16>,
    is_mixed: bool,
    plain: [Plain; 2],
}

/// The mix as one G.711 payload.
#[derive(Debug)]
struct Plain {
    codec: CodecKind,
    payload: Vec<u8>,
    is_fresh: bool,
}

impl Audience {
    fn new(tag: Option<Tag>, frame: usize) -> Self {
        let plain = |codec| Plain { codec, payload: vec![0; frame], is_fresh: false };
        Self {
            tag,
            sum: vec![0; frame],
            talkers: 0,
            mix: vec![0; frame],
            is_mixed: false,
            plain: [plain(CodecKind::Pcmu), plain(CodecKind::Pcma)],
        }
    }

    fn open(&mut self) {
        self.sum.fill(0);
        self.talkers = 0;
        self.is_mixed = false;
        self.plain.iter_mut().for_each(|plain| plain.is_fresh = false);
    }

    /// How many voices these listeners hear.
    pub(super) fn talkers(&self) -> usize {
        self.talkers
    }

    /// All they hear, unlimited.
    pub(super) fn sum(&self) -> &[i32] {
        &self.sum
    }

    /// All they hear, limited.
    pub(super) fn mix(&mut self) -> &[i16] {
        if !self.is_mixed {
            dsp::limit(&self.sum, &mut self.mix);
            self.is_mixed = true;
        }
        &self.mix
    }

    /// Makes the G.711 payload of the mix, unless this tick has done so.
    pub(super) fn encode_plain(&mut self, codec: CodecKind) {
        let which = usize::from(codec == CodecKind::Pcma);
        if !self.plain[which].is_fresh {
            self.mix();
            let plain = &mut self.plain[which];
            plain.codec.encode(&self.mix, &mut plain.payload);
            plain.is_fresh = true;
        }
    }

    /// What [`encode_plain`](Self::encode_plain) made.
    pub(super) fn plain(&self, codec: CodecKind) -> &[u8] {
        &self.plain[usize::from(codec == CodecKind::Pcma)].payload
    }
}

/// The room first, then one for each tag that is spoken to.
#[derive(Debug)]
pub(super) struct Audiences {
    all: Vec<Audience>,
    frame: usize,
}

impl Audiences {
    pub(super) fn new(frame: usize) -> Self {
        Self { all: vec![Audience::new(None, frame)], frame }
    }

    pub(super) fn get(&self, index: usize) -> &Audience {
        &self.all[index]
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Audience {
        &mut self.all[index]
    }

    /// What is heard by a seat with this tag.
    pub(super) fn index_of(&self, tag: Option<Tag>) -> usize {
        self.all.iter().position(|audience| audience.tag == tag).unwrap_or(0)
    }

    /// What is added to by a seat that speaks to this tag alone, or to all.
    fn index_for_voice(&self, only_to: Option<Tag>) -> Option<usize> {
        self.all.iter().position(|audience| audience.tag == only_to)
    }

    /// Keeps an audience for exactly these tags. Gives the new index of each that there was.
    pub(super) fn keep_only(&mut self, spoken_to: &[Tag]) -> Vec<Option<usize>> {
        let before: Vec<Option<Tag>> = self.all.iter().map(|audience| audience.tag).collect();
        self.all.retain(|audience| audience.tag.is_none_or(|tag| spoken_to.contains(&tag)));
        for tag in spoken_to {
            if !self.all.iter().any(|audience| audience.tag == Some(*tag)) {
                self.all.push(Audience::new(Some(*tag), self.frame));
            }
        }
        before.iter().map(|tag| self.index_for_voice(*tag)).collect()
    }

    /// Goes on at another rate; `convert` takes what was heard last there, so that it remains to be had.
    pub(super) fn set_rate(&mut self, frame: usize, convert: impl Fn(&[i16]) -> Vec<i16>) {
        self.frame = frame;
        for audience in &mut self.all {
            let mix = convert(audience.mix());
            let sum = mix.iter().map(|&sample| sample.into()).collect();
            let fresh = Audience::new(audience.tag, frame);
            *audience = Audience { sum, mix, is_mixed: true, ..fresh };
        }
    }

    pub(super) fn open(&mut self) {
        self.all.iter_mut().for_each(Audience::open);
    }

    /// Adds a voice.
    pub(super) fn add(&mut self, voice: &[i16], only_to: Option<Tag>) {
        if let Some(index) = self.index_for_voice(only_to) {
            let audience = &mut self.all[index];
            dsp::add(&mut audience.sum, voice);
            audience.talkers += 1;
        }
    }

    /// Adds what is played to everyone.
    pub(super) fn add_play(&mut self, pcm: &[i16]) {
        dsp::add(&mut self.all[0].sum, pcm);
    }

    /// All voices are in: what the room hears, all hear.
    pub(super) fn close(&mut self) {
        let (room, tagged) = self.all.split_at_mut(1);
        for audience in tagged {
            for (total, &heard) in audience.sum.iter_mut().zip(&room[0].sum) {
                *total += heard;
            }
            audience.talkers += room[0].talkers;
        }
    }
}
