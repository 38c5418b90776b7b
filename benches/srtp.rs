//! SRTP of one packet of G.711: 12 bytes of header, 160 of payload, encrypted and decrypted in place.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::srtp::{Inbound, LocalKeys, MasterKey, Outbound, Suite};

const PACKET_BYTES: usize = 172;
/// Packets sealed before the clock runs.
const BATCH: u64 = 1_000;

type Datagram = ([u8; 200], usize);

/// Packets of one stream, each with the next number.
struct Stream {
    outbound: Outbound,
    seq: u16,
}

impl Stream {
    fn new(key: MasterKey) -> Self {
        Self { outbound: Outbound::new(key).expect("a key of its suite"), seq: 0 }
    }

    fn stamp(&mut self, datagram: &mut Datagram) {
        self.seq = self.seq.wrapping_add(1);
        datagram.0[0] = 0x80;
        datagram.0[2..4].copy_from_slice(&self.seq.to_be_bytes());
    }

    fn seal(&mut self, (bytes, len): &mut Datagram) {
        *len = self.outbound.protect_rtp(bytes, PACKET_BYTES).expect("there is room");
    }
}

fn packets(c: &mut Criterion) {
    let mut group = c.benchmark_group("srtp");
    group.throughput(Throughput::Elements(1));
    for suite in Suite::ALL {
        let key = LocalKeys::from_random([7; LocalKeys::BYTES]).of(suite);
        let mut stream = Stream::new(key);
        let mut datagram = ([0; 200], 0);
        group.bench_function(BenchmarkId::new("protect", suite.name()), |b| {
            b.iter(|| {
                stream.stamp(&mut datagram);
                stream.seal(black_box(&mut datagram));
            });
        });
        let mut stream = Stream::new(key);
        let mut inbound = Inbound::new(key, None).expect("a key of its suite");
        let mut batch = vec![([0; 200], 0); BATCH as usize];
        group.bench_function(BenchmarkId::new("unprotect", suite.name()), |b| {
            b.iter_custom(|iterations| {
                let mut taken = Duration::ZERO;
                let mut left = iterations;
                while left > 0 {
                    let count = left.min(BATCH);
                    let batch = &mut batch[..count as usize];
                    for datagram in batch.iter_mut() {
                        stream.stamp(datagram);
                        stream.seal(datagram);
                    }
                    let start = Instant::now();
                    for (bytes, len) in batch.iter_mut() {
                        let plain = inbound.unprotect_rtp(black_box(&mut bytes[..*len]));
                        assert_eq!(plain, Ok(PACKET_BYTES));
                    }
                    taken += start.elapsed();
                    left -= count;
                }
                taken
            });
        });
        let mut forged = [0x80; PACKET_BYTES];
        group.bench_function(BenchmarkId::new("refuse", suite.name()), |b| {
            b.iter(|| assert!(inbound.unprotect_rtp(black_box(&mut forged)).is_err()));
        });
        group.bench_function(BenchmarkId::new("context", suite.name()), |b| {
            b.iter(|| black_box((Outbound::new(key), Inbound::new(key, None))));
        });
    }
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
