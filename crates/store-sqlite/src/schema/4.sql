-- What is written to find out whether anything can be.
CREATE TABLE probe (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    data BLOB NOT NULL
) STRICT;
