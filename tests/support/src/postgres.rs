//! A PostgreSQL of our own (Debian `postgresql`): a fresh cluster on a free loopback port, gone with the
//! process that wanted it, however that ends.
//!
//! A small shell script keeps it: it makes the cluster, starts and stops the server when told so on its
//! standard input, and clears everything away when that input ends. PostgreSQL refuses to run as root, so
//! root starts it as the user `postgres`. The cluster sorts text by the rules of English, as many do; what
//! the server lists must not depend on that.

use std::env;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use crate::ports::free_block;

/// Arguments: the folder of PostgreSQL's programs, the port, who we are to it and our password.
const KEEP: &str = r#"
set -u
programs=$1 port=$2 name=$3 password=$4
dir=$(mktemp -d "${TMPDIR:-/tmp}/trunkline-postgres-XXXXXX") || exit 1
as=() server=
clear_away() {
  [ -n "$server" ] && kill -QUIT "$server" 2>/dev/null && wait "$server"
  rm -rf "$dir"
}
trap clear_away EXIT
if [ "$(id -u)" = 0 ]; then
  chown postgres: "$dir"
  as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
cd "$dir" || exit 1
printf '%s\n' "$password" >password
# Not on all platforms: text sorted by ICU. Where it is missing, that of the C library has to do.
make_cluster() {
  ${as[@]+"${as[@]}"} "$programs/initdb" -D data -U "$name" -A password --pwfile=password -E UTF8 \
    --no-sync --no-instructions "$@" >log 2>&1
}
make_cluster --locale-provider=icu --icu-locale=en --locale=C.UTF-8 || { rm -rf data; make_cluster; } ||
  { cat log; exit 1; }
start() {
  ${as[@]+"${as[@]}"} "$programs/postgres" -D data -h 127.0.0.1 -p "$port" -k '' \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB \
    -c max_connections=300 >>log 2>&1 </dev/null &
  server=$!
  until "$programs/pg_isready" -q -h 127.0.0.1 -p "$port"; do
    kill -0 "$server" 2>/dev/null || { cat log; exit 1; }
    sleep 0.02
  done
}
stop() {
  kill -INT "$server"
  wait "$server"
  server=
}
start
echo done
while read -r order; do
  "$order"
  echo done
done
"#;

const NAME: &str = "trunkline";
const PASSWORD: &str = "not-to-be-logged";

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Postgres {
    keeper: Mutex<Keeper>,
    psql: Mutex<Option<Psql>>,
    /// Made, used and emptied: making one takes ten times as long as emptying it.
    free: Mutex<Vec<String>>,
    programs: PathBuf,
    port: u16,
}

#[derive(Debug)]
struct Keeper {
    child: Child,
    /// `None` when it is to clear away.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// One session that makes and drops databases; a program started for each would take longer than they do.
#[derive(Debug)]
struct Psql {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// A database that was empty. Dropping it throws out whoever is still connected.
pub struct Database<'p> {
    postgres: &'p Postgres,
    name: String,
}

/// The database that tests are to use: one of PostgreSQL when the environment says
/// `TRUNKLINE_TEST_STORE=postgres`, else none of its own, which is SQLite.
///
/// # Panics
/// When it says something else, or PostgreSQL cannot be started.
#[must_use]
pub fn wanted() -> Option<Database<'static>> {
    match env::var("TRUNKLINE_TEST_STORE").as_deref() {
        Ok("postgres") => Some(Postgres::shared().database()),
        Ok("" | "sqlite") | Err(_) => None,
        Ok(other) => panic!("TRUNKLINE_TEST_STORE is {other:?}, not sqlite or postgres"),
    }
}

