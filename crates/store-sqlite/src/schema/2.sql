-- What a task's agents asked, and the answers. Beside the tasks' rows: those are written with every event.
CREATE TABLE questions (
    task INTEGER PRIMARY KEY,
    questions TEXT NOT NULL
) STRICT;
