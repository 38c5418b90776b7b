//! One encoded payload per codec for everyone who hears the same mix.

use crate::codec::CodecKind;
use crate::dsp;

/// The payloads that more than one seat may be sent.
#[derive(Debug)]
pub(super) struct Shared {
    groups: [Group; CodecKind::ALL.len()],
}

#[derive(Debug)]
struct Group {
    codec: CodecKind,
    payload: Box<[u8]>,
    len: usize,
    /// Encoded in this tick.
    is_fresh: bool,
    silence: Box<[u8]>,
}

impl Shared {
    /// `frame` samples per tick.
    pub(super) fn new(frame: usize) -> Self {
        Self { groups: CodecKind::ALL.map(|codec| Group::new(codec, frame)) }
    }

    pub(super) fn begin_tick(&mut self) {
        self.groups.iter_mut().for_each(|group| group.is_fresh = false);
    }

    /// Encodes the whole sum with `codec`, unless this tick has done so. `mix` is scratch.
    pub(super) fn encode(&mut self, codec: CodecKind, sum: &[i32], mix: &mut [i16]) {
        let group = &mut self.groups[codec.index()];
        if !group.is_fresh {
            dsp::limit(sum, mix);
            group.len = group.codec.encode(mix, &mut group.payload);
            group.is_fresh = true;
        }
    }

    /// What [`encode`](Self::encode) made.
    pub(super) fn payload(&self, codec: CodecKind) -> &[u8] {
        let group = &self.groups[codec.index()];
        &group.payload[..group.len]
    }

    /// A tick of silence.
    pub(super) fn silence(&self, codec: CodecKind) -> &[u8] {
        &self.groups[codec.index()].silence
    }
}

impl Group {
    fn new(codec: CodecKind, frame: usize) -> Self {
        let mut silence = vec![0; codec.encoded_len(frame)];
        let len = codec.encode(&vec![0; frame], &mut silence);
        silence.truncate(len);
        Self {
            codec,
            payload: vec![0; codec.encoded_len(frame)].into_boxed_slice(),
            len: 0,
            is_fresh: false,
            silence: silence.into_boxed_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_has_its_own_row() {
        let shared = Shared::new(160);
        for codec in [CodecKind::Pcmu, CodecKind::Pcma] {
            assert_eq!(shared.groups[codec.index()].codec, codec);
            assert_eq!(shared.silence(codec).len(), 160);
            assert!(codec.is_silence(shared.silence(codec)));
        }
    }

    #[test]
    fn the_mix_is_encoded_once_per_tick() {
        let mut shared = Shared::new(4);
        let mut mix = [0i16; 4];
        shared.begin_tick();
        shared.encode(CodecKind::Pcmu, &[8_000; 4], &mut mix);
        let first = shared.payload(CodecKind::Pcmu).to_vec();
        shared.encode(CodecKind::Pcmu, &[0; 4], &mut mix);
        assert_eq!(shared.payload(CodecKind::Pcmu), first);
        shared.begin_tick();
        shared.encode(CodecKind::Pcmu, &[0; 4], &mut mix);
        assert_ne!(shared.payload(CodecKind::Pcmu), first);
    }
}
