//! One of the two sub-bands: its adaptive predictor and its scale factor (ITU-T G.722 §3.3 to §3.6).
//!
//! Encoder and decoder run the same code on the same quantised differences, which keeps them in step.

use super::tables::ILB;

/// What is fixed in each band.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The largest log scale factor.
    max_log: i32,
    /// Where the linear scale factor begins, in octaves below `ILB`.
    octaves: i32,
    /// The scale factor of a new stream.
    first_scale: i32,
}

pub(super) const LOWER: Shape = Shape { max_log: 18_432, octaves: 8, first_scale: 32 };
pub(super) const HIGHER: Shape = Shape { max_log: 22_528, octaves: 10, first_scale: 8 };

/// State of one sub-band, named as in the Recommendation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    /// The predicted signal, S, and its part from the zeros, SZ.
    s: i32,
    sz: i32,
    /// The scale factor, linear (DET) and logarithmic (NB).
    det: i32,
    nb: i32,
    /// Reconstructed signal R, partially reconstructed signal P: the two before.
    r: [i32; 2],
    p: [i32; 2],
    /// Coefficients of the two poles and six zeros.
    a: [i32; 2],
    b: [i32; 6],
    /// Quantised differences, the latest first.
    d: [i32; 6],
}

impl Band {
    pub(super) const fn new(shape: &Shape) -> Self {
        Self {
            s: 0,
            sz: 0,
            det: shape.first_scale,
            nb: 0,
            r: [0; 2],
            p: [0; 2],
            a: [0; 2],
            b: [0; 6],
            d: [0; 6],
        }
    }

    pub(super) fn prediction(&self) -> i32 {
        self.s
    }

    pub(super) fn scale(&self) -> i32 {
        self.det
    }

    /// The difference that a quantiser's output `level` stands for (INVQAL, INVQAH).
    pub(super) fn difference(&self, level: i16) -> i32 {
        (self.det * i32::from(level)) >> 15
    }

    /// Takes the difference decoded last and how it moves the scale factor; predicts the next sample.
    #[inline]
    pub(super) fn adapt(&mut self, shape: &Shape, difference: i32, multiplier: i16) {
        self.rescale(shape, multiplier);
        self.predict(difference);
    }

    /// LOGSCL, LOGSCH, SCALEL, SCALEH.
    #[inline]
    fn rescale(&mut self, shape: &Shape, multiplier: i16) {
        let faded = (self.nb * 127) >> 7;
        self.nb = (faded + i32::from(multiplier)).clamp(0, shape.max_log);
        let mantissa = i32::from(ILB[(self.nb >> 6) as usize & 31]);
        let down = shape.octaves - (self.nb >> 11);
        let shifted = if down < 0 { mantissa << -down } else { mantissa >> down };
        self.det = shifted << 2;
    }

    #[inline]
    fn predict(&mut self, difference: i32) {
        let reconstructed = saturate(self.s + difference); // RECONS
        let partial = saturate(self.sz + difference); // PARREC
        self.adapt_poles(partial);
        self.adapt_zeros(difference);

        // DELAYA
        self.d.copy_within(..5, 1);
        self.d[0] = difference;
        self.r = [reconstructed, self.r[0]];
        self.p = [partial, self.p[0]];

        // FILTEP, FILTEZ, PREDIC
        let mut poles = 0;
        for (a, r) in self.a.iter().zip(&self.r) {
            poles += (a * saturate(r + r)) >> 15;
        }
        let mut zeros = 0;
        for (b, d) in self.b.iter().zip(&self.d) {
            zeros += (b * saturate(d + d)) >> 15;
        }
        self.sz = saturate(zeros);
        self.s = saturate(saturate(poles) + self.sz);
    }

    /// UPPOL2, UPPOL1.
    #[inline]
    fn adapt_poles(&mut self, partial: i32) {
        let [a1, a2] = self.a;
        let agrees = |earlier: i32| (partial ^ earlier) >= 0;

        let four = saturate(a1 << 2);
        let towards = if agrees(self.p[0]) { -four } else { four };
        let step = if agrees(self.p[1]) { 128 } else { -128 };
        let second = (towards.min(i32::from(i16::MAX)) >> 7) + step + ((a2 * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);

        let step = if agrees(self.p[0]) { 192 } else { -192 };
        let limit = 15_360 - second;
        let first = (step + ((a1 * 32_640) >> 15)).clamp(-limit, limit);
        self.a = [first, second];
    }

    /// UPZERO.
    #[inline]
    fn adapt_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (b, &d) in self.b.iter_mut().zip(&self.d) {
            let signed = if (d ^ difference) >= 0 { step } else { -step };
            *b = saturate(signed + ((*b * 32_640) >> 15));
        }
    }
}

/// To 16 bits.
#[inline]
pub(super) fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}
