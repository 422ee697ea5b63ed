import type { Backend, ConversationId, UiError } from "../backend/types.d.ts";
import type { Store } from "../state/store.js";
import type { AppState, Toast } from "../state/state.d.ts";
import type { Commands } from "./commands.d.ts";

/** What the commands work with. */
export interface AppContext {
  backend: Backend;
  store: Store<AppState>;
  /** Shows an error as a notice. */
  report(error: unknown): void;
  toast(text: string, action?: Toast["action"]): void;
  focusComposer(): void;
}

export type Handlers = { [Name in keyof Commands]?: (detail: Commands[Name]) => void | Promise<void> };
export type { ConversationId, UiError };
