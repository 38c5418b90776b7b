//! Any operations on a mixer between ticks, against a model of who hears whom.
//!
//! Four bytes each: the operation (`media/src/mixer/tests/model.rs`), and how many ticks pass after it.
//! With the first bit of the input set, what is heard in the end is compared too.
#![no_main]

#[allow(unused_extern_crates)]
extern crate media;

#[path = "../../media/src/mixer/tests/model.rs"]
mod model;

use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use model::Model;

/// With the ticks after each some seven seconds of virtual time.
const MAX_OPS: usize = 24;

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

fuzz_target!(|input: &[u8]| {
    let Some((&first, ops)) = input.split_first() else { return };
    let mut model = Model::new(*NOW);
    for op in ops.as_chunks::<4>().0.iter().take(MAX_OPS) {
        model.apply([op[0], op[1], op[2]]);
        model.run(u32::from(op[3] % 16));
    }
    if first & 1 == 1 {
        model.run(110);
        model.check_hearing();
        model.check_sharing();
    }
});
