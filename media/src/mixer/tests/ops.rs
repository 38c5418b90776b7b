//! Random operations on a room, checked against a model of it (`model.rs`).

use proptest::prelude::*;

use super::model::{Model, Op};

fn ops(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(Op, u32)>> {
    proptest::collection::vec((any::<Op>(), prop_oneof![0u32..3, 0u32..30]), count)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// No panic, no time lost or won, every packet whole, whatever happens between two ticks.
    #[test]
    fn time_goes_on_through_any_operations(ops in ops(1..25)) {
        let mut model = Model::new(crate::sim::epoch());
        for (op, ticks) in ops {
            model.apply(op);
            model.run(ticks);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn everybody_hears_who_he_should_and_nobody_else(ops in ops(4..20)) {
        let mut model = Model::new(crate::sim::epoch());
        for (op, ticks) in ops {
            model.apply(op);
            model.run(ticks.min(12));
        }
        model.run(110);
        model.check_hearing();
        for _ in 0..3 {
            model.run(1);
            model.check_sharing();
        }
    }
}
