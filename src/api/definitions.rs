//! What is laid down for a conference or a queue while it is live: what a verb opened may end at any moment,
//! and a definition must neither be left behind nor get lost.

use super::error::ApiError;
use crate::model::Scope;
use crate::store::{Definition, Definitions, Error};

/// Lays something down for what a verb has opened, known so far as `opened` shows it.
///
/// # Errors
/// [`ApiError::NotFound`] when it has ended meanwhile.
pub(super) async fn adopt<T: Definition>(
    definitions: &Definitions<'_, T>,
    scope: Scope,
    opened: T,
    input: T::Input,
    is_live: impl FnOnce() -> bool,
) -> Result<(), ApiError> {
    let (account, sid) = (opened.account(), opened.sid());
    let mut record = opened;
    record.apply(input.clone())?;
    match definitions.create(scope, record).await {
        // Another request was quicker with the same one.
        Err(Error::Duplicate(_)) => _ = definitions.update(scope, account, sid, input).await?,
        made => _ = made?,
    }
    // It may have ended at this moment, and will not take the definition along.
    if !is_live() {
        undo(definitions.delete(scope, account, sid).await)?;
        return Err(ApiError::NotFound);
    }
    Ok(())
}

/// What is gone by itself need not be taken back.
pub(super) fn undo(deleted: Result<(), Error>) -> Result<(), ApiError> {
    match deleted {
        Ok(()) | Err(Error::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
