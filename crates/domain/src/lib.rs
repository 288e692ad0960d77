//! Ids, states and their legal transitions, limits and the clock: pure, no IO.
