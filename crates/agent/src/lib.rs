//! A running Claude Code agent: start, prompt, interrupt, stop; events out.
