-- How far the audit journal of a node had come, signed. Kept here, apart from the journal, so that a cut end is noticed.
CREATE TABLE audit_heads (
    node      TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    hash      TEXT NOT NULL,
    signed_at BIGINT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (node, seq)
);
