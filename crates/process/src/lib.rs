//! Life and death of a child process. Knows nothing of Claude.
