//! Compound RTCP packets: refused, or every part of them can be looked at.
#![no_main]

use libfuzzer_sys::fuzz_target;
use media::NtpTime;
use media::rtcp::{Item, parse};

fuzz_target!(|datagram: &[u8]| {
    let Ok(compound) = parse(datagram) else { return };
    let (mut items, mut parts) = (0, 0);
    for item in compound {
        items += 1;
        parts += match item {
            Item::SenderReport { info, blocks, .. } => {
                let at = info.ntp;
                blocks.inspect(|block| drop(block.round_trip(at))).count()
            }
            Item::ReceiverReport { blocks, .. } => {
                let at = NtpTime::from_unix(std::time::Duration::from_secs(1_700_000_000));
                blocks.inspect(|block| drop(block.round_trip(at))).count()
            }
            Item::Description { cname, .. } => usize::from(cname.len() > 255),
            Item::Goodbye { ssrcs } => ssrcs.count(),
            Item::Other { .. } => 0,
        };
    }
    // Nothing is counted that was not in the datagram.
    assert!((items + parts) * 4 <= datagram.len());
});
