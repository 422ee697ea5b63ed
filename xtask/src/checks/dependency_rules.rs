//! Which crate may know which: the table that [`super::dependency_direction`] holds the workspace to.
//!
//! Only normal dependencies count. A test may use whatever it likes.

/// The crates of this workspace that a crate may depend on directly, and why no others.
pub(crate) struct CrateRule {
    pub(crate) package: &'static str,
    pub(crate) may_use: &'static [&'static str],
    pub(crate) reason: &'static str,
}

/// Who may reach a package at all, through however many others, and why nobody else.
pub(crate) struct ReachRule {
    pub(crate) dependency: &'static str,
    /// The crates that name the dependency in their own `Cargo.toml`.
    pub(crate) direct: &'static [&'static str],
    /// The crates that get it through the former.
    pub(crate) indirect: &'static [&'static str],
    pub(crate) reason: &'static str,
}

/// Every crate of the workspace has a line here, also one that does not exist yet.
pub(crate) const CRATES: &[CrateRule] = &[
    CrateRule {
        package: "engawa-engine-protocol",
        may_use: &[],
        reason: "both sides of the pipe share the messages and nothing else",
    },
    CrateRule {
        package: "engawa-engine",
        may_use: &["engawa-engine-protocol"],
        reason: "the engine runs alone in a process that may crash and knows only what comes through the pipe",
    },
    CrateRule {
        package: "engawa-engine-client",
        may_use: &["engawa-engine-protocol"],
        reason: "it talks to engines without knowing how they work or what is said to them",
    },
    CrateRule {
        package: "engawa-remote",
        may_use: &[],
        reason: "what goes over the network must be readable in one place",
    },
    CrateRule { package: "engawa-store", may_use: &[], reason: "chats stay readable whatever happens to the rest" },
    CrateRule { package: "engawa-catalog", may_use: &[], reason: "a model file is described without loading it" },
    CrateRule { package: "engawa-markup", may_use: &[], reason: "what makes HTML safe is small and serves any caller" },
    CrateRule {
        package: "engawa-chat",
        may_use: &["engawa-engine-client", "engawa-remote", "engawa-store", "engawa-catalog"],
        reason: "the application gets the engine's messages through engawa-engine-client and knows no shell",
    },
    CrateRule { package: "engawa-server", may_use: &["engawa-chat"], reason: "a shell enters at engawa-chat" },
    CrateRule {
        package: "engawa-terminal",
        may_use: &["engawa-chat", "engawa-server", "engawa-engine"],
        reason: "a shell enters at engawa-chat; the engine is there only for its hidden role",
    },
    CrateRule {
        package: "engawa-desktop",
        may_use: &["engawa-chat", "engawa-server", "engawa-markup", "engawa-engine"],
        reason: "a shell enters at engawa-chat; the engine is there only for its hidden role",
    },
    CrateRule {
        package: "engawa-bench",
        may_use: &["engawa-chat", "engawa-engine", "engawa-engine-client", "engawa-markup", "engawa-testkit"],
        reason: "it measures the whole path with models that the testkit writes, against llama.cpp alone, \
                 and asks an engine for the replies that a model is judged by",
    },
    CrateRule {
        package: "engawa-testkit",
        may_use: &["engawa-engine-protocol"],
        reason: "it stands in for the engine, so it must not contain it",
    },
    CrateRule {
        package: "xtask",
        may_use: &[],
        reason: "it must build in seconds on a machine where nothing is prepared",
    },
];

pub(crate) const REACHES: &[ReachRule] = &[
    ReachRule {
        dependency: "llama-cpp-2",
        direct: &["engawa-engine", "engawa-bench"],
        indirect: &["engawa-desktop", "engawa-terminal"],
        reason: "llama.cpp may abort its process, so only the engine's process may contain it",
    },
    ReachRule {
        dependency: "llama-cpp-sys-2",
        direct: &["engawa-engine"],
        indirect: &["engawa-desktop", "engawa-terminal", "engawa-bench"],
        reason: "llama.cpp may abort its process, so only the engine's process may contain it",
    },
    ReachRule {
        dependency: "tauri",
        direct: &["engawa-desktop"],
        indirect: &[],
        reason: "everything but the window works without a window",
    },
    ReachRule {
        dependency: "axum",
        direct: &["engawa-server"],
        indirect: &["engawa-desktop", "engawa-terminal"],
        reason: "HTTP and OpenAI's JSON live in the server",
    },
];
