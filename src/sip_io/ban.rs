//! Who is not heard: sources that were refused too often, or named themselves as scanners.
//!
//! A pure table in time; [`defence`](super::defence) asks it. It is bounded like the buckets'.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Sources remembered at once.
pub const MAX_SOURCES: usize = 16_384;
/// Agents are named in the first lines; no more of a message is looked through.
const LOOK_BYTES: usize = 4096;

/// When a source is shut out, and for how long.
#[derive(Clone, Debug, Default)]
pub struct BanRules {
    /// So many refusals within `window` lead to a ban; 0: nobody is banned.
    pub failures: u32,
    pub window: Duration,
    pub time: Duration,
    /// Parts of a User-Agent that lead to a ban at once, in lower case.
    pub agents: Vec<String>,
}

pub struct Bans {
    rules: BanRules,
    sources: HashMap<IpAddr, Record>,
}

struct Record {
    failures: u32,
    since: Instant,
    until: Option<Instant>,
}

impl Bans {
    pub fn new(mut rules: BanRules) -> Self {
        rules.agents.iter_mut().for_each(|part| part.make_ascii_lowercase());
        Self { rules, sources: HashMap::new() }
    }

    pub fn is_banned(&self, now: Instant, source: IpAddr) -> bool {
        let record = self.sources.get(&source);
        record.and_then(|record| record.until).is_some_and(|until| now < until)
    }

    /// Counts one refusal; true when it was one too many.
    pub fn fail(&mut self, now: Instant, source: IpAddr) -> bool {
        if self.rules.failures == 0 {
            return false;
        }
        self.make_room(now, source);
        let fresh = Record { failures: 0, since: now, until: None };
        let record = self.sources.entry(source).or_insert(fresh);
        if now.saturating_duration_since(record.since) > self.rules.window {
            *record = Record { failures: 0, since: now, until: record.until };
        }
        record.failures += 1;
        if record.failures < self.rules.failures {
            return false;
        }
        record.failures = 0;
        record.until = Some(now + self.rules.time);
        true
    }

    /// Shuts a source out at once; false where nobody is banned.
    pub fn ban(&mut self, now: Instant, source: IpAddr) -> bool {
        if self.rules.failures == 0 {
            return false;
        }
        self.make_room(now, source);
        let until = Some(now + self.rules.time);
        self.sources.insert(source, Record { failures: 0, since: now, until });
        true
    }

    /// Forgets the refusals of a source that has proved who it is. A ban stays.
    pub fn absolve(&mut self, source: IpAddr) {
        if let Some(record) = self.sources.get_mut(&source) {
            record.failures = 0;
        }
    }

    /// How many are shut out now. Looks at every record and drops what is over.
    pub fn sweep(&mut self, now: Instant) -> usize {
        let window = self.rules.window;
        self.sources.retain(|_, record| {
            record.until.is_some_and(|until| now < until)
                || (record.failures > 0 && now.saturating_duration_since(record.since) <= window)
        });
        self.sources.values().filter(|record| record.until.is_some()).count()
    }

    /// Whether a message names an agent that only scanners have.
    pub fn is_scanner(&self, message: &[u8]) -> bool {
        let head = message.get(..LOOK_BYTES).unwrap_or(message);
        if self.rules.failures == 0 || self.rules.agents.is_empty() {
            return false;
        }
        let Some(agent) = head.split(|byte| *byte == b'\n').find_map(agent) else { return false };
        self.rules.agents.iter().any(|part| {
            agent.windows(part.len()).any(|have| have.eq_ignore_ascii_case(part.as_bytes()))
        })
    }

    fn make_room(&mut self, now: Instant, source: IpAddr) {
        if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&source) {
            return;
        }
        // One that is not banned goes first; the count of a few refusals is no great loss.
        let free = |record: &Record| record.until.is_none_or(|until| until <= now);
        let mut some = self.sources.iter().take(64);
        let gone = some.find(|(_, record)| free(record)).map(|(source, _)| *source);
        if let Some(gone) = gone.or_else(|| self.sources.keys().next().copied()) {
            self.sources.remove(&gone);
        }
    }
}

/// The value of a User-Agent line.
fn agent(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    name.trim_ascii_end().eq_ignore_ascii_case(b"user-agent").then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn bans() -> Bans {
        let agents = vec!["Friendly-Scanner".to_owned()];
        Bans::new(BanRules { failures: 3, window: 10 * SECOND, time: 60 * SECOND, agents })
    }

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn too_many_refusals_in_the_window_ban_for_a_time() {
        let start = Instant::now();
        let mut bans = bans();
        assert!(!bans.fail(start, ip(1)));
        assert!(!bans.fail(start, ip(1)));
        assert!(!bans.is_banned(start, ip(1)));
        assert!(bans.fail(start + SECOND, ip(1)));
        assert!(bans.is_banned(start + 60 * SECOND, ip(1)));
        assert!(!bans.is_banned(start + 61 * SECOND, ip(1)));
        assert!(!bans.is_banned(start, ip(2)));
        assert_eq!(bans.sweep(start + 2 * SECOND), 1);
        assert_eq!(bans.sweep(start + 62 * SECOND), 0);
        assert!(bans.sources.is_empty());
    }

    #[test]
    fn slow_refusals_and_those_before_a_proof_do_not_count() {
        let start = Instant::now();
        let mut bans = bans();
        for n in 0..20 {
            assert!(!bans.fail(start + n * 6 * SECOND, ip(1)));
            if n % 2 == 1 {
                bans.absolve(ip(1));
            }
        }
    }

    #[test]
    fn scanners_are_known_by_their_agent() {
        let bans = bans();
        let message = |line: &str| {
            format!("OPTIONS sip:h SIP/2.0\r\nVia: x\r\n{line}\r\n\r\nfriendly-scanner")
        };
        assert!(bans.is_scanner(message("User-Agent: friendly-scanner").as_bytes()));
        assert!(bans.is_scanner(message("user-agent :x FRIENDLY-scanner/1").as_bytes()));
        assert!(!bans.is_scanner(message("User-Agent: friendly phone").as_bytes()));
        assert!(!bans.is_scanner(message("Subject: friendly-scanner").as_bytes()));
        assert!(!bans.is_scanner(b""));
    }

    #[test]
    fn nobody_is_banned_when_it_is_off() {
        let mut bans =
            Bans::new(BanRules { agents: vec!["scan".to_owned()], ..BanRules::default() });
        let now = Instant::now();
        assert!((0..100).all(|_| !bans.fail(now, ip(1))));
        assert!(!bans.is_scanner(b"User-Agent: scan\r\n"));
        assert!(!bans.ban(now, ip(1)));
    }

    #[test]
    fn the_table_is_bounded() {
        let now = Instant::now();
        let mut bans = bans();
        for n in 0..(MAX_SOURCES as u32 + 100) {
            bans.ban(now, ip(n));
        }
        assert_eq!(bans.sources.len(), MAX_SOURCES);
    }
}
