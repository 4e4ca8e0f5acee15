-- The outbox is sent: attempts, leases, and mails that belong to no user (those to the security team).

CREATE TABLE outbox_sent (
    id           TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    -- NULL: to the security team.
    user_id      TEXT COLLATE "C" REFERENCES users (id) ON DELETE CASCADE,
    key_id       TEXT COLLATE "C" NOT NULL,
    body         BYTEA NOT NULL,
    created_at   BIGINT NOT NULL,
    -- 0: somebody waits for it; 1: the others.
    urgency      BIGINT NOT NULL,
    -- From then on it is of no use, and is given up.
    expires_at   BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    next_try_at  BIGINT NOT NULL,
    -- The node that has it may send it until then, nobody else.
    leased_until BIGINT,
    last_error   TEXT COLLATE "C",
    sent_at      BIGINT,
    given_up_at  BIGINT
);
INSERT INTO outbox_sent
    (id, user_id, key_id, body, created_at, urgency, expires_at, attempts, next_try_at, sent_at)
SELECT id, user_id, key_id, body, created_at, 1, created_at + 259200000, 0, created_at, sent_at FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_sent RENAME TO outbox;
CREATE INDEX outbox_by_age ON outbox (created_at);
CREATE INDEX outbox_waiting ON outbox (urgency, next_try_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
