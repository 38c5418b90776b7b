//! `kill -9` in the middle of writes, again and again: whatever was answered is there afterwards, and
//! so are the records of calls that had ended.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Rest;
use support::temp_dir::TempDir;

use crate::stage::{SOON, Stage};

const ROUNDS: u64 = 50;
const WRITERS: u64 = 4;
/// Every so many rounds a call ends before the kill, and the database is copied and checked after it.
const LOOK_CLOSER_EVERY: u64 = 10;
/// What ended so long ago is on record, whatever happens.
const SAFE_AFTER: Duration = Duration::from_secs(1);

/// What is written: where, and which property changes.
struct Kind {
    path: &'static str,
    property: &'static str,
    /// Property of the name that nobody else uses, and what such names begin with.
    name: &'static str,
    prefix: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { path: "/Applications", property: "speech_synthesis_voice", name: "name", prefix: "k" },
    Kind { path: "/PhoneNumbers", property: "application_sid", name: "number", prefix: "+1999" },
    Kind { path: "/Clients", property: "is_active", name: "username", prefix: "k" },
];

/// Of each name the values its object may have now; `None`: it may not exist. Where an answer did not
/// come there are two.
type Expected = BTreeMap<(usize, String), Vec<Option<Value>>>;

/// What one writer knows, from round to round.
#[derive(Default)]
struct Known {
    /// The objects it has made and not deleted: kind, name, sid.
    made: Vec<(usize, String, String)>,
    expected: Expected,
}

struct Writer<'t> {
    rest: Rest,
    account_sid: &'t str,
    application_sid: &'t str,
    random: Random,
    known: Known,
    answered: &'t AtomicU64,
    names: &'t AtomicU64,
}

impl Writer<'_> {
    /// Writes until no answer comes.
    fn run(mut self) -> Known {
        while self.write_one().is_some() {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        self.known
    }

    fn write_one(&mut self) -> Option<()> {
        let choice = self.random.below(10);
        if choice < 4 || self.known.made.is_empty() {
            return self.create();
        }
        let at = self.random.below(self.known.made.len() as u64) as usize;
        let (kind, name, sid) = self.known.made[at].clone();
        let path = format!("/v1{}/{sid}", KINDS[kind].path);
        let key = (kind, name);
        if choice < 8 {
            let value = self.value(kind);
            self.known.expected.entry(key.clone()).or_default().push(Some(value.clone()));
            let answer = self.rest.put(&path, &json!({ KINDS[kind].property: value })).ok()?;
            assert_eq!(answer.status, 204, "PUT {path}: {}", answer.text);
            self.known.expected.insert(key, vec![Some(value)]);
        } else {
            self.known.expected.entry(key.clone()).or_default().push(None);
            let answer = self.rest.delete(&path).ok()?;
            assert_eq!(answer.status, 204, "DELETE {path}: {}", answer.text);
            self.known.expected.insert(key, vec![None]);
            self.known.made.swap_remove(at);
        }
        Some(())
    }

    fn create(&mut self) -> Option<()> {
        let kind = self.random.below(KINDS.len() as u64) as usize;
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number:07}", KINDS[kind].prefix);
        let value = self.value(kind);
        let mut body = json!({
            "account_sid": self.account_sid,
            KINDS[kind].name: name,
            KINDS[kind].property: value,
        });
        match kind {
            0 => body["call_hook"] = json!({ "url": "http://127.0.0.1:9/call" }),
            2 => body["password"] = "pa55-word".into(),
            _ => {}
        }
        let key = (kind, name.clone());
        self.known.expected.insert(key.clone(), vec![None, Some(value.clone())]);
        let answer = self.rest.post(&format!("/v1{}", KINDS[kind].path), &body).ok()?;
        let sid = answer.sid().unwrap_or_else(|error| panic!("{body}: {error}"));
        self.known.expected.insert(key, vec![Some(value)]);
        self.known.made.push((kind, name, sid));
        Some(())
    }

    fn value(&mut self, kind: usize) -> Value {
        let number = self.random.below(1000);
        match kind {
            0 => format!("voice{number}").into(),
            1 if number.is_multiple_of(2) => Value::Null,
            1 => self.application_sid.into(),
            _ => (number % 2).into(),
        }
    }
}

