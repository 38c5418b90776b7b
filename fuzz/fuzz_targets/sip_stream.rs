//! Framing: the same bytes give the same frames, however the network cuts them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sip::{Error, Frame, StreamFramer};

/// The first byte is the size of the pieces; 0 gives all at once.
fuzz_target!(|input: &[u8]| {
    let Some((&size, bytes)) = input.split_first() else { return };
    let pieces = frames(bytes, usize::from(size).max(1));
    let whole = frames(bytes, bytes.len().max(1));
    assert_eq!(pieces.0, whole.0);
    assert_eq!(pieces.1.is_some(), whole.1.is_some());
});

fn frames(bytes: &[u8], size: usize) -> (Vec<Frame>, Option<Error>) {
    let mut framer = StreamFramer::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(size) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}
