//! The encoder of libopus over storage of our own.
//!
//! The safe crate has no way to copy an encoder, and listeners that leave a shared encoder take its
//! state along. libopus documents the state as one block, position independent, to be copied freely
//! (`opus.h`, `OpusEncoder`): its parts lie at offsets, and the only pointers in it lead to constant
//! tables (modes, codebooks, filter coefficients) or are null (`energy_mask`, for surround alone).

#![allow(unsafe_code)] // libopus is a C library

use std::ffi::c_int;

use opusic_sys as ffi;

/// What `malloc` would give: libopus asks for no more.
#[repr(C, align(16))]
#[derive(Debug, Clone, Copy)]
struct Block([u8; 16]);

/// An initialised mono encoder.
#[derive(Debug)]
pub(super) struct RawEncoder {
    state: Box<[Block]>,
}

impl RawEncoder {
    /// For voice at one of 8, 12, 16, 24, 48 kHz; `None` at another rate.
    pub(super) fn new(hz: u32) -> Option<Self> {
        const MONO: c_int = 1;
        // SAFETY: takes a number, gives a number.
        let bytes = unsafe { ffi::opus_encoder_get_size(MONO) };
        let blocks = usize::try_from(bytes).ok()?.div_ceil(size_of::<Block>());
        let mut encoder = Self { state: vec![Block([0; 16]); blocks].into_boxed_slice() };
        let (hz, application) = (c_int::try_from(hz).ok()?, ffi::OPUS_APPLICATION_VOIP);
        // SAFETY: the storage has the size libopus asked for and is aligned as malloc aligns.
        let result = unsafe { ffi::opus_encoder_init(encoder.pointer(), hz, MONO, application) };
        (result == ffi::OPUS_OK).then_some(encoder)
    }

    /// Changes a setting that takes a number: one of `OPUS_SET_*_REQUEST`. `false` if refused.
    pub(super) fn set(&mut self, request: Setting, value: c_int) -> bool {
        // SAFETY: the state was initialised by `new`; each `Setting` reads one int.
        let result = unsafe { ffi::opus_encoder_ctl(self.pointer(), request as c_int, value) };
        result == ffi::OPUS_OK
    }

    /// The bandwidth last decided on, one of `OPUS_BANDWIDTH_*`.
    pub(super) fn bandwidth(&mut self) -> c_int {
        let mut bandwidth = ffi::OPUS_AUTO;
        let (request, out) = (ffi::OPUS_GET_BANDWIDTH_REQUEST, &raw mut bandwidth);
        // SAFETY: the state was initialised by `new`; this request writes one 32-bit int.
        let result = unsafe { ffi::opus_encoder_ctl(self.pointer(), request, out) };
        debug_assert_eq!(result, ffi::OPUS_OK);
        bandwidth
    }

    /// Back to the beginning of a stream; the settings stay.
    pub(super) fn reset(&mut self) {
        // SAFETY: the state was initialised by `new`; this request reads no argument.
        let result = unsafe { ffi::opus_encoder_ctl(self.pointer(), ffi::OPUS_RESET_STATE) };
        debug_assert_eq!(result, ffi::OPUS_OK);
    }

    /// Encodes one frame, at most 60 ms, and gives the bytes written; 0 if libopus refuses.
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let Ok(samples) = c_int::try_from(pcm.len()) else { return 0 };
        let room = i32::try_from(out.len()).unwrap_or(i32::MAX);
        // SAFETY: the state was initialised by `new`; libopus reads `samples` samples of one channel
        // and writes at most `room` bytes, which is what the slices hold.
        let bytes = unsafe {
            ffi::opus_encode(self.pointer(), pcm.as_ptr(), samples, out.as_mut_ptr(), room)
        };
        usize::try_from(bytes).unwrap_or(0)
    }

    /// Becomes equal to `other`, settings included. Allocates nothing.
    pub(super) fn copy_from(&mut self, other: &Self) {
        // Sizes depend on the number of channels alone.
        self.state.copy_from_slice(&other.state);
    }

    fn pointer(&mut self) -> *mut ffi::OpusEncoder {
        self.state.as_mut_ptr().cast()
    }
}

/// Settings that take one `int`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum Setting {
    Bitrate = ffi::OPUS_SET_BITRATE_REQUEST,
    Vbr = ffi::OPUS_SET_VBR_REQUEST,
    Complexity = ffi::OPUS_SET_COMPLEXITY_REQUEST,
    InbandFec = ffi::OPUS_SET_INBAND_FEC_REQUEST,
    ExpectedLoss = ffi::OPUS_SET_PACKET_LOSS_PERC_REQUEST,
    Dtx = ffi::OPUS_SET_DTX_REQUEST,
    MaxBandwidth = ffi::OPUS_SET_MAX_BANDWIDTH_REQUEST,
    Bandwidth = ffi::OPUS_SET_BANDWIDTH_REQUEST,
    /// SILK, hybrid or CELT: in `opus_private.h` for libopus' own tests, stable since 1.0.
    ForceMode = 11_002,
}

/// What libopus reads of a packet's flags, to compare ours with.
#[cfg(test)]
pub(super) fn has_redundancy(packet: &[u8]) -> bool {
    // SAFETY: libopus reads as many bytes as the slice holds, and the first even if there is none,
    // which is checked.
    !packet.is_empty()
        && unsafe { ffi::opus_packet_has_lbrr(packet.as_ptr(), packet.len() as i32) } == 1
}
