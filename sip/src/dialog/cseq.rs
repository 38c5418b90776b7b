//! The two sequences of a dialog (RFC 3261 §12.2.1.1, §12.2.2).

/// Our sequence: every new request takes the next number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalCSeq(u32);

impl LocalCSeq {
    /// A sequence whose last number was `last`.
    pub(crate) fn after(last: u32) -> Self {
        Self(last)
    }

    pub(crate) fn next(&mut self) -> u32 {
        // §8.1.1.5 keeps numbers below 2^31; a dialog starts low and never gets there
        self.0 = (self.0 + 1) & 0x7FFF_FFFF;
        self.0
    }
}

/// The peer's sequence.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RemoteCSeq(Option<u32>);

impl RemoteCSeq {
    /// A sequence that began with `seq`.
    pub(crate) fn after(seq: u32) -> Self {
        Self(Some(seq))
    }

    /// Takes a request's number; false if it is lower than one seen before. The same number again is
    /// taken: simple clients do not count, and true repetitions end in their transaction.
    pub(crate) fn take(&mut self, seq: u32) -> bool {
        if self.0.is_some_and(|last| seq < last) {
            return false;
        }
        self.0 = Some(seq);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_numbers_rise_by_one() {
        let mut seq = LocalCSeq::after(7);
        assert_eq!([seq.next(), seq.next()], [8, 9]);
    }

    #[test]
    fn a_lower_number_than_the_last_is_out_of_order() {
        let mut seq = RemoteCSeq::default();
        assert_eq!([5, 5, 4, 9, 6].map(|n| seq.take(n)), [true, true, false, true, false]);
    }
}
