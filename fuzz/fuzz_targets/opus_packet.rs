//! Opus packets of a stranger: taken apart, and decoded one after the other by one decoder.
//!
//! The input is a list of packets, each behind a byte with its length. Bit 0 of the first byte of all
//! says at which rate: 16 or 48 kHz.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::codec::{Activity, Decoder, activity};
use media::{CodecKind, SampleRate};

fuzz_target!(|input: &[u8]| {
    let Some((head, mut rest)) = input.split_first() else { return };
    let mix = if head & 1 == 0 { SampleRate::WIDE } else { SampleRate::FULL };
    let mut decoder = Decoder::new(CodecKind::Opus, mix).expect("a rate of Opus");
    let mut room = vec![0; mix.hz() as usize * 120 / 1_000];
    while let Some((&length, behind)) = rest.split_first() {
        let (packet, behind) = behind.split_at(behind.len().min(length.into()));
        rest = behind;

        let units = CodecKind::Opus.payload_units(packet);
        assert!(units <= 5_760);
        if units == 0 {
            assert_eq!(activity(CodecKind::Opus, packet), Activity::Unknown);
        } else {
            activity(CodecKind::Opus, packet);
        }
        let tick = mix.hz() as usize / 50;
        decoder.decode_fec(packet, &mut room[..tick]);
        let expected = (u64::from(units) * u64::from(mix.hz()) / 48_000) as usize;
        let decoded = decoder.decode(packet, &mut room);
        assert!(decoded == expected || decoded == 0, "{decoded} of {expected}");
        let short = decoder.decode(packet, &mut room[..tick]);
        assert!(short == 0 || short == expected);
    }
    assert!(decoder.conceal(&mut room));
});
