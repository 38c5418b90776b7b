//! A write transaction, and the count of those that may have changed what REST shows: whoever keeps an
//! answer knows by it whether the answer still holds (api/snapshot.rs).

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AnyConnection, Transaction};

use super::Db;

/// How many write transactions have ended. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(Arc<AtomicU64>);

impl Changes {
    /// What is read from the database after this call is at least as new as the count.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn advance(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Dropped before [`Tx::commit`] it is rolled back.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Db>,
    changes: Option<Changes>,
}

impl Tx {
    /// One whose commit is counted in `changes`; without them nobody keeps answers made of what it writes.
    pub(super) fn new(inner: Transaction<'static, Db>, changes: Option<Changes>) -> Self {
        Self { inner, changes }
    }

    /// Once this returns, what is read is what was written, and the changes are counted.
    ///
    /// A request whose client goes away is dropped wherever it stands, and the database might still
    /// commit it: so the commit goes on by itself. One that failed may have come through as well.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        let Self { inner, changes } = self;
        let Some(changes) = changes else { return inner.commit().await };
        let commit = tokio::spawn(async move {
            let outcome = inner.commit().await;
            changes.advance();
            outcome
        });
        commit.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}
