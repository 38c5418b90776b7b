-- Sound files of calls and conferences. The path is that of the file below its account's folder. State
-- `recording`: it is being written, or was when the server went down.
CREATE TABLE recordings (
    recording_sid   TEXT PRIMARY KEY,
    account_sid     TEXT NOT NULL,
    call_sid        TEXT,
    conference_sid  TEXT,
    conference_name TEXT,
    path            TEXT NOT NULL,
    format          TEXT NOT NULL,
    channels        BIGINT NOT NULL,
    started_at      BIGINT NOT NULL,
    duration_ms     BIGINT NOT NULL,
    bytes           BIGINT NOT NULL,
    state           TEXT NOT NULL
);
CREATE INDEX recordings_by_account ON recordings (account_sid, started_at);
CREATE INDEX recordings_by_call ON recordings (call_sid);
-- What is too old, and what was left unfinished, is found by these.
CREATE INDEX recordings_by_time ON recordings (started_at);
CREATE INDEX recordings_by_state ON recordings (state);
