//! Traits for the event log, the queue and the sessions, the memory backend and the conformance suite.
