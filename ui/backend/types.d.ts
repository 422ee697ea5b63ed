/**
 * What the window and the backend say to each other.
 *
 * The one description of the boundary: `tauri.js` and `fake.js` both implement `Backend`, the
 * Rust side (`src-tauri/src/wire/`) writes the same shapes by hand, and the rest of `ui/` sees
 * nothing else. Times are milliseconds since the Unix epoch, durations milliseconds, sizes bytes.
 */

export type ConversationId = string;
export type MessageId = string;
export type CharacterId = string;

/** An error as a person sees it. `code` exists only where the window reacts to it. */
export interface UiError {
  /** Stable name, also the locale key `error.<code>` (title) where the window has a translation. */
  code: string;
  /** One sentence: what happened. English; shown when the locale has no text for `code`. */
  message: string;
  /** One sentence: what to do next, or null. */
  hint: string | null;
  /** Values for the translated text, e.g. `{ promptTokens: 9000, contextSize: 4096 }`. */
  values: Record<string, string | number>;
  /** Technical details for "Copy report" (exit status, last lines of the engine's log), or null. */
  report: string | null;
}

export interface ConversationSummary {
  id: ConversationId;
  title: string;
  /** The character's emoji, or null without a character. */
  emoji: string | null;
  updatedAt: number;
}

export type MessageStatus =
  /** Ended by itself. */
  | "complete"
  /** Being written now. */
  | "streaming"
  /** Stopped by the person; what was written is kept. */
  | "stopped"
  /** Reached the limit of tokens; "continue" goes on. */
  | "length"
  /** Ended by an error, see `error`; what was written is kept. */
  | "failed"
  /** The app ended while it was being written; what was written is kept. */
  | "interrupted";

export interface Timings {
  promptTokens: number;
  /** Of the prompt, taken from the cache and not processed again. */
  reusedTokens: number;
  processedTokens: number;
  generatedTokens: number;
  tokensPerSecond: number;
  timeToFirstToken: number;
  total: number;
}

export interface Message {
  id: MessageId;
  parentId: MessageId | null;
  role: "user" | "assistant";
  /** Who speaks: the character's name and emoji when it was said; null: the person, or the plain model. */
  author: { name: string; emoji: string } | null;
  /** The text as written, for copying and editing. */
  content: string;
  /** `content` as sanitised HTML. The only HTML that may enter the page, through `components/markup/`. */
  html: string;
  /** The model's thinking, plain text; empty without. */
  reasoning: string;
  /** How long it thought, or null while unknown. */
  reasoningTime: number | null;
  status: MessageStatus;
  error: UiError | null;
  createdAt: number;
  /** Its place among the branches at this point: `index` counts from 1. */
  branch: { index: number; count: number; previous: MessageId | null; next: MessageId | null };
  timings: Timings | null;
}

export type SamplingName =
  | "temperature" | "max_tokens" | "top_p" | "top_k" | "min_p" | "repeat_penalty"
  | "typical_p" | "frequency_penalty" | "presence_penalty" | "repeat_last_n" | "top_n_sigma"
  | "dry_multiplier" | "dry_base" | "dry_allowed_length" | "dry_penalty_last_n"
  | "xtc_probability" | "xtc_threshold" | "dynatemp_range" | "dynatemp_exponent"
  | "mirostat" | "mirostat_tau" | "mirostat_eta" | "adaptive_target" | "adaptive_decay" | "seed";

/** One setting and where its value comes from. */
export interface SamplingValue {
  /** null means "no limit" for `max_tokens` and "random" for `seed`. */
  value: number | null;
  source: "default" | "character" | "conversation";
}
export type Sampling = Record<SamplingName, SamplingValue>;

export interface Conversation {
  id: ConversationId;
  title: string;
  characterId: CharacterId | null;
  sampling: Sampling;
  /** The chosen branch, oldest first. */
  messages: Message[];
  /** The oldest message the model still sees, or null while it sees all of them. */
  firstInContext: MessageId | null;
  context: ContextUse | null;
}

/** Tokens in the model's context, as of the last reply. */
export interface ContextUse { used: number; size: number }

