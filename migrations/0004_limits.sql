-- How much an account or a service provider may have at once; one row for each category. A category
-- without a row is not limited.
CREATE TABLE account_limits (
    account_limits_sid TEXT PRIMARY KEY,
    account_sid        TEXT NOT NULL REFERENCES accounts (account_sid) ON DELETE CASCADE,
    category           TEXT NOT NULL,
    quantity           BIGINT NOT NULL,
    UNIQUE (account_sid, category)
);

CREATE TABLE service_provider_limits (
    service_provider_limits_sid TEXT PRIMARY KEY,
    service_provider_sid        TEXT NOT NULL REFERENCES service_providers (service_provider_sid) ON DELETE CASCADE,
    category                    TEXT NOT NULL,
    quantity                    BIGINT NOT NULL,
    UNIQUE (service_provider_sid, category)
);
