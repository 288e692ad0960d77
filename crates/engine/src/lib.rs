//! Admission, queue, dispatcher, sessions and subscriptions.
