-- The keys that the records of the audit journal are sealed with, one for each month. A month whose key was deleted keeps its row,
-- so that it gets no other one.
CREATE TABLE log_keys (
    month     TEXT   NOT NULL PRIMARY KEY,
    made_at   BIGINT NOT NULL,
    key_id    TEXT,
    sealed    BLOB,
    erased_at BIGINT
);
