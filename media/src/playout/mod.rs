//! shim
use crate::codec::Decoder;
use crate::dsp::Resampler;
use crate::jitter::{Inserted, JitterConfig, JitterStats};
use crate::rtp::AudioPacket;
use crate::time::SampleRate;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
/// shim
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamStats {
    /// x
    pub jitter: JitterStats,
}
#[derive(Debug)]
pub(crate) struct Playout {
    rate: SampleRate,
    decoder: Option<Decoder>,
    res: Option<Resampler>,
    q: VecDeque<i16>,
    started: bool,
}
impl Playout {
    pub(crate) fn new(rate: SampleRate, _c: JitterConfig) -> Self {
        Self { rate, decoder: None, res: None, q: VecDeque::new(), started: false }
    }
    pub(crate) fn push(&mut self, _a: Instant, p: &AudioPacket<'_>) -> Inserted {
        if self.decoder.as_ref().is_none_or(|d| d.codec() != p.codec) {
            self.decoder = Decoder::new(p.codec, self.rate).ok();
            self.res = Resampler::new(p.codec.pcm_rate(self.rate), self.rate)
                .filter(|_| p.codec.pcm_rate(self.rate) != self.rate);
        }
        let mut f = [0; 5760];
        let n = self.decoder.as_mut().unwrap().decode(p.payload, &mut f);
        if let Some(r) = &mut self.res {
            let mut o = [0; 5760];
            let m = n * self.rate.hz() as usize / p.codec.pcm_rate(self.rate).hz() as usize;
            r.process(&f[..n], &mut o[..m]);
            self.q.extend(&o[..m]);
        } else {
            self.q.extend(&f[..n]);
        }
        Inserted::Queued
    }
    pub(crate) fn fill(&mut self, _n: Instant, out: &mut [i16]) -> bool {
        if !self.started && self.q.len() < 2 * out.len() {
            return false;
        }
        self.started = true;
        if self.q.len() < out.len() {
            return false;
        }
        for s in out.iter_mut() {
            *s = self.q.pop_front().unwrap();
        }
        out.iter().any(|s| *s != 0)
    }
    pub(crate) fn set_rate(&mut self, rate: SampleRate) {
        let old = self.rate;
        self.rate = rate;
        let v: Vec<i16> = self.q.iter().copied().collect();
        let mut o = vec![0; v.len() * rate.hz() as usize / old.hz() as usize];
        if let Some(mut r) = Resampler::new(old, rate) {
            r.process(&v, &mut o);
        }
        self.q = o.into();
        if let Some(d) = &self.decoder {
            let c = d.codec();
            self.decoder = Decoder::new(c, rate).ok();
            self.res = Resampler::new(c.pcm_rate(rate), rate).filter(|_| c.pcm_rate(rate) != rate);
        }
    }
    pub(crate) fn stats(&self) -> StreamStats {
        StreamStats::default()
    }
    pub(crate) fn delay(&self) -> Duration {
        Duration::ZERO
    }
}
