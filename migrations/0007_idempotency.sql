-- What became of requests that carried an Idempotency-Key, so that one sent again is answered the same
-- and does nothing more. A row without answer: the request runs, or the server ended while it did.
CREATE TABLE idempotency_keys (
    account_sid     TEXT NOT NULL REFERENCES accounts (account_sid) ON DELETE CASCADE,
    idempotency_key TEXT NOT NULL,
    -- SHA-256 of what was asked: another request may not come under the same key.
    request_hash    TEXT NOT NULL,
    -- The JSON that was answered.
    answer          TEXT,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (account_sid, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_account ON idempotency_keys (account_sid, created_at);
