-- Whether a task's session was deleted: one that gets its name later is another one, and has nothing of it.
ALTER TABLE tasks ADD COLUMN left_behind INTEGER NOT NULL DEFAULT 0;
UPDATE tasks SET left_behind = 1 WHERE session NOT IN (SELECT id FROM sessions);
