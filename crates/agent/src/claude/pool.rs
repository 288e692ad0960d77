//! Agents that are ready before anybody needs them, for who starts them with all options of the SDK.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use claude_protocol::LaunchOptions;

use super::driver::{ClaudeAgent, RequestError};
use super::launcher::{ClaudeLauncher, ClaudeOptions, check_folder};
use super::spare::Spare;
use crate::{Events, Host, LaunchError, PermissionHandler};

/// Keeps agents ready and hands them out. Dropping it ends those that nobody took.
pub struct Pool {
    launcher: Arc<ClaudeLauncher>,
    /// Where agents wait that have no folder yet.
    parking: PathBuf,
    /// Most agents that wait.
    most: usize,
    spares: Mutex<Vec<Spare>>,
}

impl Pool {
    /// A pool of at most `most` waiting agents; `parking` is a folder without anything in it.
    pub fn new(launcher: Arc<ClaudeLauncher>, parking: PathBuf, most: usize) -> Self {
        Self { launcher, parking, most, spares: Mutex::default() }
    }

    /// Starts an agent that can later be bound to any folder, and waits until it is ready. Does nothing when enough wait.
    /// Gives whether there is one more.
    pub async fn add_spare(&self, launch: &LaunchOptions) -> bool {
        if self.waiting() >= self.most {
            return false;
        }
        let options = ClaudeOptions { launch: launch.clone(), ..ClaudeOptions::default() };
        let spare = self.launcher.spare(&self.parking, &options).await;
        spare.is_some_and(|spare| self.keep(spare))
    }

    /// Starts an agent in the folder in which it will be needed, and waits until it is ready. Gives whether there is one
    /// more.
    pub async fn add_in_place(&self, working_directory: PathBuf, launch: &LaunchOptions) -> bool {
        if self.waiting() >= self.most {
            return false;
        }
        let options = ClaudeOptions { working_directory, launch: launch.clone(), ..ClaudeOptions::default() };
        let spare = Spare::in_place(&self.launcher, options).await;
        spare.is_ok_and(|spare| self.keep(spare))
    }

    /// How many wait and live.
    pub fn waiting(&self) -> usize {
        let mut spares = self.lock();
        spares.retain(Spare::is_ready);
        spares.len()
    }

    /// An agent for a new conversation in that folder: one that waits, if one fits, else a new one. Its first event is
    /// `Ready` either way.
    ///
    /// # Errors
    /// As [`ClaudeLauncher::start`].
    pub async fn start(
        &self,
        working_directory: PathBuf,
        launch: &LaunchOptions,
        permissions: Arc<dyn PermissionHandler>,
    ) -> Result<(ClaudeAgent, Events), LaunchError> {
        let options = ClaudeOptions { working_directory, launch: launch.clone(), ..ClaudeOptions::default() };
        check_folder(&options.working_directory).await?;
        while let Some(spare) = self.take(&options) {
            match spare.claim(&options).await {
                Ok(()) => return Ok(spare.hand_over(permissions)),
                // The folder is the reason, and another one would say the same.
                Err(RequestError::Refused(_)) => {
                    self.lock().push(spare);
                    break;
                }
                Err(RequestError::NoAnswer(_) | RequestError::Gone) => {}
            }
        }
        let host = Host { permissions, ..Host::denying() };
        self.launcher.start(options, host).await
    }

    fn keep(&self, spare: Spare) -> bool {
        let mut spares = self.lock();
        let has_place = spares.len() < self.most;
        if has_place {
            spares.push(spare);
        }
        has_place
    }

    /// Takes out one that fits; one that is there already before one that has to be bound.
    fn take(&self, options: &ClaudeOptions) -> Option<Spare> {
        let mut spares = self.lock();
        spares.retain(Spare::is_ready);
        let place = spares.iter().position(|spare| spare.is_in_place(options));
        let place = place.or_else(|| spares.iter().position(|spare| spare.can_become(options)))?;
        Some(spares.swap_remove(place))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
