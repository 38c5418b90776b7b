-- Who is registered where, so that a restart loses nobody. One row for each contact of a user; all rows
-- of a user are written anew when one of them changes. They name no client: whose client is gone is
-- passed over when they are read.
CREATE TABLE registrations (
    username      TEXT NOT NULL,
    realm         TEXT NOT NULL,
    position      SMALLINT NOT NULL,
    contact       TEXT NOT NULL,
    transport     TEXT NOT NULL,
    local         TEXT NOT NULL,
    peer          TEXT NOT NULL,
    expires_at    BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    user_agent    TEXT,
    -- One hop in each line.
    path          TEXT NOT NULL,
    call_id       TEXT NOT NULL,
    cseq          BIGINT NOT NULL,
    PRIMARY KEY (realm, username, position)
);
