//! The wire types of the public API. No logic.
