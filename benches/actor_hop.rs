//! What the actors around the mixer cost: a tick on its way from the clock's slot to actors, and a
//! control message to a room, from its own thread and from another one. No audio in it; the mixer's
//! tick beside it is `benches/mixer.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::prelude::*;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::source::tone;
use media::{MixerConfig, SampleRate};
use tokio::sync::oneshot;
use trunkline::conference::actor::{ConferenceActor, Identity, RoomId};
use trunkline::conference::message::Leave;
use trunkline::conference::policy::Exit;
use trunkline::conference::rules::Rules;
use trunkline::config;
use trunkline::directory::{DirectoryActor, Live};
use trunkline::hook::{HookClient, HookConfig};
use trunkline::media_io::clock::{ClockWaker, PERIOD};
use trunkline::media_io::hub::{MediaHub, MediaPlane, Subscribe};
use trunkline::media_io::settings::MediaSettings;
use trunkline::media_io::tick::{Tick, TickSlot, TickStream};
use trunkline::model::{AccountSid, CallSid, ConferenceSid};
use trunkline::store::Store;
use trunkline::verb::RunId;

const ACTORS: [usize; 3] = [1, 32, 200];
/// Messages under way at once.
const BATCH: u64 = 100;

/// Counts its ticks and does nothing else.
struct Idler {
    ticks: Option<TickStream>,
    served: Arc<AtomicUsize>,
}

impl Actor for Idler {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(ticks) = self.ticks.take() {
            ctx.add_stream(ticks);
        }
    }
}

impl StreamHandler<Tick> for Idler {
    fn handle(&mut self, _: Tick, _: &mut Context<Self>) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }
}

/// Slot of the clock -> hub -> slots of the actors -> their handlers, all on one thread.
fn tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("actor_hop/tick");
    for actors in ACTORS {
        group.throughput(Throughput::Elements(actors as u64));
        group.bench_function(BenchmarkId::from_parameter(actors), |b| {
            let system = System::new();
            let (epoch, served) = (Instant::now(), Arc::<AtomicUsize>::default());
            let (entry, wiring) = MediaHub::wiring(epoch);
            let _actors = system.block_on(async {
                let hub = MediaHub::new(wiring, ClockWaker::of(std::thread::current())).start();
                let mut idlers = Vec::new();
                for _ in 0..actors {
                    let (slot, ticks) = TickSlot::new(epoch);
                    hub.send(Subscribe { slot, phase: Some(0) }).await.expect("the hub runs");
                    idlers.push(Idler { ticks: Some(ticks), served: served.clone() }.start());
                }
                // Started, and waiting for the first tick.
                tokio::task::yield_now().await;
                (hub, idlers)
            });
            let mut due = epoch;
            b.iter_custom(|rounds| {
                system.block_on(async {
                    let begun = Instant::now();
                    for _ in 0..rounds {
                        due += PERIOD;
                        served.store(0, Ordering::Relaxed);
                        entry.slots[0].fire(due);
                        while served.load(Ordering::Relaxed) < actors {
                            tokio::task::yield_now().await;
                        }
                    }
                    begun.elapsed()
                })
            });
        });
    }
    group.finish();
}

/// A room on a media thread, with the directory on this one.
struct House {
    plane: Arc<MediaPlane>,
    room: Addr<ConferenceActor>,
    arbiter: ArbiterHandle,
    data: std::path::PathBuf,
}

impl House {
    async fn new() -> Self {
        let data = std::env::temp_dir().join(format!("trunkline-bench-{}", std::process::id()));
        let store = config::Store { data_dir: data.clone(), ..config::Store::default() };
        let store = Store::open(&store).await.expect("a store");
        let plane = Arc::new(MediaPlane::start(1, false).expect("a clock"));
        let hooks = HookClient::new(&HookConfig::default()).expect("a client");
        let beep = Arc::new(tone::entry_beep(SampleRate::NARROW));
        let retention = Duration::from_secs(1);
        let mixer = MixerConfig::default();
        let settings =
            MediaSettings { inactivity: retention, mixer, inband_dtmf: false, balance: false };
        let live = Arc::<Live>::default();
        let directory = DirectoryActor::new(
            live,
            plane.clone(),
            settings,
            retention,
            beep.clone(),
            hooks,
            store,
        )
        .start();
        let place = plane.place().expect("a media thread");
        let arbiter = place.arbiter.handle().clone();
        let (sid, account) = (ConferenceSid::random(), AccountSid::random());
        let identity = Identity { room: RoomId(1), sid, account, name: "bench".to_owned() };
        let rules = Rules::default();
        let room = ConferenceActor::launch(identity, rules, place, settings, beep, directory);
        Self { plane, room, arbiter, data }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.plane.stop();
        // Left over in the temporary directory at worst.
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// A message that the room takes, looks up its call, and drops: the hop and no work.
fn stray(call: CallSid) -> Leave {
    Leave { call, exit: Exit::Left, run: Some(RunId(1)), base: None }
}

/// Sends `count` messages in batches and waits for the last of each; gives the time.
async fn send(room: Addr<ConferenceActor>, count: u64) -> Duration {
    let call = CallSid::random();
    let begun = Instant::now();
    let mut left = count;
    while left > 0 {
        let batch = left.min(BATCH);
        (1..batch).for_each(|_| room.do_send(stray(call)));
        room.send(stray(call)).await.expect("the room is open");
        left -= batch;
    }
    begun.elapsed()
}

fn control(c: &mut Criterion) {
    let mut group = c.benchmark_group("actor_hop/control");
    let system = System::new();
    let house = system.block_on(House::new());
    group.bench_function("same_thread", |b| {
        b.iter_custom(|count| {
            system.block_on(async {
                let (done, finished) = oneshot::channel();
                let sending = send(house.room.clone(), count);
                house.arbiter.spawn(async move {
                    // The bench waits for it, so somebody hears.
                    let _ = done.send(sending.await);
                });
                finished.await.expect("the media thread runs")
            })
        });
    });
    group.bench_function("other_thread", |b| {
        b.iter_custom(|count| system.block_on(send(house.room.clone(), count)));
    });
    group.bench_function("other_thread_round_trip", |b| {
        b.iter_custom(|count| {
            system.block_on(async {
                let call = CallSid::random();
                let begun = Instant::now();
                for _ in 0..count {
                    house.room.send(stray(call)).await.expect("the room is open");
                }
                begun.elapsed()
            })
        });
    });
    group.finish();
    drop(house);
}

criterion_group!(benches, tick, control);
criterion_main!(benches);
