// @ts-check
/** @import { AppState } from "./state.d.ts" */

/** The state before the backend has said anything. @returns {AppState} */
export function initialState() {
  return {
    version: "",
    language: "en",
    settings: { language: "auto", theme: "system", sidebarOpen: true, inspectorOpen: true, cacheGigabytes: 4 },
    characters: [],
    demoAvailable: false,
    conversations: [],
    searchQuery: "",
    searchResults: null,
    currentId: null,
    conversation: null,
    characterId: null,
    streams: new Map(),
    running: new Map(),
    finished: new Map(),
    samplingMarks: {},
    sending: false,
    unsent: null,
    editing: null,
    announcement: null,
    model: { state: "none" },
    loadCard: null,
    loadAnswer: null,
    loadSettings: new Map(),
    notices: [],
    dismissedFailure: null,
    toasts: [],
    drawer: null,
    dialog: null,
    link: null,
  };
}
