-- How far the audit journal of a node had come, signed. Kept here, apart from the journal, so that a cut end is noticed.
CREATE TABLE audit_heads (
    node      TEXT COLLATE "C" NOT NULL,
    seq       BIGINT NOT NULL,
    hash      TEXT COLLATE "C" NOT NULL,
    signed_at BIGINT NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (node, seq)
);
