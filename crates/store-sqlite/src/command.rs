//! A command on its way through the writer.

use store::{Core, StoreError};
use tokio::sync::oneshot;

use crate::fault::Refusal;
use crate::tables::SqliteTables;

/// A command that waits for its group. It can be carried out more than once: when a group fails, each of its commands gets
/// a transaction of its own.
pub(crate) trait Command: Send {
    /// Bytes that it brings, about.
    fn weight(&self) -> usize;

    /// Carries it out and keeps the answer; a refusal is one, a failure of the storage is not.
    fn run(&mut self, core: &mut Core<SqliteTables>) -> Result<(), StoreError>;

    /// Answers, once everything is durable.
    fn answer(self: Box<Self>);

    /// Answers that the storage failed.
    fn fail(self: Box<Self>, error: StoreError);
}

pub(crate) struct Pending<F, R, E> {
    run: F,
    weight: usize,
    answer: Option<Result<R, E>>,
    reply: oneshot::Sender<Result<R, E>>,
}

impl<F, R, E> Pending<F, R, E> {
    pub(crate) fn new(weight: usize, run: F) -> (Self, oneshot::Receiver<Result<R, E>>) {
        let (reply, receiver) = oneshot::channel();
        (Self { run, weight, answer: None, reply }, receiver)
    }
}

/// Who asked may have gone away meanwhile; what was done stays done.
fn tell<T>(reply: oneshot::Sender<T>, answer: T) {
    drop(reply.send(answer));
}

impl<F, R, E> Command for Pending<F, R, E>
where
    F: Fn(&mut Core<SqliteTables>) -> Result<R, E> + Send,
    R: Send,
    E: Refusal,
{
    fn weight(&self) -> usize {
        self.weight
    }

    fn run(&mut self, core: &mut Core<SqliteTables>) -> Result<(), StoreError> {
        let answer = (self.run)(core);
        if let Some(failure) = answer.as_ref().err().and_then(Refusal::failure) {
            return Err(failure.clone());
        }
        self.answer = Some(answer);
        Ok(())
    }

    fn answer(self: Box<Self>) {
        if let Some(answer) = self.answer {
            tell(self.reply, answer);
        }
    }

    fn fail(self: Box<Self>, error: StoreError) {
        tell(self.reply, Err(E::from(error)));
    }
}
