//! A voice application in Node (`tests/e2e/node`), and what it says it has been asked.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::wait;

use crate::stage::{SOON, file};

/// Longest wait for Node to have read its libraries, on a machine that is busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running application. Dropping it kills it.
pub(crate) struct NodeApp {
    child: Child,
    facts: Arc<Mutex<Vec<Value>>>,
    pub(crate) url: String,
}

impl NodeApp {
    /// Starts a program beside these scenarios.
    pub(crate) fn start(program: &str, secret: &str) -> Self {
        let mut child = Command::new("node")
            .arg(file(program))
            .arg("0")
            .env("WEBHOOK_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs (Debian package nodejs)");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let facts = Arc::new(Mutex::new(Vec::new()));
        thread::spawn({
            let facts = Arc::clone(&facts);
            move || {
                let facts = &facts;
                lines
                    .map_while(Result::ok)
                    .filter_map(|line| serde_json::from_str(&line).ok())
                    .for_each(|fact: Value| lock(facts).push(fact));
            }
        });
        let mut app = Self { child, facts, url: String::new() };
        let port = wait::until(START_LIMIT, || {
            lock(&app.facts).iter().find(|fact| fact["event"] == "listening")?["port"].as_u64()
        });
        app.url = format!("http://127.0.0.1:{}", port.expect("the application listens"));
        app
    }

    /// Requests of one path so far, as it prints them.
    pub(crate) fn requests(&self, path: &str) -> Vec<Value> {
        let facts = lock(&self.facts);
        facts.iter().filter(|fact| fact["path"] == path).cloned().collect()
    }

    /// Statuses of all events, once a final one has come.
    pub(crate) fn statuses_to_the_end(&self) -> Vec<String> {
        let statuses = || -> Vec<String> {
            let told = self.requests("/status");
            told.iter().filter_map(|r| Some(r["body"]["call_status"].as_str()?.into())).collect()
        };
        wait::expect("a final event at the application", SOON, || {
            statuses().last().is_some_and(|status| status == "completed" || status == "failed")
        });
        statuses()
    }

    pub(crate) fn assert_all_signed(&self) {
        let facts = lock(&self.facts);
        let refused: Vec<&Value> = facts
            .iter()
            .filter(|fact| fact["event"] == "request" && fact["signed"] != true)
            .collect();
        assert!(refused.is_empty(), "signatures refused: {refused:?}");
    }
}

impl Drop for NodeApp {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(facts: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    facts.lock().unwrap_or_else(PoisonError::into_inner)
}
