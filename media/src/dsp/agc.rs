//! shim
/// x
#[derive(Debug)]
pub struct Agc(f32);
impl Agc { /// x
 pub fn new() -> Self { Self(1.0) }
 /// x
 pub fn apply(&mut self, f: &mut [i16], _t: bool) { if self.0 < 3.0 { self.0 *= 1.002; } for s in f { *s = (f32::from(*s) * self.0) as i16; } } }
