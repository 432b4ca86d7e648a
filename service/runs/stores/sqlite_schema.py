"""The tables of the SQLite store."""

from __future__ import annotations

# Says that a database is a store of ours: "SLUI".
APPLICATION_ID = 0x534C5549
# Grows with each change of the tables. A store of another format is refused.
FORMAT = 1

# `totals` has one row: bytes of all events, and runs that have not expired. An index has no column that each append
# changes: `running` is read in whole, and the reaper looks at each lease.
SCHEMA = """
CREATE TABLE runs (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    body_digest TEXT NOT NULL,
    producer TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'running',
    reason TEXT NOT NULL DEFAULT '',
    stop TEXT NOT NULL DEFAULT '',
    epoch INTEGER NOT NULL DEFAULT 1,
    last_number INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    lease REAL NOT NULL,
    attended_until REAL NOT NULL DEFAULT 0,
    ended REAL NOT NULL DEFAULT 0,
    expires REAL NOT NULL DEFAULT 0,
    is_purged INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX runs_by_key ON runs (owner, key) WHERE key <> '';
CREATE INDEX runs_by_owner ON runs (owner);
CREATE INDEX runs_running ON runs (owner) WHERE state = 'running';
CREATE INDEX runs_ended ON runs (expires) WHERE expires > 0 AND is_purged = 0;
CREATE INDEX runs_purged ON runs (expires) WHERE is_purged = 1;
CREATE TABLE batches (
    run INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (run, last)
) WITHOUT ROWID;
CREATE TABLE totals (bytes INTEGER NOT NULL, runs INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0);
"""
# Made wherever it is missing: a file of an earlier version has no such table, and earlier versions do not look at it.
MARKS = """
CREATE TABLE IF NOT EXISTS marks (
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID
"""
