/** What components ask for, as events that bubble up to `app/`. */
import type {
  CharacterId,
  ConversationId,
  ExportFormat,
  LoadSettings,
  MessageId,
  SamplingName,
  Settings,
} from "../backend/types.d.ts";

export interface Commands {
  "conversation-new": null;
  "conversation-open": { id: ConversationId };
  "conversation-rename": { id: ConversationId; title: string };
  "conversation-delete": { id: ConversationId };
  "conversation-search": { query: string };
  "conversation-export": { format: ExportFormat };
  "conversation-import": null;

  "message-send": { text: string };
  "message-edit": { id: MessageId };
  "message-edit-end": null;
  "message-save": { id: MessageId; text: string };
  "reply-stop": null;
  "reply-retry": { id: MessageId };
  "reply-continue": { id: MessageId };
  "branch-select": { id: MessageId };
  "unsent-dismiss": null;

  "character-pick": { id: CharacterId | null };
  /** `undefined` gives the setting back. */
  "sampling-change": { name: SamplingName; value: number | null | undefined };

  "model-pick": null;
  /** Asks for a file beside a model and hands it over, unless the person thinks better of it. */
  "model-part-pick": { kind: "adapter" | "draftModel"; take: (path: string) => void };
  "model-demo": null;
  "model-load": { path: string; settings: LoadSettings };
  /** Asks what a load would take. */
  "model-estimate": { path: string; settings: LoadSettings };
  "model-load-dismiss": null;
  "model-load-again": { path: string };
  /** Opens the load card of a file. */
  "model-configure": { path: string };
  "model-cancel": null;
  "model-unload": null;

  "settings-change": Partial<Settings>;
  "panel-toggle": { panel: "sidebar" | "inspector" };
  "drawer-close": null;
  "dialog-open": { dialog: "settings" | "export" };
  "dialog-close": null;
  "link-ask": { url: string };
  "link-open": { url: string };
  "link-dismiss": null;
  "notice-dismiss": { id: string };
  "failure-dismiss": null;
  "toast-dismiss": { id: string };
  "text-copy": { text: string };
}
