//! Nobody reaches what is not theirs (contract rest.md §1.3), as a property: of every route of the
//! served description, with every sid of the others, by everyone's token.
//!
//! Each case is one request that names something out of the token's reach, in its path, its query or
//! its body. Its answer must hold nothing of others that was not in the request, and must be what the
//! same request gets with sids that nobody has; §1.3 allows a few answers to differ. In the end
//! everything of everybody is as it was.

mod case;
mod routes;
mod world;

use std::collections::HashMap;
use std::sync::Mutex;
use std::thread;

use case::Case;
use routes::Route;
use world::World;

/// Cases of one run.
const CASES: usize = 10_000;
/// Connections that send them.
const THREADS: usize = 4;

/// A small generator of random numbers: splitmix64.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = limit as u64;
        usize::try_from((z ^ (z >> 31)) % limit).unwrap_or_default()
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A sid that nobody has.
    pub(crate) fn nobody(&mut self) -> String {
        let mut hex = || format!("{:04x}", self.below(1 << 16));
        let (a, b, c, d, e, f) = (hex(), hex(), hex(), hex(), hex(), hex());
        format!("{a}{b}-{c}-4000-8000-{d}{e}{f}")
    }
}

/// The seed of this run: `TRUNKLINE_SEED`, to repeat one, or the time.
fn seed() -> u64 {
    let given = std::env::var("TRUNKLINE_SEED").ok().and_then(|text| text.parse().ok());
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    given.unwrap_or_else(|| now().map_or(1, |since| u64::from(since.subsec_nanos())))
}

#[test]
fn nobody_reaches_what_is_not_theirs() {
    let seed = seed();
    println!("TRUNKLINE_SEED={seed}");
    let world = World::new();
    let routes = routes::of(&world.server.admin());
    world.assert_all_made(&routes);
    let before = world.photograph();
    let mut dice = Dice(seed);
    let cases: Vec<Case> = (0..CASES).map(|_| Case::random(&world, &routes, &mut dice)).collect();
    let used: HashMap<&str, usize> = cases.iter().fold(HashMap::new(), |mut used, case| {
        *used.entry(case.route).or_default() += 1;
        used
    });
    let unused: Vec<&Route> =
        routes.iter().filter(|r| !used.contains_key(r.name.as_str())).collect();
    assert!(unused.is_empty(), "no case of {unused:?}");

    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for part in cases.chunks(CASES.div_ceil(THREADS)) {
            let (world, wrong) = (&world, &wrong);
            scope.spawn(move || {
                for case in part {
                    if let Err(why) = case.check(world) {
                        wrong.lock().expect("a list").push(format!("{why}\n  {case:?}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("a list");
    let shown: Vec<&str> = wrong.iter().take(20).map(String::as_str).collect();
    assert!(
        wrong.is_empty(),
        "{} of {CASES} cases; seed {seed}:\n{}",
        wrong.len(),
        shown.join("\n")
    );
    assert_eq!(world.photograph(), before, "something has changed; seed {seed}");
}
