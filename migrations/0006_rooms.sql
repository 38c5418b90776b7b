-- Conferences and queues that REST defined to stay. One that is not to stay is in no table: it is over with
-- the process at the latest. NULL in max_participants, beep, join_muted or status_events: nothing was
-- laid down, so a member's verb may say. status_events is a JSON array.
CREATE TABLE conferences (
    conference_sid   TEXT PRIMARY KEY,
    account_sid      TEXT NOT NULL REFERENCES accounts (account_sid) ON DELETE CASCADE,
    name             TEXT NOT NULL,
    max_participants BIGINT,
    beep             SMALLINT,
    join_muted       SMALLINT,
    wait_hook        TEXT,
    status_hook      TEXT,
    status_events    TEXT,
    locked           SMALLINT NOT NULL,
    created_at       BIGINT NOT NULL,
    UNIQUE (account_sid, name)
);

CREATE TABLE queues (
    queue_sid   TEXT PRIMARY KEY,
    account_sid TEXT NOT NULL REFERENCES accounts (account_sid) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    max_length  BIGINT,
    wait_hook   TEXT,
    created_at  BIGINT NOT NULL,
    UNIQUE (account_sid, name)
);
