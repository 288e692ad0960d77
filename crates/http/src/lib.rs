//! The REST and WebSocket endpoints.
