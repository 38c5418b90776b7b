//! Kernels on slices: plain loops the compiler vectorises, no state.
//!
//! Called by the mixer on every tick, so nothing here branches per sample without need.

mod gain;
mod level;
mod sum;

pub use gain::{Ramp, cross_fade, ramp};
pub use level::{energy, goertzel_dbfs, rms_dbfs};
pub use sum::{add, add_saturating, limit, subtract};
