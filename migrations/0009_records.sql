-- Lists, searches, totals and retention of records, on a store of millions.

-- A list of one account is narrowed and ordered inside this index; the table gives the rows of one page.
CREATE INDEX calls_search ON calls
    (account_sid, attempted_at, call_sid, from_party, to_party, direction, answered_at, trunk);
DROP INDEX calls_by_account;
-- What is too old is found by these.
CREATE INDEX calls_by_time ON calls (attempted_at);
CREATE INDEX alerts_by_time ON alerts (time);

-- How many records an account, or a service provider, has of one day (days since 1970 UTC). Counting
-- a million rows for the total of a page would take longer than the page.
CREATE TABLE call_days (
    owner TEXT   NOT NULL,
    day   BIGINT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (owner, day)
);
INSERT INTO call_days (owner, day, total)
    SELECT account_sid, attempted_at / 86400000, COUNT(*) FROM calls
    GROUP BY account_sid, attempted_at / 86400000;
INSERT INTO call_days (owner, day, total)
    SELECT service_provider_sid, attempted_at / 86400000, COUNT(*) FROM calls
    WHERE service_provider_sid IS NOT NULL
    GROUP BY service_provider_sid, attempted_at / 86400000;
