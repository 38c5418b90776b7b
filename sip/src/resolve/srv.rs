//! SRV records: which hosts serve a name, and in what order to try them (RFC 2782).

use rand::{Rng, RngExt};

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrvRecord {
    /// Lower comes first.
    pub priority: u16,
    /// Share of the load among records of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host. `.` says that the service is decidedly not there.
    pub target: String,
}

impl SrvRecord {
    /// Whether the record says that there is no such service (RFC 2782, "Target").
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.target.as_str(), "" | ".")
    }
}

/// Orders records by priority, and those of one priority by the lot of RFC 2782, in which a record
/// comes first as often as its weight says.
pub(super) fn in_order(mut records: Vec<SrvRecord>, random: &mut impl Rng) -> Vec<SrvRecord> {
    records.truncate(MAX_RECORDS);
    // within a priority those of weight 0 stand first: they are drawn by a lot of 0 only
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let group = || records.iter().take_while(|record| record.priority == priority);
        let total: u32 = group().map(|record| u32::from(record.weight)).sum();
        let lot = random.random_range(0..=total);
        let mut sum = 0;
        let drawn = group().position(|record| {
            sum += u32::from(record.weight);
            sum >= lot
        });
        ordered.push(records.remove(drawn.unwrap_or(0)));
    }
    ordered
}

/// Records of one answer that are used.
const MAX_RECORDS: usize = 32;
