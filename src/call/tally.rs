//! How many calls each account and each service provider has now, and whether one more may begin.
//!
//! A call counts once, by its `call_sid`, from the moment it is let in or ordered until it has ended:
//! whatever it sends on its way (several INVITEs, one for a transfer) belongs to it. The check and the
//! count are one step under one lock, so two calls cannot both take the last place. What counts is a
//! [`Counted`] that the call holds; dropped, in order or by a panic, it frees its place.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{AccountSid, CallLimits, Direction, ServiceProviderSid};

/// Shared by all who open calls.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    accounts: HashMap<AccountSid, CallCount>,
    providers: HashMap<ServiceProviderSid, u32>,
}

/// The live calls of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCount {
    pub inbound: u32,
    pub outbound: u32,
}

/// Whose call begins, and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    pub account: AccountSid,
    pub provider: ServiceProviderSid,
    pub direction: Direction,
}

/// The limit that keeps a call from beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The account has as many calls as it may have, which are these many.
    Account(u32),
    /// All accounts of the service provider together have.
    ServiceProvider,
}

/// The place of one call.
#[derive(Debug)]
#[must_use = "a call counts as long as this lives"]
pub struct Counted {
    tally: Arc<Tally>,
    leg: Leg,
}

impl CallCount {
    pub fn total(self) -> u32 {
        self.inbound.saturating_add(self.outbound)
    }

    fn of(&mut self, direction: Direction) -> &mut u32 {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }
}

impl Tally {
    /// Counts one more call, if neither limit is reached.
    ///
    /// # Errors
    /// The limit that is; the account's comes first. Nothing is counted then.
    pub fn begin(self: &Arc<Self>, leg: Leg, limits: CallLimits) -> Result<Counted, Full> {
        let mut table = self.lock();
        let of_account = table.accounts.get(&leg.account).map_or(0, |count| count.total());
        if let Some(most) = limits.account.filter(|most| of_account >= *most) {
            return Err(Full::Account(most));
        }
        let of_provider = table.providers.get(&leg.provider).copied().unwrap_or(0);
        if limits.service_provider.is_some_and(|most| of_provider >= most) {
            return Err(Full::ServiceProvider);
        }
        *table.accounts.entry(leg.account).or_default().of(leg.direction) += 1;
        *table.providers.entry(leg.provider).or_default() += 1;
        Ok(Counted { tally: self.clone(), leg })
    }

    /// The calls an account has now.
    pub fn of_account(&self, account: AccountSid) -> CallCount {
        self.lock().accounts.get(&account).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Leg { account, provider, direction } = self.leg;
        let mut table = self.tally.lock();
        let one_less = |count: &mut u32| *count = count.saturating_sub(1);
        change(&mut table.accounts, account, |count| one_less(count.of(direction)));
        change(&mut table.providers, provider, one_less);
    }
}

