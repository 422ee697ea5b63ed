//! The loop of the one inference thread: requests in, batches through the model, events out.
//!
//! Each round computes one batch for all tasks that have a sequence: a token for each reply that is being written, and
//! parts of the prompts that are still to be read.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use engawa_engine_protocol::{
    Constraint, ContinueFinal, Decoding, EmbedRequest, EngineEvent, EngineRequest, FinishReason, GenerateError,
    PromptCount, PromptMessage, RankRequest, RequestId, Speculation, ToolDefinition,
};

use crate::child::{Signals, has_model, list_devices};
use crate::draft_heads::News;
use crate::drafter::Drafter;
use crate::generation::SamplerPlan;
use crate::llama::{Context, DecodeOutcome, Model, Row, Templates, Token};
use crate::load::{Loaded, fits_memory};
use crate::media::{self, Computed, MediaError, MediaReader, Shown, TokenizedMedia, is_shown};
use crate::outbox::Outbox;
use crate::prompt::{MarkerGuard, Prompt, Said, build_prompt, count_messages};
use crate::saved::SavedSequences;
use crate::sequence::{Continuation, Sequence};
use crate::speculation::DraftCost;
use crate::task::{Step, Task};
use crate::threads::ThreadTrial;

/// How long replies that are being written may wait for a part of somebody's prompt.
const PROMPT_PART: Duration = Duration::from_millis(100);
/// The tokens of such a part before it is known how fast prompts are read, and the fewest.
const FIRST_PART: usize = 32;
const SMALLEST_PART: usize = 16;
/// Tokens that are processed again in no time.
const NEXT_TO_NOTHING: usize = 32;
/// The tokens that a saved sequence must spare.
const WORTH_READING: usize = 32;
/// For so many rounds nothing is drafted when drafts found no room.
const WITHOUT_DRAFTS: u32 = 32;
/// How often it is looked whether something to be shown is computed while there is nothing else to do.
const MEDIA_POLL: Duration = Duration::from_millis(2);
/// How long sequences are saved after the app closed the pipe; it waits longer.
const LAST_SAVES: Duration = Duration::from_secs(3);

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
        let drafts = !context.needs_snapshots();
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
        loop {
            match self.requests.try_recv() {
                Ok(request) => self.accept(request),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Closed),
            }
        }
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
                if let Some(index) = self.find(id) {
                    let step = self.tasks[index].update_sampling(sampling, self.outbox);
                    self.after(index, step);
                }
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
            Step::Fails(error) => EngineEvent::RequestFailed { id: self.tasks[index].id(), error },
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

    // Places in the context.

    /// Gives sequences to tasks that have none, in their order.
    fn place_tasks(&mut self) {
        let mut index = 0;
        while index < self.tasks.len() {
            let task = &self.tasks[index];
            if task.sequence.is_none() && !task.waits_for_room {
                match self.place(index) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => {
                        self.after(index, Step::Fails(error));
                        continue;
                    }
                }
            }
            index += 1;
        }
    }

    /// Gives a task the sequence that has most of its tokens already; false when all are in use.
    fn place(&mut self, index: usize) -> Result<bool, GenerateError> {
        let Some(mut least_recent) = self.least_recent_idle() else { return Ok(false) };
        self.prepare(index)?;
        let Some((mut source, mut continuation)) = self.best_source(index) else { return Ok(false) };
        if self.restore(least_recent, index, continuation.keep) {
            // Other sequences are there now.
            let (Some(idle), Some(best)) = (self.least_recent_idle(), self.best_source(index)) else {
                return Ok(false);
            };
            (least_recent, (source, continuation)) = (idle, best);
        }
        let keep = continuation.keep;
        let wanted_by = &self.tasks[index].request.owner;
        let goes_on = self.is_idle(source) && self.may_cut(source, keep, wanted_by.as_deref());
        let target = if goes_on { source } else { least_recent };
        if target == source {
            if keep < self.sequences[target].len() {
                self.sequences[target].cut(&mut self.context, keep);
            }
        } else {
            self.save(target);
            let [target, source] =
                self.sequences.get_disjoint_mut([target, source]).expect("two sequences of the context's own");
            target.begin_like(source, &mut self.context, keep);
        }
        self.sequences[target].last_used = self.round;
        // What comes behind this place may be edited.
        self.sequences[target].take_snapshot(&mut self.context);
        let task = &mut self.tasks[index];
        self.sequences[target].owner.clone_from(&task.request.owner);
        task.tokens = continuation.tokens;
        task.sequence = Some(target);
        task.note_reused(self.sequences[target].len());
        Ok(true)
    }

    /// The sequence that has most of a task's tokens already, and how they continue it.
    fn best_source(&self, index: usize) -> Option<(usize, Continuation)> {
        let vocabulary = self.model.vocabulary();
        let wanted = &self.tasks[index].tokens;
        let continuations = self.sequences.iter().map(|sequence| sequence.continuation(vocabulary, wanted.clone()));
        continuations.enumerate().max_by_key(|(_, continuation)| continuation.keep)
    }

    /// Whether what a sequence has behind its first `keep` tokens is worth less than what another one holds: the end of
    /// somebody's own conversation that is tried again or changed, or next to nothing.
    fn may_cut(&self, sequence: usize, keep: usize, owner: Option<&str>) -> bool {
        let sequence = &self.sequences[sequence];
        let lost = sequence.len() - keep;
        let is_own = owner.is_some() && sequence.owner.as_deref() == owner;
        lost == 0 || (lost <= keep && (is_own || lost <= NEXT_TO_NOTHING))
    }

    /// Makes the prompt of a task that has none yet.
    fn prepare(&mut self, index: usize) -> Result<(), GenerateError> {
        if self.tasks[index].prompt.is_some() {
            return Ok(());
        }
        // The files are not needed any more once they are tokens.
        let messages = std::mem::take(&mut self.tasks[index].request.messages);
        let media = self.tokenize_media(&messages)?;
        let request = &self.tasks[index].request;
        let constraint = request.decoding.constraint.as_ref();
        let said = Said { messages: &messages, media: &media };
        let mut prompt = self.prompt(said, &request.tools, constraint, request.continue_final)?;
        if request.decoding != Decoding::default() || prompt.applied.grammar.is_some() {
            // Nobody should wait for a prompt to be read only to hear that its grammar is none.
            let plan = SamplerPlan::new(self.model, request, &prompt, self.context.size(), 0)?;
            match plan.make(&request.sampling, 0, &[]) {
                Ok(_) => {}
                // It is that of tools: a call can be read without.
                Err(GenerateError::Constraint { .. }) if constraint.is_none() => prompt.applied.grammar = None,
                Err(error) => return Err(error),
            }
        }
        let tokens = std::mem::take(&mut prompt.tokens);
        if tokens.len() >= self.context.size() as usize {
            return Err(self.context_too_small(tokens.len()));
        }
        let task = &mut self.tasks[index];
        task.tokens = tokens;
        task.prompt = Some(prompt);
        Ok(())
    }

    fn context_too_small(&self, prompt_tokens: usize) -> GenerateError {
        let prompt_tokens = u32::try_from(prompt_tokens).unwrap_or(u32::MAX);
        GenerateError::ContextTooSmall { prompt_tokens, context_size: self.context.size() }
    }

    fn is_idle(&self, sequence: usize) -> bool {
        self.tasks.iter().all(|task| task.sequence != Some(sequence))
    }

    /// The idle sequence that is worth least: an empty one, else the one that was used longest ago.
    fn least_recent_idle(&self) -> Option<usize> {
        let idle = (0..self.sequences.len()).filter(|&sequence| self.is_idle(sequence));
        idle.min_by_key(|&sequence| (!self.sequences[sequence].is_empty(), self.sequences[sequence].last_used))
    }

    /// Saves and clears the idle sequence that was used longest ago; false when there is none.
    fn evict_idle(&mut self) -> bool {
        let oldest = (0..self.sequences.len())
            .filter(|&sequence| self.is_idle(sequence) && !self.sequences[sequence].is_empty())
            .min_by_key(|&sequence| self.sequences[sequence].last_used);
        let Some(oldest) = oldest else { return false };
        self.save(oldest);
        self.sequences[oldest].cut(&mut self.context, 0);
        true
    }

    /// Makes room in the cache. False when a task that is alone has it all.
    fn make_room(&mut self) -> bool {
        if self.evict_idle() {
            return true;
        }
        let mut placed = self.tasks.iter_mut().filter(|task| task.sequence.is_some());
        let (first, youngest) = (placed.next(), placed.next_back());
        let (Some(_), Some(youngest)) = (first, youngest) else { return false };
        youngest.waits_for_room = true;
        if let Some(sequence) = youngest.sequence.take() {
            self.sequences[sequence].cut(&mut self.context, 0);
        }
        true
    }

    // Sequences on disk.

    /// Brings a saved sequence into `target` if it has more of a task's prompt than the `keep` tokens that are in memory. Whether
    /// that changed anything there: what does not fit may have made others leave.
    fn restore(&mut self, target: usize, index: usize, keep: usize) -> bool {
        let Some(saved) = &mut self.saved else { return false };
        let found = saved.find(self.model.vocabulary(), &self.tasks[index].tokens);
        let Some(found) = found.filter(|found| found.keep >= keep + WORTH_READING) else { return false };
        if !fits_memory(usize::try_from(saved.bytes(&found)).unwrap_or(usize::MAX)) {
            return false;
        }
        let Some((head, state)) = saved.read(&found) else { return false };
        self.save(target);
        loop {
            let sequence = &mut self.sequences[target];
            sequence.cut(&mut self.context, 0);
            sequence.restore(head.clone(), &state, &mut self.context);
            sequence.last_used = self.round;
            if !sequence.is_empty() {
                return true;
            }
            if !self.evict_idle() {
                return true;
            }
        }
    }

    /// Saves a sequence that is about to go, if it is somebody's and not saved already.
    fn save(&mut self, sequence: usize) {
        let Some(saved) = &mut self.saved else { return };
        let sequence = &self.sequences[sequence];
        let Some(owner) = &sequence.owner else { return };
        // A state that ends with what is shown can't be told from a damaged one: its last position may not be that of its length.
        if sequence.tokens().last().is_some_and(|&token| is_shown(token)) {
            return;
        }
        if saved.wants(sequence.tokens()) && fits_memory(self.context.state_size(sequence.index)) {
            let state = self.context.save(sequence.index);
            saved.write(owner, sequence.head(), &state);
        }
    }

    /// Saves all sequences, those used last first, for as long as the app waits.
    fn save_all(&mut self) {
        let began = Instant::now();
        let mut order: Vec<usize> = (0..self.sequences.len()).collect();
        order.sort_by_key(|&sequence| std::cmp::Reverse(self.sequences[sequence].last_used));
        for sequence in order {
            if began.elapsed() < LAST_SAVES {
                self.save(sequence);
            }
        }
    }

    fn forget(&mut self, owner: &str) {
        for sequence in 0..self.sequences.len() {
            if self.sequences[sequence].owner.as_deref() == Some(owner) {
                self.sequences[sequence].owner = None;
                if self.is_idle(sequence) {
                    self.sequences[sequence].cut(&mut self.context, 0);
                }
            }
        }
        if let Some(saved) = &mut self.saved {
            saved.forget(owner);
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

    // Batches.

    /// Computes one batch and takes its results in.
    fn compute(&mut self) {
        let parts = self.fill_batch();
        self.waits_for_media = parts.is_empty() && self.media.as_ref().is_some_and(MediaReader::is_computing);
        if parts.is_empty() {
            return;
        }
        self.context.set_threads(self.threads.threads());
        let began = Instant::now();
        match self.context.decode() {
            DecodeOutcome::Done => {
                self.take_results(&parts);
                self.note_time(&parts, began.elapsed());
            }
            outcome => self.give_up(&parts, outcome),
        }
    }

    /// Takes back a batch that was not computed, and goes on without it.
    fn give_up(&mut self, parts: &[Part], outcome: DecodeOutcome) {
        // llama.cpp may hold a part of what it was given.
        for part in parts {
            let length = self.sequences[part.sequence].len();
            self.sequences[part.sequence].cut(&mut self.context, length);
        }
        self.recover(parts, outcome);
    }

    /// Puts a token of each reply into the batch, then parts of prompts as far as they fit.
    fn fill_batch(&mut self) -> Vec<Part> {
        self.context.clear_batch();
        self.rounds_without_drafts = self.rounds_without_drafts.saturating_sub(1);
        let missing = |task: &Task<'_>, sequences: &[Sequence]| {
            let behind = task.sequence.map(|sequence| &task.tokens[sequences[sequence].len()..]);
            // What is shown does not go into a batch of tokens.
            behind.filter(|next| !next.first().is_some_and(|&token| is_shown(token))).map_or(0, <[Token]>::len)
        };
        let (writing, mut reading): (Vec<usize>, Vec<usize>) = (0..self.tasks.len())
            .filter(|&index| missing(&self.tasks[index], &self.sequences) > 0)
            .partition(|&index| missing(&self.tasks[index], &self.sequences) == 1);
        if !reading.is_empty() {
            let first = usize::try_from(self.round).unwrap_or(0) % reading.len();
            reading.rotate_left(first);
        }
        let mut room = self.context.batch_size();
        let mut parts = Vec::new();
        for (index, &task) in writing.iter().enumerate() {
            let others = writing.len() - index - 1;
            let draft = if reading.is_empty() { self.draft(task, room.saturating_sub(others + 1)) } else { Vec::new() };
            room -= self.add_part(&mut parts, task, 1.min(room), draft);
        }
        if !writing.is_empty() {
            room = room.min(self.prompt_part());
        }
        for &task in &reading {
            room -= self.add_part(&mut parts, task, room, Vec::new());
        }
        parts
    }

    /// What a reply may go on with, at most `room` tokens.
    fn draft(&mut self, index: usize, room: usize) -> Vec<Token> {
        if !self.drafts || self.rounds_without_drafts > 0 {
            return Vec::new();
        }
        let n_ctx = self.context.size();
        let task = &mut self.tasks[index];
        let draft = if self.lookup { task.draft(n_ctx, room, &self.draft_cost) } else { Vec::new() };
        let (Some(drafter), Some(place)) = (self.drafter.as_mut().filter(|_| draft.is_empty()), task.sequence) else {
            return draft;
        };
        if task.has_media() {
            // It sees nothing.
            return Vec::new();
        }
        match task.model_draft_length(n_ctx, room, drafter.cost()) {
            0 => Vec::new(),
            length => {
                let draft = drafter.draft(self.sequences[place].index, &task.tokens, length);
                if draft.as_ref().is_some_and(Vec::is_empty) {
                    task.note_empty_draft();
                }
                draft.unwrap_or_default()
            }
        }
    }

    /// Adds at most `room` tokens of a task, and a draft of what follows; gives how many.
    fn add_part(&mut self, parts: &mut Vec<Part>, index: usize, room: usize, draft: Vec<Token>) -> usize {
        let task = &self.tasks[index];
        let Some(place) = task.sequence.filter(|_| room > 0) else { return 0 };
        let sequence = &self.sequences[place];
        let from = sequence.len();
        let end = task.tokens.len();
        let text = task.tokens[from..].iter().take_while(|&&token| !is_shown(token)).count();
        let mut to = from + text.min(room);
        if self.context.needs_snapshots() && to == end && to - from > 1 {
            // One place in front of the reply can be gone back to: another reply needs the last token again.
            to -= 1;
        }
        let tokens = [&task.tokens[from..to], &draft].concat();
        let rows = if to == end { draft.len() + 1 } else { 0 };
        let begin = self.context.batch_length();
        let rows = self.context.push(&tokens, sequence.position(), sequence.index, rows);
        parts.push(Part { task: index, sequence: place, place: begin, tokens: to - from, draft, rows });
        tokens.len()
    }

    /// How many tokens of prompts go into a batch with replies, so that those don't stand still.
    fn prompt_part(&self) -> usize {
        let part = self.time_per_token.map_or(FIRST_PART, |took| {
            usize::try_from(PROMPT_PART.as_nanos() / took.as_nanos().max(1)).unwrap_or(usize::MAX)
        });
        part.clamp(SMALLEST_PART, self.context.batch_size())
    }

    fn note_time(&mut self, parts: &[Part], took: Duration) {
        if self.media.as_ref().is_some_and(MediaReader::is_computing) {
            // Beside that, nothing takes the time that it takes otherwise.
            self.drafter.as_mut().map(Drafter::take_spent);
            return;
        }
        if parts.iter().all(|part| part.tokens == 1 && !part.rows.is_empty()) {
            let drafted = parts.iter().map(|part| part.draft.len()).sum();
            if parts.len() + drafted == 1 {
                self.threads.note(took);
            }
            let spent = self.drafter.as_mut().map_or(Duration::ZERO, Drafter::take_spent);
            if spent.is_zero() {
                self.draft_cost.note(parts.len(), drafted, took);
            }
            // Of each kind of draft, the batches with it are compared with those that have none.
            let is_plain = drafted == 0 && spent.is_zero();
            let is_of_model = drafted > 0 && !spent.is_zero();
            if let Some(drafter) = self.drafter.as_mut().filter(|_| is_plain || is_of_model) {
                drafter.cost().note(parts.len(), drafted, took + spent);
            }
            return;
        }
        let tokens: usize = parts.iter().map(|part| part.tokens).sum();
        if tokens < SMALLEST_PART {
            return;
        }
        let each = took / u32::try_from(tokens).unwrap_or(u32::MAX);
        self.time_per_token = Some(self.time_per_token.map_or(each, |before| (before * 7 + each * 3) / 10));
    }

    fn take_results(&mut self, parts: &[Part]) {
        let before: Vec<usize> = parts.iter().map(|part| self.sequences[part.sequence].len()).collect();
        for (part, &from) in parts.iter().zip(&before) {
            let task = &self.tasks[part.task];
            let sequence = &mut self.sequences[part.sequence];
            sequence.extend(&task.tokens[from..from + part.tokens]);
            if !task.is_writing() {
                let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
                let (processed, total) = (count(sequence.len()), count(task.tokens.len()));
                self.outbox.send(&EngineEvent::PromptProgress { id: task.id(), processed, total });
                if !part.rows.is_empty() {
                    sequence.begin_reply();
                } else if sequence.len() + 1 == task.tokens.len() {
                    sequence.take_snapshot(&mut self.context);
                }
            }
        }
        let mut steps = Vec::new();
        for part in parts {
            steps.push((part.task, self.write(part)));
        }
        if let Some(drafter) = &mut self.drafter {
            for (part, &from) in parts.iter().zip(&before) {
                let sequence = &self.sequences[part.sequence];
                // It sees nothing.
                if !self.tasks[part.task].has_media() && from < sequence.len() {
                    let news = News { sequence: sequence.index, tokens: sequence.tokens(), from, place: part.place };
                    drafter.follow(&self.context, &news);
                }
            }
        }
        // From behind, so that the others keep their places.
        steps.sort_by_key(|(task, _)| std::cmp::Reverse(*task));
        for (task, step) in steps {
            self.after(task, step);
        }
    }

    /// Writes the token behind a part, and those behind its draft for as long as that is right.
    fn write(&mut self, part: &Part) -> Step {
        let mut step = Step::GoesOn;
        let mut accepted = 0;
        for (index, &row) in part.rows.iter().enumerate() {
            let task = &mut self.tasks[part.task];
            step = task.write(self.model, &self.context, row, self.outbox);
            let drafted = part.draft.get(index);
            if !matches!(step, Step::GoesOn) || drafted.is_none() || drafted != task.tokens.last() {
                break;
            }
            self.sequences[part.sequence].extend(&part.draft[index..=index]);
            accepted += 1;
        }
        if !part.draft.is_empty() {
            self.tasks[part.task].note_draft(part.draft.len(), accepted);
        }
        if accepted < part.draft.len() {
            let sequence = &mut self.sequences[part.sequence];
            let length = sequence.len();
            sequence.cut(&mut self.context, length);
            self.drafts &= sequence.len() == length;
        }
        step
    }

    /// Goes on after a batch that was not computed.
    fn recover(&mut self, parts: &[Part], outcome: DecodeOutcome) {
        match outcome {
            // Who set the flag is among the requests that are taken in next.
            DecodeOutcome::Done | DecodeOutcome::Aborted => {}
            DecodeOutcome::CacheFull if parts.iter().any(|part| !part.draft.is_empty()) => {
                self.rounds_without_drafts = WITHOUT_DRAFTS;
            }
            DecodeOutcome::CacheFull => {
                if !self.make_room() {
                    self.end_for_lack_of_room(parts);
                }
            }
            DecodeOutcome::Failed(status) => {
                let mut tasks: Vec<usize> = parts.iter().map(|part| part.task).collect();
                tasks.sort_unstable();
                for task in tasks.into_iter().rev() {
                    self.after(task, Step::Fails(GenerateError::Decode { status }));
                }
            }
        }
    }

    fn end_for_lack_of_room(&mut self, parts: &[Part]) {
        let Some(part) = parts.first() else { return };
        let task = &mut self.tasks[part.task];
        let step = if task.is_writing() {
            task.end(FinishReason::ContextFull, self.outbox)
        } else {
            let tokens = task.tokens.len();
            Step::Fails(self.context_too_small(tokens))
        };
        self.after(part.task, step);
    }
}
