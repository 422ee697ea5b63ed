//! The loop of the one inference thread: requests in, batches through the model, events out.
//!
//! Each round computes one batch for all tasks that have a sequence: a token for each reply that is being written, and
//! parts of the prompts that are still to be read.

mod batches;
mod disk;
mod places;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use engawa_engine_protocol::{
    Constraint, ContinueFinal, EmbedRequest, EngineEvent, EngineRequest, FinishReason, GenerateError, PromptCount,
    PromptMessage, RankRequest, RequestId, Sampling, Speculation, ToolDefinition,
};

use crate::child::{Signals, has_model, list_devices};
use crate::drafter::Drafter;
use crate::llama::{Context, DecodeOutcome, Model, Row, Templates, Token};
use crate::load::Loaded;
use crate::media::{self, Computed, MediaError, MediaReader, Shown, TokenizedMedia};
use crate::outbox::Outbox;
use crate::prompt::{MarkerGuard, Prompt, Said, build_prompt, count_messages};
use crate::saved::SavedSequences;
use crate::sequence::Sequence;
use crate::speculation::DraftCost;
use crate::task::{Step, Task};
use crate::threads::ThreadTrial;

/// How often it is looked whether something to be shown is computed while there is nothing else to do.
const MEDIA_POLL: Duration = Duration::from_millis(2);

/// A loaded model with all that answering needs.
pub(crate) struct Inference<'model, 'io> {
    model: &'model Model,
    context: Context<'model>,
    templates: Templates<'model>,
    guard: MarkerGuard,
    sequences: Vec<Sequence>,
    saved: Option<SavedSequences>,
    requests: &'io Receiver<EngineRequest>,
    outbox: &'io mut Outbox,
    signals: &'static Signals,
    /// Settings that arrived since the last batch, the latest of each reply: a slider sends many, and a sampler may take long to make.
    new_sampling: BTreeMap<RequestId, Sampling>,
    /// In the order of their arrival.
    tasks: Vec<Task<'model>>,
    /// Counts rounds: whose prompt comes first goes around.
    round: u64,
    /// How long a token of a batch took of late, in batches with parts of prompts.
    time_per_token: Option<Duration>,
    /// Whether replies are drafted.
    drafts: bool,
    /// Whether what was there before may be drafted.
    lookup: bool,
    threads: ThreadTrial,
    draft_cost: DraftCost,
    drafter: Option<Drafter<'model>>,
    /// While there is no room for drafts.
    rounds_without_drafts: u32,
    media: Option<MediaReader<'io>>,
    /// Nothing could be computed in the last round, but for what is to be shown.
    waits_for_media: bool,
}

/// The app closed the pipe: the engine ends.
struct Closed;

/// What a task has in a batch.
struct Part {
    task: usize,
    sequence: usize,
    /// The place of the first token in the batch.
    place: usize,
    tokens: usize,
    /// Guesses at what follows, which are in the batch as well.
    draft: Vec<Token>,
    /// Behind the last of the tokens and each of the draft; empty when there is more to read first.
    rows: Vec<Row>,
}

impl<'model, 'io> Inference<'model, 'io> {
    pub(crate) fn new(
        model: &'model Model,
        loaded: Loaded<'model>,
        saved: Option<SavedSequences>,
        media: Option<MediaReader<'io>>,
        requests: &'io Receiver<EngineRequest>,
        outbox: &'io mut Outbox,
        signals: &'static Signals,
    ) -> Self {
        let Loaded { context, templates, guard, threads, speculation, drafter, .. } = loaded;
        // A model that can't forget a part would pay for each wrong draft with all that it has read.
        let drafts = context.longest_draft() > 0;
        Self {
            model,
            context,
            templates,
            guard,
            sequences: Sequence::all(),
            saved,
            requests,
            outbox,
            signals,
            new_sampling: BTreeMap::new(),
            tasks: Vec::new(),
            round: 0,
            time_per_token: None,
            drafts,
            lookup: speculation == Speculation::PromptLookup,
            threads,
            draft_cost: DraftCost::default(),
            drafter,
            rounds_without_drafts: 0,
            media,
            waits_for_media: false,
        }
    }

    /// Answers requests until the app closes the pipe.
    pub(crate) fn run(mut self) {
        while self.take_requests().is_ok() {
            self.round += 1;
            self.place_tasks();
            self.show_media();
            self.compute();
        }
        self.save_all();
    }

    // Requests.

    /// Takes in all that arrived; waits if there is nothing to do.
    fn take_requests(&mut self) -> Result<(), Closed> {
        if self.tasks.is_empty() {
            let request = self.requests.recv().map_err(|_| Closed)?;
            self.accept(request);
        } else if self.waits_for_media {
            match self.requests.recv_timeout(MEDIA_POLL) {
                Ok(request) => self.accept(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Closed),
            }
        }
        // The request that set the flag is in the channel already.
        self.signals.abort_seen();
        let end = loop {
            match self.requests.try_recv() {
                Ok(request) => self.accept(request),
                Err(TryRecvError::Empty) => break Ok(()),
                Err(TryRecvError::Disconnected) => break Err(Closed),
            }
        };
        for (id, sampling) in std::mem::take(&mut self.new_sampling) {
            if let Some(index) = self.find(id) {
                let step = self.tasks[index].update_sampling(sampling, self.outbox);
                self.after(index, step);
            }
        }
        end
    }

