//! Which sequence of the context a task gets, and which has to leave for it.

use engawa_engine_protocol::{Decoding, GenerateError, RequestId};

use super::Inference;
use crate::generation::SamplerPlan;
use crate::prompt::Said;
use crate::sequence::Continuation;
use crate::task::Step;

/// Tokens that are processed again in no time.
const NEXT_TO_NOTHING: usize = 32;

/// What became of a task that has no sequence.
enum Placing {
    /// It has one now.
    Placed,
    /// It can use what another task is just reading.
    Waits,
    /// There is none for anybody.
    AllInUse,
}

impl Inference<'_, '_> {
    /// Gives sequences to tasks that have none.
    pub(super) fn place_tasks(&mut self) {
        let mut tried = Vec::new();
        while let Some(index) = self.next_to_place(&tried) {
            tried.push(self.tasks[index].id());
            match self.place(index) {
                Ok(Placing::AllInUse) => return,
                Ok(Placing::Placed | Placing::Waits) => {}
                Err(error) => self.after(index, Step::Fails(error)),
            }
        }
    }

    /// Of the waiting tasks whose owners have the fewest sequences in use, the one that waits longest. Those without an owner have
    /// together one less than there are, so that a conversation never waits for them.
    fn next_to_place(&self, tried: &[RequestId]) -> Option<usize> {
        let in_use = |owner: Option<&str>| {
            self.tasks.iter().filter(|task| task.sequence.is_some() && task.request.owner.as_deref() == owner).count()
        };
        let waiting = self
            .tasks
            .iter()
            .enumerate()
            .filter(|(_, task)| task.sequence.is_none() && !task.waits_for_room && !tried.contains(&task.id()));
        let with_use = waiting.map(|(index, task)| (in_use(task.request.owner.as_deref()), index));
        let all_but_one = self.sequences.len() - 1;
        with_use
            .filter(|&(used, index)| used < all_but_one || self.tasks[index].request.owner.is_some())
            .min()
            .map(|(_, index)| index)
    }

    /// Gives a task the sequence that has most of its tokens already.
    fn place(&mut self, index: usize) -> Result<Placing, GenerateError> {
        let Some(mut least_recent) = self.least_recent_idle() else { return Ok(Placing::AllInUse) };
        self.prepare(index)?;
        let Some((mut source, mut continuation)) = self.best_source(index) else { return Ok(Placing::AllInUse) };
        if self.is_being_read(index, continuation.keep + NEXT_TO_NOTHING) {
            return Ok(Placing::Waits);
        }
        if self.restore(least_recent, index, continuation.keep) {
            // Other sequences are there now.
            let (Some(idle), Some(best)) = (self.least_recent_idle(), self.best_source(index)) else {
                return Ok(Placing::AllInUse);
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
        Ok(Placing::Placed)
    }

    /// Whether another task is just reading at least `least` tokens that a task begins with: they are read and kept once.
    fn is_being_read(&self, index: usize, least: usize) -> bool {
        if self.context.needs_snapshots() {
            // What is read there can't be taken over from any place.
            return false;
        }
        let wanted = &self.tasks[index].tokens;
        self.tasks.iter().filter(|task| !task.is_writing()).any(|task| {
            let Some(place) = task.sequence else { return false };
            let common = task.tokens.iter().zip(wanted).take_while(|(one, other)| one == other).count();
            common >= least && self.sequences[place].len() < common
        })
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

    pub(super) fn context_too_small(&self, prompt_tokens: usize) -> GenerateError {
        let prompt_tokens = u32::try_from(prompt_tokens).unwrap_or(u32::MAX);
        GenerateError::ContextTooSmall { prompt_tokens, context_size: self.context.size() }
    }

    pub(super) fn is_idle(&self, sequence: usize) -> bool {
        self.tasks.iter().all(|task| task.sequence != Some(sequence))
    }

    /// The idle sequence that is worth least: an empty one, else the one that was used longest ago.
    fn least_recent_idle(&self) -> Option<usize> {
        let idle = (0..self.sequences.len()).filter(|&sequence| self.is_idle(sequence));
        idle.min_by_key(|&sequence| (!self.sequences[sequence].is_empty(), self.sequences[sequence].last_used))
    }

    /// Saves and clears the idle sequence that was used longest ago; false when there is none.
    pub(super) fn evict_idle(&mut self) -> bool {
        let oldest = (0..self.sequences.len())
            .filter(|&sequence| self.is_idle(sequence) && !self.sequences[sequence].is_empty())
            .min_by_key(|&sequence| self.sequences[sequence].last_used);
        let Some(oldest) = oldest else { return false };
        self.save(oldest);
        self.sequences[oldest].cut(&mut self.context, 0);
        true
    }

    /// Makes room in the cache. False when a task that is alone has it all.
    pub(super) fn make_room(&mut self) -> bool {
        if self.evict_idle() {
            return true;
        }
        let mut placed: Vec<_> = self.tasks.iter_mut().filter(|task| task.sequence.is_some()).collect();
        if placed.len() < 2 {
            return false;
        }
        // Conversations go last.
        let nobodys = placed.iter().rposition(|task| task.request.owner.is_none());
        let youngest = placed.swap_remove(nobodys.unwrap_or(placed.len() - 1));
        youngest.waits_for_room = true;
        youngest.flush(self.outbox);
        if let Some(sequence) = youngest.sequence.take() {
            self.sequences[sequence].cut(&mut self.context, 0);
        }
        true
    }
}