#[test]
fn whatever_was_answered_survives_fifty_kills() {
    let mut stage = Stage::with_env(&[("TRUNKLINE_LOG", "warn")]);
    stage.answer_with_conference("etna");
    let copies = TempDir::new("killed").expect("a directory");
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = Random(seed | 1);
    let (names, mut total) = (AtomicU64::new(0), 0);
    let mut known: Vec<Known> = (0..WRITERS).map(|_| Known::default()).collect();
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        let looks_closer = round % LOOK_CLOSER_EVERY == 0;
        let ended = looks_closer.then(|| {
            let mut caller = stage.caller(&format!("caller{round}"), 450.0);
            caller.hang_up();
            stage.statuses(&caller.call_sid);
            (caller.call_sid, Instant::now())
        });
        // The moment is random by what has been written, and by how the threads happen to run.
        let enough = 1 + random.below(60);
        let answered = AtomicU64::new(0);
        thread::scope(|scope| {
            let writers: Vec<_> = std::mem::take(&mut known)
                .into_iter()
                .map(|known| {
                    let writer = Writer {
                        rest: stage.server.admin(),
                        account_sid: &stage.tenant.account_sid,
                        application_sid: &stage.application_sid,
                        random: Random(random.next() | 1),
                        known,
                        answered: &answered,
                        names: &names,
                    };
                    scope.spawn(|| writer.run())
                })
                .collect();
            support::wait::expect("writes are answered", SOON, || {
                let is_safe = ended.as_ref().is_none_or(|(_, at)| at.elapsed() >= SAFE_AFTER);
                is_safe && answered.load(Ordering::Relaxed) >= enough
            });
            stage.server.kill().expect("killed");
            for writer in writers {
                known.push(writer.join().expect("answers were as they should be"));
            }
        });
        total += answered.load(Ordering::Relaxed);
        let begin = Instant::now();
        stage.server.restart().expect("it opens its store and comes up");
        slowest = slowest.max(begin.elapsed());

        let found = found(&stage);
        check(&found, &mut known, round);
        if let Some((call_sid, _)) = ended {
            let recent = stage.get(&format!("/RecentCalls?page=1&count=5&filter={call_sid}"));
            assert_eq!(recent["total"], 1, "round {round}: no record of {call_sid}");
            let copy = copies.path().join(format!("{round}.db"));
            let done = Command::new(env!("CARGO_BIN_EXE_trunkline"))
                .arg("--backup")
                .arg(&copy)
                .env("TRUNKLINE_DATA_DIR", stage.server.data_dir())
                .output()
                .expect("it runs");
            assert!(done.status.success(), "round {round}, the database is damaged: {done:?}");
        }
    }
    println!("{ROUNDS} kills, {total} answered writes, ready again after {slowest:?} at the most");
}

/// What there is, by kind and name.
fn found(stage: &Stage) -> BTreeMap<(usize, String), Value> {
    let mut found = BTreeMap::new();
    for (number, kind) in KINDS.iter().enumerate() {
        let answer = stage.tenant.rest.get(&format!("/v1{}", kind.path)).expect("an answer");
        let rows = answer.json.as_array().unwrap_or_else(|| panic!("a list: {}", answer.text));
        for row in rows {
            let name = row[kind.name].as_str().unwrap_or_default();
            if name.starts_with(kind.prefix) {
                found.insert((number, name.to_owned()), row[kind.property].clone());
            }
        }
    }
    found
}

/// All is as answered; what was not answered is one or the other, and stays that.
fn check(found: &BTreeMap<(usize, String), Value>, known: &mut [Known], round: u64) {
    for key in found.keys() {
        let is_known = known.iter().any(|known| known.expected.contains_key(key));
        assert!(is_known, "round {round}: nobody made {key:?}");
    }
    for known in known.iter_mut() {
        known.made.retain(|(kind, name, _)| found.contains_key(&(*kind, name.clone())));
    }
    for (key, values) in known.iter_mut().flat_map(|known| &mut known.expected) {
        let now = found.get(key).cloned();
        assert!(values.contains(&now), "round {round}: {key:?} is {now:?}, not one of {values:?}");
        *values = vec![now];
    }
}

/// Xorshift: its seed is printed, so that a round can be looked at again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}