export interface Character {
  id: CharacterId;
  emoji: string;
  /** In the interface's language. */
  name: string;
  /** One line, in the interface's language. */
  description: string;
  greeting: string;
}

/** What a GGUF's header says, before anything loads it. */
export interface ModelCard {
  path: string;
  fileName: string;
  name: string;
  fileSize: number;
  architecture: string;
  quantization: string;
  parameters: number | null;
  layers: number | null;
  trainedContext: number | null;
  hasTemplate: boolean;
  /** Estimates for the default settings. `kvPerToken` in bytes for f16 keys and values. */
  memory: { weights: number; kvPerToken: number; available: number };
  settings: LoadSettings;
}

/** A change to the weights in a file of its own; `scale` 1 as it was trained, 0 nothing. */
export interface Adapter { path: string; scale: number }

export interface LoadSettings {
  /** -1 all that fit, 0 none. */
  nGpuLayers: number;
  /** What is spread over several GPUs. */
  gpuSplit: "none" | "layers" | "rows" | "tensors";
  /** The number of the GPU that has all of it where nothing is spread. */
  mainGpu: number;
  /** By GPU; empty: by the memory that is free. */
  gpuShares: number[];
  adapters: Adapter[];
  /** Tokens. */
  contextLength: number;
  batchSize: number;
  /** 0: chosen by Engawa. */
  threads: number;
  kvTypeK: "f16" | "q8_0" | "q4_0";
  kvTypeV: "f16" | "q8_0" | "q4_0";
  flashAttention: "auto" | "on" | "off";
  mmap: "auto" | "on" | "off";
  useMlock: boolean;
  promptLookup: boolean;
  /** A smaller model with the same vocabulary that drafts. */
  draftModel: string | null;
}

/** What a load would take of the memory that is free now. */
export interface LoadEstimate {
  layers: number;
  gpuLayers: number;
  /** GPUs that there are, whether they would be used or not. */
  gpus: number;
  /** GPUs by name, then the machine itself, without a name. Bytes. */
  devices: { name: string; available: number; weights: number; context: number; compute: number }[];
  /** Whether the memory that is free does for it, with the adjusted settings if there are any. */
  fits: boolean;
  /** What it will be loaded with, where it would not fit as asked for. */
  adjusted: LoadSettings | null;
}

export interface LoadedModel {
  path: string;
  name: string;
  fileName: string;
  architecture: string;
  quantization: string;
  parameters: number;
  fileSize: number;
  contextLength: number;
  layers: number;
  gpuLayers: number;
  /** Device names, e.g. "RTX 3060"; empty on the CPU. */
  devices: string[];
  template: "file" | "chatml";
  /** Whether an edit of an earlier message makes it read everything again. */
  isRecurrent: boolean;
  /** What it is loaded with next time. */
  settings: LoadSettings;
}

export type ModelState =
  | { state: "none" }
  /** `progress` 0..1; `remaining` null until it can be told. */
  | { state: "loading"; path: string; name: string; fileSize: number; progress: number; remaining: number | null }
  | { state: "ready"; model: LoadedModel }
  /** Could not be loaded, or its engine ended. `path` lets one button try again. */
  | { state: "failed"; path: string; name: string; error: UiError };

export interface Settings {
  language: "auto" | "en" | "ja" | "ru";
  theme: "system" | "light" | "dark";
  sidebarOpen: boolean;
  inspectorOpen: boolean;
  /** What the state of conversations may take on disk, in GiB; 0 keeps nothing. */
  cacheGigabytes: number;
}

export interface StartState {
  version: string;
  settings: Settings;
  conversations: ConversationSummary[];
  characters: Character[];
  model: ModelState;
  /** The demo model that comes with Engawa is there to be offered. */
  demoAvailable: boolean;
  /** What the person should know from the start, e.g. a damaged settings file that was set aside. */
  notices: Notice[];
}

export interface Notice { id: string; kind: "info" | "warning" | "error"; error: UiError }

export type ExportFormat = "markdown" | "text" | "json";

