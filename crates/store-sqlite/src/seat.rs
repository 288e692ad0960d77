//! Who works with the writer. Usually its thread does. When nothing waits, who asks for something small does it at once: that
//! spares two changes of threads, each of which takes longer than the commit when a processor has to be woken for it.

use std::sync::{Mutex, PoisonError};

use crate::writer::Writer;

/// The writer, while nobody works with it; none once it has ended.
pub(crate) struct Seat(Mutex<Option<Box<Writer>>>);

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

impl Seat {
    pub(crate) fn new(writer: Writer) -> Self {
        Self(Mutex::new(Some(Box::new(writer))))
    }

    /// Works with the writer as soon as it is free; `None` when it has ended.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Writer) -> R) -> Option<R> {
        Self::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), work)
    }

    /// Works with the writer if it is free now.
    pub(crate) fn with_free<R>(&self, work: impl FnOnce(&mut Writer) -> R) -> Option<R> {
        Self::take(&mut *self.0.try_lock().ok()?, work)
    }

    /// Lets nobody work with the writer any more.
    pub(crate) fn end(&self) -> Option<Box<Writer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Who panics leaves no writer behind, which ends everything in order.
    fn take<R>(seat: &mut Option<Box<Writer>>, work: impl FnOnce(&mut Writer) -> R) -> Option<R> {
        let mut writer = seat.take()?;
        let result = work(&mut writer);
        *seat = Some(writer);
        Some(result)
    }
}