impl Postgres {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When the programs are missing or it does not come up.
    pub fn start() -> Result<Self> {
        let programs = programs().context("no PostgreSQL here (Debian package postgresql)")?;
        let port = free_block(1);
        let mut child = Command::new("bash")
            .args(["-c", KEEP, "postgres-keeper"])
            .arg(&programs)
            .args([&port.to_string(), NAME, PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not reached by what ends us by the terminal: it has to clear away.
            .process_group(0)
            .spawn()
            .context("start bash")?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("no pipes to the keeper of PostgreSQL");
        };
        let mut keeper = Keeper { child, orders: Some(orders), answers: BufReader::new(answers) };
        keeper.wait_done()?;
        Ok(Self {
            keeper: Mutex::new(keeper),
            psql: Mutex::new(None),
            free: Mutex::default(),
            programs,
            port,
        })
    }

    /// The one that all tests of this process share.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().expect("PostgreSQL starts"))
    }

    /// An empty database that nobody else uses.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> Database<'_> {
        if let Some(name) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Database { postgres: self, name };
        }
        static NEXT: Mutex<u32> = Mutex::new(0);
        let name = {
            let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            format!("test_{next}")
        };
        self.run(&format!("CREATE DATABASE {name};")).expect("a database can be made");
        Database { postgres: self, name }
    }

    /// Ends the server as an administrator does; connections break. What it holds stays.
    ///
    /// # Errors
    /// When its keeper is gone.
    pub fn stop(&self) -> Result<()> {
        *self.psql.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.order("stop")
    }

    /// Starts it again, on the same port, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn resume(&self) -> Result<()> {
        self.order("start")
    }

    fn order(&self, order: &str) -> Result<()> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = keeper.orders.as_mut().context("the keeper of PostgreSQL is gone")?;
        writeln!(orders, "{order}")?;
        keeper.wait_done()
    }

    /// Has statements of an administrator carried out.
    fn run(&self, sql: &str) -> Result<()> {
        let mut psql = self.psql.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = match psql.take() {
            Some(session) => session,
            None => Psql::start(&self.programs, self.port)?,
        };
        session.run(sql)?;
        *psql = Some(session);
        Ok(())
    }
}

impl Keeper {
    fn wait_done(&mut self) -> Result<()> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line == "done\n" {
            return Ok(());
        }
        // What it says instead is the log, and then it ends.
        self.answers.read_to_string(&mut line)?;
        bail!("PostgreSQL does not come up:\n{line}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Its input ends: it clears away.
        keeper.orders = None;
        let _ = keeper.child.wait();
    }
}

impl Psql {
    fn start(programs: &Path, port: u16) -> Result<Self> {
        let mut child = Command::new(programs.join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-U", NAME, "-d", "postgres"])
            .env("PGPASSWORD", PASSWORD)
            // What goes with a schema is told one by one.
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start psql")?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("no pipes to psql");
        };
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    fn run(&mut self, sql: &str) -> Result<()> {
        writeln!(self.orders, "{sql}\n\\echo done")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(line == "done\n", "psql does not do {sql}: {line}");
        Ok(())
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        // Gone already, or with nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Database<'_> {
    /// For `store.url`.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.postgres.port;
        format!("postgres://{NAME}:{PASSWORD}@127.0.0.1:{port}/{}", self.name)
    }

    /// All that is in it, as statements.
    ///
    /// # Errors
    /// When `pg_dump` cannot be started.
    pub fn dump(&self) -> Result<Vec<u8>> {
        let program = self.postgres.programs.join("pg_dump");
        let output = Command::new(program).arg(self.url()).output().context("start pg_dump")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }
}

impl fmt::Debug for Database<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.name).finish()
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let name = &self.name;
        let emptied = self.postgres.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' \\g /dev/null\n\
             \\connect {name}\n\
             DROP SCHEMA public CASCADE;\n\
             CREATE SCHEMA public;\n\
             \\connect postgres"
        ));
        // One that cannot be emptied goes with the cluster.
        if emptied.is_ok() {
            let mut free = self.postgres.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.push(std::mem::take(&mut self.name));
        }
    }
}

/// Where `initdb` and `postgres` are: the newest that Debian has put beside each other, or on the path.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    let debian = found.into_iter().rev().map(|(_, folder)| folder);
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = env::split_paths(&path).collect();
    debian.chain(on_path).find(|folder| {
        ["initdb", "postgres", "psql", "pg_isready"].iter().all(|name| folder.join(name).exists())
    })
}