    fn accept(&mut self, request: EngineRequest) {
        match request {
            EngineRequest::Generate(request) => self.tasks.push(Task::new(*request)),
            EngineRequest::CountPrompt { id, messages } => {
                let event = match self.count(&messages) {
                    Ok(count) => EngineEvent::PromptCounted { id, count },
                    Err(error) => EngineEvent::RequestFailed { id, error },
                };
                self.outbox.send(&event);
            }
            EngineRequest::Cancel { id } => {
                if let Some(index) = self.find(id) {
                    let step = self.tasks[index].end(FinishReason::Cancelled, self.outbox);
                    self.after(index, step);
                }
            }
            EngineRequest::UpdateSampling { id, sampling } => {
                self.new_sampling.insert(id, sampling);
            }
            EngineRequest::Embed(EmbedRequest { id, .. }) | EngineRequest::Rank(RankRequest { id, .. }) => {
                self.outbox.send(&EngineEvent::RequestFailed { id, error: GenerateError::WrongPurpose });
            }
            EngineRequest::Forget { owner } => self.forget(&owner),
            EngineRequest::ListDevices => self.outbox.send(&EngineEvent::Devices { devices: list_devices() }),
            EngineRequest::LoadModel(_) => self.outbox.send(&EngineEvent::LoadFailed(has_model())),
            EngineRequest::EstimateLoad(_) => self.outbox.send(&EngineEvent::EstimateFailed(has_model())),
            EngineRequest::Hello { .. } | EngineRequest::CancelLoad => {}
        }
    }

    fn find(&self, id: RequestId) -> Option<usize> {
        self.tasks.iter().position(|task| task.id() == id)
    }

    fn count(&mut self, messages: &[PromptMessage]) -> Result<PromptCount, GenerateError> {
        let media = self.tokenize_media(messages)?;
        let said = Said { messages, media: &media };
        let prompt = self.prompt(said, &[], None, ContinueFinal::NewTurn)?;
        let messages = count_messages(self.model.vocabulary(), said)?;
        Ok(PromptCount { total: u32::try_from(prompt.tokens.len()).unwrap_or(u32::MAX), messages })
    }

    fn tokenize_media(&mut self, messages: &[PromptMessage]) -> Result<Vec<Arc<TokenizedMedia>>, GenerateError> {
        match &mut self.media {
            Some(media) => media.tokenize(messages, self.context.size() as usize).map_err(|error| match error {
                MediaError::Generate(error) => error,
                MediaError::TooMany { tokens } => self.context_too_small(tokens),
            }),
            None => media::refuse(messages).map(|()| Vec::new()),
        }
    }

    fn prompt(
        &self,
        said: Said<'_>,
        tools: &[ToolDefinition],
        constraint: Option<&Constraint>,
        continue_final: ContinueFinal,
    ) -> Result<Prompt, GenerateError> {
        build_prompt(&self.templates, self.model.vocabulary(), &self.guard, said, tools, constraint, continue_final)
    }

    /// Ends a task, if that is what its step came to.
    fn after(&mut self, index: usize, step: Step) {
        let event = match step {
            Step::GoesOn => return,
            Step::Ends(reason) => {
                let task = &self.tasks[index];
                EngineEvent::Finished { id: task.id(), reason, timings: task.timings() }
            }
            Step::Fails(error) => {
                self.tasks[index].tell_rest(self.outbox);
                EngineEvent::RequestFailed { id: self.tasks[index].id(), error }
            }
        };
        self.outbox.send(&event);
        let task = self.tasks.remove(index);
        if let Some(sequence) = task.sequence.filter(|_| task.is_writing()) {
            self.sequences[sequence].end_reply(&task.tokens);
        }
        for task in &mut self.tasks {
            task.waits_for_room = false;
        }
    }

    // Media.

    /// Reads what is to be shown next to a task, if it is computed; begins to compute it otherwise.
    fn show_media(&mut self) {
        let Some(media) = &mut self.media else { return };
        let wanted: Vec<_> = (self.tasks.iter().enumerate())
            .filter_map(|(index, task)| Some((index, task.next_shown(self.sequences[task.sequence?].len())?)))
            .collect();
        let all: Vec<_> = wanted.iter().map(|(_, shown)| Arc::clone(shown)).collect();
        media.forget_all_but(&all);
        for (index, shown) in wanted {
            match media.compute(&shown) {
                Computed::NotYet => {}
                Computed::Numbers(numbers) => return self.show(index, &shown, &numbers),
                Computed::Failed => {
                    return self.after(index, Step::Fails(GenerateError::Decode { status: -1 }));
                }
            }
        }
    }

    /// Reads what was computed of something that is to be shown to a task. One such thing goes through the model between two
    /// batches.
    fn show(&mut self, index: usize, shown: &Shown, numbers: &[f32]) {
        // It takes seconds.
        self.tasks.iter_mut().for_each(|task| task.flush(self.outbox));
        let (Some(media), Some(place)) = (&self.media, self.tasks[index].sequence) else { return };
        let sequence = &mut self.sequences[place];
        let (position, name) = (sequence.position(), sequence.index);
        let outcome = self.context.read_media(media.projector(), &shown.chunk, numbers, position, name);
        let part = Part {
            task: index,
            sequence: place,
            place: 0,
            tokens: shown.tokens.len(),
            draft: Vec::new(),
            rows: Vec::new(),
        };
        if outcome == DecodeOutcome::Done {
            self.take_results(&[part]);
        } else {
            self.give_up(&[part], outcome);
        }
    }
}
