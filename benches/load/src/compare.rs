//! Several reports of this program as one table (Markdown), for runs against different servers.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

const HEAD: &str = "\
| server | members | CPU µs per participant-second | packets/s at the worst | longest gap | lost \
| memory per participant | tones right |
|---|---|---|---|---|---|---|---|
";

/// One row for each `NAME=FILE`, and what all of them were made with.
///
/// # Errors
/// When a file is not a report of this program.
pub(crate) fn table(named: &[String]) -> Result<String> {
    let mut table = HEAD.to_owned();
    let mut footer = String::new();
    for entry in named {
        let (name, path) = entry.rsplit_once('=').context("--compare wants NAME=FILE")?;
        let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
        let report: Value = serde_json::from_str(&text).with_context(|| path.to_owned())?;
        table.push_str(&row(name, &report));
        if let Some(bare) = report["bare"]["cpu_us_per_participant_second"].as_f64() {
            let members = report["plan"]["calls"].as_u64().unwrap_or(0);
            let pace = report["bare"]["packets_per_second_worst"].as_f64().unwrap_or(f64::NAN);
            let _ = writeln!(
                table,
                "| (a bare receive-and-send loop) | {members} | {bare:.0} | {pace:.1} | | | | |"
            );
        }
        footer = footer_of(&report);
    }
    Ok(table + &footer)
}

fn row(name: &str, report: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let (server, receive) = (&report["server"], &report["receive"]);
    let tones = match (report["tones"]["checked"].as_u64(), report["tones"]["off"].as_u64()) {
        (Some(checked), Some(off)) => format!("{} of {checked}", checked.saturating_sub(off)),
        _ => "-".to_owned(),
    };
    let late = if report["own"]["was_late"] == true { " (generator late)" } else { "" };
    format!(
        "| {name} | {} of {} | {:.0} | {:.1} | {:.0} ms{late} | {} | {:.0} KiB | {tones} |\n",
        report["set_up"]["answered"],
        report["plan"]["calls"],
        number(&server["cpu_us_per_participant_second"]),
        number(&receive["packets_per_second_worst"]),
        number(&receive["longest_gap_ms"]["max"]),
        receive["lost"],
        number(&server["resident_kib_per_participant"]),
    )
}

fn footer_of(report: &Value) -> String {
    let (plan, machine) = (&report["plan"], &report["machine"]);
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut what = text(&plan["summary"]);
    if let Some((_, rest)) = what.split_once(", ") {
        what = rest.to_owned();
    }
    format!(
        "\n{what}. Server and generator each pinned to a processor of: {}, {} cores, Linux {}, load \
         average {}.\n",
        text(&machine["cpu"]),
        machine["cores"],
        text(&machine["kernel"]),
        text(&machine["load_average"]),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_holds_the_figures_of_its_report() {
        let report = json!({
            "plan": { "calls": 200 },
            "set_up": { "answered": 199 },
            "server": {
                "cpu_us_per_participant_second": 1_234.5,
                "resident_kib_per_participant": 60.2,
            },
            "receive": {
                "packets_per_second_worst": 49.95,
                "longest_gap_ms": { "max": 21.4 },
                "lost": 3,
            },
            "tones": { "checked": 33, "off": 1 },
        });
        let row = row("a server", &report);
        assert_eq!(
            row,
            "| a server | 199 of 200 | 1234 | 50.0 | 21 ms | 3 | 60 KiB | 32 of 33 |\n"
        );
    }
}
