//! Kernels on slices: plain loops the compiler vectorises, chosen at run time by what the machine has.
//! What keeps state from frame to frame is small and one seat's.
//!
//! Called by the mixer on every tick, so nothing here branches per sample without need.

mod agc;
mod filter_bank;
mod gain;
mod level;
mod resample;
mod sample;
mod sum;
mod talk;

pub use agc::Agc;
pub(crate) use filter_bank::bessel_i0;
pub use gain::{Ramp, cross_fade, join, ramp};
pub use level::{energy, goertzel_dbfs, mean_square, mean_square_at, rms_dbfs};
pub use resample::Resampler;
pub use sum::{add, add_saturating, limit, subtract};
pub use talk::{Talk, TalkChange, TalkDetector};
