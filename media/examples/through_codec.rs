//! Speech through one codec, for measures of quality made outside: `scripts/pesq-codecs` calls it.
//!
//! `through_codec CODEC SENT RECEIVED [PAYLOAD]` reads raw mono samples (16 bit, little endian) at the
//! codec's rate, Opus at 16 kHz, and writes what a receiver plays, delayed as the codec delays it.

use media::SampleRate;
use media::codec::{CodecKind, Decoder, Encoder, OpusParams, SendFormat};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, sent, received, rest @ ..] = arguments.as_slice() else {
        return Err("usage: through_codec CODEC SENT RECEIVED [PAYLOAD]".into());
    };
    let codec = CodecKind::ALL
        .into_iter()
        .find(|codec| codec.name().eq_ignore_ascii_case(name))
        .ok_or("no such codec")?;
    let rate = codec.pcm_rate(SampleRate::WIDE);
    let mut format = SendFormat::new(codec);
    format.opus = OpusParams { max_playback_rate: rate, ..format.opus };
    let mut encoder = Encoder::new(&format, rate)?;
    let mut decoder = Decoder::new(codec, rate)?;

    let bytes = std::fs::read(sent)?;
    let pcm: Vec<i16> =
        bytes.as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
    let samples = rate.samples(format.ptime);
    let (mut heard, mut payloads) = (Vec::new(), Vec::new());
    for frame in pcm.chunks_exact(samples) {
        let mut payload = vec![0; codec.max_payload_bytes(format.ptime)];
        let bytes = encoder.encode(frame, &mut payload);
        let mut out = vec![0; samples];
        let decoded = decoder.decode(&payload[..bytes], &mut out);
        heard.extend(out[..decoded].iter().flat_map(|sample| sample.to_le_bytes()));
        payloads.extend_from_slice(&payload[..bytes]);
    }
    std::fs::write(received, heard)?;
    if let [path] = rest {
        std::fs::write(path, payloads)?;
    }
    Ok(())
}