export type BackendEvent =
  | { type: "conversationChanged"; conversation: ConversationSummary }
  | { type: "conversationRemoved"; conversationId: ConversationId }
  /** Also for the reply at its start: `status` "streaming", empty `content`. Follows the current branch. */
  | { type: "messageAdded"; conversationId: ConversationId; message: Message }
  /** The prompt is being processed: `processed` of `total` tokens. */
  | { type: "promptProgress"; conversationId: ConversationId; messageId: MessageId; processed: number; total: number }
  /**
   * Text was written. `settled` is HTML to append for good, `tail` replaces what came after the
   * settled part last time (null leaves it); `reasoning` is plain text to append. A reply that goes on is
   * described from its start again.
   */
  | { type: "replyText"; conversationId: ConversationId; messageId: MessageId; settled: string; tail: string | null; reasoning: string; generatedTokens: number }
  /** The reply ended, in whichever way: `message` replaces it whole. */
  | { type: "replyFinished"; conversationId: ConversationId; message: Message; context: ContextUse | null }
  /** The running reply goes on with new sampling settings from its token number `fromToken`. */
  | { type: "samplingApplied"; conversationId: ConversationId; messageId: MessageId; fromToken: number }
  /** The oldest messages left the model's view. */
  | { type: "contextTrimmed"; conversationId: ConversationId; firstInContext: MessageId }
  | { type: "modelState"; model: ModelState }
  | { type: "notice"; notice: Notice };

/** Every call rejects with a `UiError`. */
export interface Backend {
  /** Delivers events from now on, in order, at most about 60 batches a second. */
  subscribe(listener: (events: BackendEvent[]) => void): Promise<void>;
  start(): Promise<StartState>;

  createConversation(characterId: CharacterId | null): Promise<Conversation>;
  openConversation(id: ConversationId): Promise<Conversation>;
  searchConversations(query: string): Promise<ConversationSummary[]>;
  renameConversation(id: ConversationId, title: string): Promise<void>;
  /** Can be undone with `restoreConversation` until the app ends. */
  deleteConversation(id: ConversationId): Promise<void>;
  restoreConversation(id: ConversationId): Promise<void>;

  /** Resolves when the message is durable; the reply follows as events. */
  sendMessage(id: ConversationId, text: string): Promise<void>;
  stopReply(id: ConversationId): Promise<void>;
  /** A new branch beside this reply. Returns the conversation on it. */
  retryReply(id: ConversationId, messageId: MessageId): Promise<Conversation>;
  /** A new branch with other text; for a message of the person a reply follows. */
  editMessage(id: ConversationId, messageId: MessageId, text: string): Promise<Conversation>;
  /** Goes on writing a reply that was stopped or reached its limit. */
  continueReply(id: ConversationId, messageId: MessageId): Promise<void>;
  /** Shows the branch that runs through this message. */
  selectBranch(id: ConversationId, messageId: MessageId): Promise<Conversation>;

  setCharacter(id: ConversationId, characterId: CharacterId | null): Promise<Conversation>;
  /** `undefined` gives the setting back to the character or the default. Takes effect on a running reply. */
  setSampling(id: ConversationId, name: SamplingName, value: number | null | undefined): Promise<Sampling>;

  /** Opens the file dialog; null when it was cancelled. */
  pickModel(): Promise<ModelCard | null>;
  /** The path of a file that is loaded beside a model. */
  pickPart(kind: "adapter" | "draftModel"): Promise<string | null>;
  inspectModel(path: string): Promise<ModelCard>;
  /** Reckons what a load would take, by the engine; fails where the load would fail. */
  estimateLoad(path: string, settings: LoadSettings): Promise<LoadEstimate>;
  /** Resolves when loading has begun; the rest are `modelState` events. Fails where the file is no model; one that answers stays then. */
  loadModel(path: string, settings: LoadSettings): Promise<void>;
  loadDemo(): Promise<void>;
  cancelLoad(): Promise<void>;
  unloadModel(): Promise<void>;

  /** Opens the save dialog; null when it was cancelled, else the path. */
  exportConversation(id: ConversationId, format: ExportFormat): Promise<string | null>;
  /** Opens the file dialog; null when it was cancelled. */
  importConversation(): Promise<Conversation | null>;

  saveSettings(settings: Settings): Promise<void>;
  /** Opens a link in the system's browser, after the window asked the person. */
  openLink(url: string): Promise<void>;
}
