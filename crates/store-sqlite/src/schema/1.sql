-- What is asked of a task is written once, beside what changes with every event.
CREATE TABLE tasks (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL,
    principal TEXT NOT NULL,
    workspace TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    attempt INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    waiting TEXT,
    waiting_until INTEGER,
    token INTEGER,
    conversation TEXT,
    turns INTEGER NOT NULL DEFAULT 0,
    tokens_input INTEGER NOT NULL DEFAULT 0,
    tokens_output INTEGER NOT NULL DEFAULT 0,
    tokens_cache_read INTEGER NOT NULL DEFAULT 0,
    tokens_cache_creation INTEGER NOT NULL DEFAULT 0,
    files_modified INTEGER NOT NULL DEFAULT 0,
    elapsed_ms INTEGER NOT NULL DEFAULT 0,
    cost_usd REAL NOT NULL DEFAULT 0,
    started_at INTEGER,
    updated_at INTEGER NOT NULL,
    interrupt_requested_at INTEGER,
    tail INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    ended_at INTEGER,
    outcome TEXT
) STRICT;
CREATE INDEX tasks_of_session ON tasks (session);
CREATE INDEX open_tasks ON tasks (number) WHERE ended_at IS NULL;
CREATE INDEX ended_tasks ON tasks (ended_at, number, bytes) WHERE ended_at IS NOT NULL;

CREATE TABLE specs (
    task INTEGER PRIMARY KEY,
    spec TEXT NOT NULL
) STRICT;

-- What one commit added to a task's log; the position is the last event's place in the feed. A notice, which only the
-- feed has, is a row whose events are numbered 0.
CREATE TABLE batches (
    position INTEGER PRIMARY KEY,
    task INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    status TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX batches_of_task ON batches (task, last_seq);

CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    principal TEXT NOT NULL,
    workspace TEXT NOT NULL,
    conversation TEXT,
    fork_from TEXT,
    holder INTEGER,
    created_at INTEGER NOT NULL,
    last_activity INTEGER NOT NULL
) STRICT;
CREATE INDEX held_sessions ON sessions (number) WHERE holder IS NOT NULL;

-- How far the counters are at least, whatever was dropped since, and whether the last server closed the database.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    opened INTEGER NOT NULL,
    task INTEGER NOT NULL,
    session INTEGER NOT NULL,
    position INTEGER NOT NULL,
    clean INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0, 0, 0, 0, 1);
