//! A backup of the running server, restored as README says: into an empty directory.

use std::fs;
use std::process::Command;

use support::Server;
use support::temp_dir::TempDir;

use crate::stage::Stage;

#[test]
fn a_backup_taken_while_it_runs_starts_a_second_server() {
    let stage = Stage::new();
    let program = env!("CARGO_BIN_EXE_trunkline");
    let dir = TempDir::new("restored").expect("a directory");
    let saved = dir.path().join("saved.db");
    let back_up = || {
        Command::new(program)
            .arg("--backup")
            .arg(&saved)
            .env("TRUNKLINE_DATA_DIR", stage.server.data_dir())
            .output()
            .expect("it runs")
    };
    let done = back_up();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    assert!(said.contains("server.key"), "{said}");
    let again = back_up();
    assert!(!again.status.success(), "it replaced a file");

    let data = dir.path().join("data");
    fs::create_dir(&data).expect("an empty directory");
    fs::rename(&saved, data.join("trunkline.db")).expect("moved");
    fs::copy(stage.server.data_dir().join("server.key"), data.join("server.key")).expect("copied");
    let data = data.to_str().expect("a path in UTF-8");
    let second = Server::spawn_with(program, &[("TRUNKLINE_DATA_DIR", data)]);
    // The webhook secret is sealed with the key.
    let path = stage.tenant.path("/WebhookSecret");
    let [before, after] = [stage.server.admin(), second.admin()].map(|rest| rest.get(&path));
    let (before, after) = (before.expect("an answer"), after.expect("an answer"));
    assert_eq!((after.status, after.json), (200, before.json));
}
