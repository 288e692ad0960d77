-- What tasks are filed under, to be found by.
CREATE TABLE labels (
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    task INTEGER NOT NULL,
    PRIMARY KEY (key, value, task)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_of_task ON labels (task);
-- Who waits to begin with a copy of a conversation.
CREATE INDEX unbegun_forks ON sessions (fork_from) WHERE fork_from IS NOT NULL AND conversation IS NULL;
