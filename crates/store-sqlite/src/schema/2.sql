-- What a task's agents asked, and the answers; null when they asked nothing.
ALTER TABLE tasks ADD COLUMN questions TEXT;
