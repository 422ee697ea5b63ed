//! What a load would take, asked of an engine of its own: a hostile header may end it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use engawa_engine_client::Engine;
use engawa_engine_client::protocol::{DeviceMemory, Fit, LoadError, LoadEstimate, LoadSettings};

use super::Models;
use crate::memory;
use crate::model::{ModelError, ModelState};

/// How long an engine may reckon what a load would take; it starts GPU drivers for that.
const ESTIMATE_TIMEOUT: Duration = Duration::from_secs(30);

impl Models {
    /// Asks an engine of its own what a load would take; the next such question ends this one.
    ///
    /// # Errors
    /// [`ModelError::NoEngine`], [`ModelError::Load`] and [`ModelError::EngineEnded`].
    pub(crate) async fn estimate(&self, path: &Path, settings: LoadSettings) -> Result<LoadEstimate, ModelError> {
        let mut number = 0;
        self.estimates.send_modify(|count| {
            *count += 1;
            number = *count;
        });
        let mut overtaken = self.estimates.subscribe();
        let _turn = self.estimating.lock().await;
        if *overtaken.borrow_and_update() != number {
            // Somebody asks about other settings by now.
            return Err(ModelError::Load(LoadError::Cancelled));
        }
        self.reckon(path, settings, async { drop(overtaken.changed().await) }).await
    }

    /// Asks an engine what a load would take until the answer is wanted no more.
    async fn reckon(
        &self,
        path: &Path,
        settings: LoadSettings,
        unwanted: impl Future<Output = ()>,
    ) -> Result<LoadEstimate, ModelError> {
        let started = Engine::start(&self.program).await;
        let engine = started.map_err(|error| ModelError::NoEngine(error.to_string()))?;
        let (loaded, process) = {
            let inner = self.lock();
            let memory = match &*self.state.borrow() {
                ModelState::Ready(model) => model.info.memory.clone(),
                _ => Vec::new(),
            };
            (memory, inner.engine.as_ref().map(|engine| engine.process_id()))
        };
        let mut request = self.request(path, settings.clone());
        request.host_freed = host_freed(&loaded, process);
        let answer = tokio::select! {
            answer = tokio::time::timeout(ESTIMATE_TIMEOUT, engine.estimate(request)) => answer,
            () = unwanted => {
                engine.kill_unresponsive();
                return Err(ModelError::Load(LoadError::Cancelled));
            }
        };
        let Ok(answered) = answer else {
            engine.kill_unresponsive();
            return Err(ModelError::EngineEnded(engine.exited().await));
        };
        let mut estimate = answered.map_err(ModelError::EngineEnded)?.map_err(ModelError::Load)?;
        self.lock().checked = (estimate.fit != Fit::TooLarge).then(|| (path.to_owned(), settings));
        give_back(&mut estimate, &loaded);
        Ok(estimate)
    }

    /// Whether a load would be refused: for what its files are, or because it does not fit the memory with any settings.
    pub(super) async fn check(&self, path: &Path, settings: &LoadSettings) -> Result<(), ModelError> {
        // The question that is just being answered may be the same.
        let _turn = self.estimating.lock().await;
        let is_checked = |(checked, with): &(PathBuf, LoadSettings)| checked == path && with == settings;
        if self.lock().checked.as_ref().is_some_and(is_checked) {
            return Ok(());
        }
        match self.reckon(path, settings.clone(), std::future::pending()).await {
            Err(error @ ModelError::Load(_)) => Err(error),
            Ok(LoadEstimate { fit: Fit::TooLarge, devices, .. }) => {
                let host = devices.last();
                Err(ModelError::Load(LoadError::NotEnoughMemory {
                    needed: host.map(DeviceMemory::needed),
                    available: host.map_or(0, |host| host.memory_free),
                }))
            }
            // What an engine ended over, or took too long for, may go another way.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// What a loaded model gives back of the host's memory before another one is loaded: what it was told to take or, where all of that is
/// the process's own, what it took.
fn host_freed(loaded: &[DeviceMemory], process_id: Option<u32>) -> u64 {
    let told = loaded.iter().filter(|device| device.name.is_empty()).map(DeviceMemory::needed).sum();
    // A GPU's driver has memory of the host, too.
    let is_alone = loaded.len() == 1;
    let taken = process_id.filter(|_| is_alone).and_then(memory::taken_bytes);
    taken.map_or(told, |taken| taken.min(told))
}

/// Counts what the loaded model takes of GPUs as free: it goes before another one is loaded.
fn give_back(estimate: &mut LoadEstimate, loaded: &[DeviceMemory]) {
    for device in estimate.devices.iter_mut().filter(|device| !device.name.is_empty()) {
        for mine in loaded.iter().filter(|mine| mine.name == device.name) {
            device.memory_free = device.memory_free.saturating_add(mine.needed()).min(device.memory_total);
        }
    }
}
