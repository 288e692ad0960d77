//! The language of the Claude Code CLI: frames in and out, control requests, arguments. Sans-IO.
