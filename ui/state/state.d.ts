/** What the window knows. Components read it, commands and events change it. */
import type {
  Character,
  CharacterId,
  Conversation,
  ConversationId,
  ConversationSummary,
  LoadEstimate,
  LoadSettings,
  Message,
  MessageId,
  ModelCard,
  ModelState,
  Notice,
  SamplingName,
  Settings,
  UiError,
} from "../backend/types.d.ts";
import type { Language } from "../locales/translate.js";

/** A reply while it is being written. */
export interface ReplyStream {
  /** HTML that stays, from the reply's start. */
  settled: string;
  /** HTML after it that the next piece replaces. */
  tail: string;
  reasoning: string;
  generatedTokens: number;
  progress: { processed: number; total: number } | null;
  /** When the first thought came and when the first word of the answer did, by this window's clock. */
  thinkingFrom: number | null;
  thinkingTo: number | null;
  /** What is shown before the first piece, such as the text a continued reply starts with. */
  seed: string;
  /** Counts changes, so that a component can tell whether it has drawn them. */
  revision: number;
}

export interface SamplingMark {
  kind: "pending" | "applied";
  fromToken: number;
}

export interface Toast {
  id: string;
  text: string;
  action: { label: string; run: () => void } | null;
}

/** A message that could not be sent: back to the composer with it. */
export interface Unsent {
  conversationId: ConversationId | null;
  text: string;
  error: UiError;
}

/** What the engine says that a load with these settings would take, or why it would fail. */
export interface LoadAnswer { settings: LoadSettings; estimate: LoadEstimate | null; error: UiError | null }

export interface AppState {
  version: string;
  language: Language;
  settings: Settings;
  characters: Character[];
  demoAvailable: boolean;

  /** Newest first. */
  conversations: ConversationSummary[];
  searchQuery: string;
  /** null while nothing is searched for. */
  searchResults: ConversationSummary[] | null;
  /** Chosen in the list; `conversation` follows when it has been read. */
  currentId: ConversationId | null;
  conversation: Conversation | null;
  /** For the next conversation, while there is none. */
  characterId: CharacterId | null;

  /** Replies being written, in every conversation. */
  streams: Map<MessageId, ReplyStream>;
  running: Map<ConversationId, MessageId>;
  /** Replies that ended lately, against snapshots older than their end. */
  finished: Map<MessageId, Message>;
  samplingMarks: Partial<Record<SamplingName, SamplingMark>>;
  sending: boolean;
  unsent: Unsent | null;
  editing: MessageId | null;
  /** For screen readers: what was last answered. */
  announcement: Message | null;

  model: ModelState;
  /** The file whose load card is open. */
  loadCard: ModelCard | null;
  /** What the engine last said that a load would take. */
  loadAnswer: LoadAnswer | null;
  /** How each file was loaded last. */
  loadSettings: Map<string, LoadSettings>;

  notices: Notice[];
  /** The failure of a model that the person has put away. */
  dismissedFailure: UiError | null;
  toasts: Toast[];
  /** The panel that lies over the window while it is narrow. */
  drawer: "sidebar" | "inspector" | null;
  dialog: "settings" | "export" | null;
  /** A link the person is asked about. */
  link: string | null;
}
