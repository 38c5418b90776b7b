//! The figures of a run for people.

use std::fmt::Write as _;

use crate::report::Report;

/// Two columns, the figures that matter.
pub(crate) fn of(report: &Report, plan: &str) -> String {
    let mut table = format!("{plan}\n");
    let mut row = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "  {name:<34} {value}");
    };
    let set_up = &report.set_up;
    row("answered", format!("{}, {} failed", set_up.answered, set_up.failed));
    for (why, count) in &set_up.failures {
        row("", format!("{count} failed: {why}"));
    }
    if set_up.ms.max > 0.0 {
        row(
            "INVITE to 200",
            format!(
                "p50 {:.1} ms, p99 {:.1}, worst {:.1}",
                set_up.ms.p50, set_up.ms.p99, set_up.ms.max
            ),
        );
    }
    if let Some(callers) = set_up.with_levels {
        row("audio levels", format!("taken from {callers} of {} callers", set_up.answered));
    }
    if let Some(server) = &report.server {
        row(
            "CPU per participant-second",
            format!(
                "{:.0} us ({:.1} % of a core)",
                server.cpu_us_per_participant_second, server.cpu_percent_of_a_core
            ),
        );
        if let Some((kib, mib)) = server.resident_kib_per_participant.zip(server.resident_mib) {
            row("memory per participant", format!("{kib:.0} KiB ({mib:.0} MiB in all)"));
        }
    }
    if let Some(bare) = &report.bare {
        let ratio = bare.server_over_bare.map_or_else(
            || {
                format!(
                    ", not comparable: {:.1} packets/s at its worst",
                    bare.packets_per_second_worst
                )
            },
            |times| format!(": {times:.2} times"),
        );
        row(
            "a bare receive-and-send loop",
            format!("{:.0} us{ratio}", bare.cpu_us_per_participant_second),
        );
    }
    let receive = &report.receive;
    row("packets/s at the worst", format!("{:.2}", receive.packets_per_second_worst));
    let gap = &receive.longest_gap_ms;
    row(
        "longest gap",
        format!(
            "{:.1} ms at the worst, {:.1} p99; {} over 60 ms",
            gap.max, gap.p99, receive.participants_with_gap_over_60_ms
        ),
    );
    let dropped = match receive.dropped_at_full_buffers {
        0 => String::new(),
        n => format!(" ({n} dropped at full socket buffers of this machine)"),
    };
    row("packets lost", format!("{}{dropped}", receive.lost));
    let off = &report.pacing.deviation_ms;
    row(
        "packets off their 20 ms by",
        format!(
            "p50 {:.3} ms, p99 {:.3}, p99.9 {:.3}, worst {:.1}",
            off.p50, off.p99, off.p999, off.max
        ),
    );
    let pacing = &report.pacing;
    if let Some((median, worst)) = pacing.drift_ppm_median.zip(pacing.drift_ppm_worst) {
        row("send clock", format!("{median:+.1} ppm, worst stream {worst:+.1}"));
    }
    if let Some(tones) = &report.tones {
        let own = tones.worst_own_db.map_or_else(|| "-".to_owned(), |db| format!("{db:.0}"));
        row(
            "tones",
            format!(
                "{} of {} right at {} listeners, worst {:.2} dB off; own at {own} dB",
                tones.checked - tones.off,
                tones.checked,
                tones.listeners,
                tones.worst_level_error_db,
            ),
        );
    }
    if let Some(flood) = &report.flood {
        row(
            "flood from one address",
            format!(
                "{:.0} requests/s, {:.0} answered",
                flood.sent_per_second, flood.answered_per_second
            ),
        );
        let (calls, ms) = (flood.legitimate_calls, &flood.legitimate_ms);
        row(
            "legitimate calls meanwhile",
            format!(
                "{calls} answered in p50 {:.1} ms, p99 {:.1}, worst {:.1}; {} failed",
                ms.p50, ms.p99, ms.max, flood.legitimate_failed
            ),
        );
        let back = flood
            .seconds_until_back
            .map_or_else(|| "not back".to_owned(), |seconds| format!("back within {seconds:.0} s"));
        row(
            "memory",
            format!(
                "{:.0} MiB before, {:.0} at the most, {:.0} after: {back}",
                flood.resident_mib_before, flood.resident_mib_peak, flood.resident_mib_after
            ),
        );
        for fault in flood.faults() {
            row("", fault);
        }
    }
    let own = &report.own;
    row(
        "this program",
        format!(
            "{:.1} % of a core, late by {:.2} ms p99, {:.1} worst{}",
            own.cpu_percent_of_a_core,
            own.lateness_ms.p99,
            own.lateness_ms.max,
            if own.was_late { ": TOO LATE, gaps and loss may be its own fault" } else { "" }
        ),
    );
    row("machine", report.machine.to_string());
    table.truncate(table.trim_end().len());
    table
}