/// Changes what is counted, and forgets who has nothing left.
fn change<K: Eq + Hash, C: Default + PartialEq>(
    counts: &mut HashMap<K, C>,
    of: K,
    how: impl FnOnce(&mut C),
) {
    if let Entry::Occupied(mut found) = counts.entry(of) {
        how(found.get_mut());
        if *found.get() == C::default() {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn leg(account: AccountSid, provider: ServiceProviderSid) -> Leg {
        Leg { account, provider, direction: Direction::Inbound }
    }

    fn limits(account: impl Into<Option<u32>>, provider: impl Into<Option<u32>>) -> CallLimits {
        CallLimits { account: account.into(), service_provider: provider.into() }
    }

    #[test]
    fn the_last_place_is_taken_once_and_is_free_again_afterwards() {
        let tally = Arc::new(Tally::default());
        let one = leg(AccountSid::random(), ServiceProviderSid::random());
        let out = Leg { direction: Direction::Outbound, ..one };
        let first = tally.begin(one, limits(2, None)).unwrap();
        let second = tally.begin(out, limits(2, None)).unwrap();
        let both = CallCount { inbound: 1, outbound: 1 };
        assert_eq!(tally.begin(one, limits(2, None)).unwrap_err(), Full::Account(2));
        assert_eq!(tally.of_account(one.account), both);
        drop(second);
        let third = tally.begin(one, limits(2, None)).unwrap();
        drop((first, third));
        assert!(tally.lock().accounts.is_empty() && tally.lock().providers.is_empty());
    }

    #[test]
    fn none_is_none_and_no_limit_is_no_limit() {
        let tally = Arc::new(Tally::default());
        let one = leg(AccountSid::random(), ServiceProviderSid::random());
        assert_eq!(tally.begin(one, limits(0, None)).unwrap_err(), Full::Account(0));
        assert_eq!(tally.begin(one, limits(None, 0)).unwrap_err(), Full::ServiceProvider);
        let many: Vec<_> =
            (0..1000).map(|_| tally.begin(one, CallLimits::default()).unwrap()).collect();
        assert_eq!(tally.of_account(one.account).inbound, 1000);
        // One that is set, or lowered, under what there is ends no call; it lets no other in.
        assert_eq!(tally.begin(one, limits(7, None)).unwrap_err(), Full::Account(7));
        drop(many);
        assert!(tally.begin(one, limits(7, None)).is_ok());
    }

    #[test]
    fn a_provider_counts_its_accounts_together() {
        let tally = Arc::new(Tally::default());
        let (here, there) = (ServiceProviderSid::random(), ServiceProviderSid::random());
        let begin = |provider| tally.begin(leg(AccountSid::random(), provider), limits(1, 2));
        let two = [begin(here).unwrap(), begin(here).unwrap()];
        assert_eq!(begin(here).unwrap_err(), Full::ServiceProvider);
        let elsewhere = begin(there).unwrap();
        drop(two);
        drop((begin(here).unwrap(), elsewhere));
    }

    #[test]
    fn whoever_panics_frees_the_place() {
        let tally = Arc::new(Tally::default());
        let one = leg(AccountSid::random(), ServiceProviderSid::random());
        let failing = AssertUnwindSafe(|| {
            let _counted = tally.begin(one, limits(1, 1)).unwrap();
            std::panic::resume_unwind(Box::new("a call fails"));
        });
        assert!(catch_unwind(failing).is_err());
        assert_eq!(tally.of_account(one.account), CallCount::default());
        assert!(tally.begin(one, limits(1, 1)).is_ok());
    }

    #[test]
    fn many_at_the_same_moment_are_never_more_than_allowed() {
        const MOST: u32 = 5;
        let tally = Arc::new(Tally::default());
        let one = leg(AccountSid::random(), ServiceProviderSid::random());
        let (together, highest) = (Barrier::new(8), Mutex::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut held = Vec::new();
                    together.wait();
                    for _ in 0..500 {
                        match tally.begin(one, limits(MOST, None)) {
                            Ok(counted) => held.push(counted),
                            Err(_) => held.clear(),
                        }
                        let now = tally.of_account(one.account).total();
                        let mut highest = highest.lock().unwrap();
                        *highest = now.max(*highest);
                    }
                });
            }
        });
        assert_eq!(highest.into_inner().unwrap(), MOST);
        assert!(tally.lock().accounts.is_empty() && tally.lock().providers.is_empty());
    }

    #[derive(Clone, Debug)]
    enum Event {
        Begin { account: usize, direction: Direction },
        End(usize),
        Limit { account: usize, most: Option<u32> },
        LimitProvider { provider: usize, most: Option<u32> },
    }

    /// Three accounts; the first two are of one service provider.
    fn event() -> impl Strategy<Value = Event> {
        let direction = prop_oneof![Just(Direction::Inbound), Just(Direction::Outbound)];
        let most = || prop_oneof![2 => Just(None), 5 => (0..6_u32).prop_map(Some)];
        prop_oneof![
            8 => (0..3_usize, direction)
                .prop_map(|(account, direction)| Event::Begin { account, direction }),
            6 => any::<usize>().prop_map(Event::End),
            1 => (0..3_usize, most()).prop_map(|(account, most)| Event::Limit { account, most }),
            1 => (0..2_usize, most())
                .prop_map(|(provider, most)| Event::LimitProvider { provider, most }),
        ]
    }

    proptest! {
        #[test]
        fn calls_come_and_go_within_their_limits_and_none_is_left(
            events in prop::collection::vec(event(), 0..200),
        ) {
            let tally = Arc::new(Tally::default());
            let accounts = [(); 3].map(|()| AccountSid::random());
            let providers = [(); 2].map(|()| ServiceProviderSid::random());
            let provider_of = |account: usize| usize::from(account == 2);
            let (mut most, mut most_of_provider) = ([None; 3], [None; 2]);
            let mut live: Vec<(usize, Direction, Counted)> = Vec::new();
            for event in events {
                match event {
                    Event::Limit { account, most: limit } => most[account] = limit,
                    Event::LimitProvider { provider, most: limit } => {
                        most_of_provider[provider] = limit;
                    }
                    Event::End(at) if !live.is_empty() => {
                        let at = at % live.len();
                        drop(live.swap_remove(at));
                    }
                    Event::End(_) => {}
                    Event::Begin { account, direction } => {
                        let provider = provider_of(account);
                        let own = live.iter().filter(|(of, ..)| *of == account).count();
                        let all = live.iter().filter(|(of, ..)| provider_of(*of) == provider);
                        let has_room = |limit: Option<u32>, count: usize| {
                            limit.is_none_or(|limit| count < limit as usize)
                        };
                        let may = has_room(most[account], own)
                            && has_room(most_of_provider[provider], all.count());
                        let leg = Leg {
                            account: accounts[account],
                            provider: providers[provider],
                            direction,
                        };
                        let begun =
                            tally.begin(leg, limits(most[account], most_of_provider[provider]));
                        prop_assert_eq!(begun.is_ok(), may);
                        live.extend(begun.ok().map(|counted| (account, direction, counted)));
                    }
                }
                for (n, account) in accounts.iter().enumerate() {
                    let count = |way| {
                        live.iter().filter(|(of, went, _)| (*of, *went) == (n, way)).count() as u32
                    };
                    let expected = CallCount {
                        inbound: count(Direction::Inbound),
                        outbound: count(Direction::Outbound),
                    };
                    prop_assert_eq!(tally.of_account(*account), expected);
                }
            }
            drop(live);
            prop_assert!(tally.lock().accounts.is_empty() && tally.lock().providers.is_empty());
        }
    }
}
