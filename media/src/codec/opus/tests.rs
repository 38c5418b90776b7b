use super::*;

fn params() -> OpusParams {
    OpusParams::DEFAULT
}

/// Level rises and falls a few times a second, and pauses: enough for voice flags and DTX.
fn speech(rate: SampleRate, samples: usize) -> Vec<i16> {
    let hz = rate.hz() as f64;
    (0..samples)
        .map(|n| {
            let t = n as f64 / hz;
            let syllable = (std::f64::consts::PI * 4.0 * t).sin().max(0.0);
            let word = if t % 1.6 < 1.0 { 1.0 } else { 0.0 };
            let pitch = 2.0 * std::f64::consts::PI * (120.0 * t + 2.0 * (3.0 * t).sin());
            let voice: f64 = (1..20).map(|k| (pitch * f64::from(k)).sin() / f64::from(k)).sum();
            (5_000.0 * syllable * word * voice) as i16
        })
        .collect()
}

#[test]
fn every_ptime_and_rate_gives_packets_of_that_length() {
    for hz in [8_000, 12_000, 16_000, 24_000, 48_000] {
        let mix = SampleRate::new(hz).unwrap();
        for ptime in Ptime::ALL {
            for cbr in [false, true] {
                let params = OpusParams { cbr, ..params() };
                let mut encoder = Encoder::new(&params, ptime, mix).unwrap();
                let mut decoder = Decoder::new(mix).unwrap();
                let samples = mix.samples(ptime);
                let mut sizes = Vec::new();
                for frame in speech(mix, samples * 40).chunks_exact(samples) {
                    let mut payload = [0; 1_275];
                    let bytes = encoder.encode(frame, &mut payload);
                    let payload = &payload[..bytes];
                    let packet = Packet::parse(payload).unwrap();
                    assert_eq!(packet.units(), 48 * ptime.ms());
                    let mut out = vec![0; samples];
                    assert_eq!(decoder.decode(payload, &mut out), samples);
                    sizes.push(bytes);
                }
                if cbr {
                    assert!(
                        sizes.iter().all(|&bytes| bytes == sizes[0]),
                        "{hz} {ptime:?} {sizes:?}"
                    );
                }
            }
        }
    }
    assert!(Encoder::new(&params(), Ptime::TICK, SampleRate::new(44_100).unwrap()).is_err());
}
