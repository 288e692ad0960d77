//! How children die: one behaviour a file, with real programs.

mod child;
mod drop_kills;
mod exits_at_once;
mod floods_stderr;
mod ignores_sigterm;
mod leaks_grandchild;
mod long_line;
mod refused_starts;
mod second_stop;
