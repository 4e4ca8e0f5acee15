-- People, how they sign in, and what waits to be mailed. Instants are milliseconds since 1970 UTC. Names are compared and
-- ordered byte by byte (COLLATE "C"), as SQLite does, whatever the locale of the server.

CREATE TABLE users (
    id            TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    username      TEXT COLLATE "C" NOT NULL UNIQUE,
    email         TEXT COLLATE "C" NOT NULL,
    first_name    TEXT COLLATE "C" NOT NULL,
    last_name     TEXT COLLATE "C" NOT NULL,
    phone         TEXT COLLATE "C",
    home_country  TEXT COLLATE "C" NOT NULL,
    time_zone     TEXT COLLATE "C",
    language      TEXT COLLATE "C",
    status        TEXT COLLATE "C" NOT NULL CHECK (status IN ('active', 'pending', 'suspended')),
    session_epoch BIGINT NOT NULL,
    password_hash TEXT COLLATE "C",
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

-- Everything that may be typed to sign in: the username and the folded mail address. One table, so that no person's
-- username can be another's address. A row without user keeps a name from being given again.
CREATE TABLE login_names (
    name    TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    user_id TEXT COLLATE "C" REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX login_names_by_user ON login_names (user_id);

CREATE TABLE user_groups (
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (user_id, group_name)
);
CREATE INDEX user_groups_by_group ON user_groups (group_name);

CREATE TABLE authenticators (
    id           TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    user_id      TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    method       TEXT COLLATE "C" NOT NULL,
    name         TEXT COLLATE "C" NOT NULL,
    key_id       TEXT COLLATE "C" NOT NULL,
    secret       BYTEA NOT NULL,
    last_step    BIGINT,
    added_at     BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX authenticators_by_user ON authenticators (user_id);

CREATE TABLE links (
    mac        BYTEA PRIMARY KEY NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX links_by_user ON links (user_id, purpose);

CREATE TABLE outbox (
    id         TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    key_id     TEXT COLLATE "C" NOT NULL,
    body       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    sent_at    BIGINT
);
CREATE INDEX outbox_by_age ON outbox (created_at);
