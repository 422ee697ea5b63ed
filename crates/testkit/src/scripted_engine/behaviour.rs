//! How the process and its model behave before anything is asked of it.

use std::ffi::OsString;
use std::path::Path;

use engawa_engine_protocol::{
    DeviceMemory, Fit, Inputs, LoadError, LoadEstimate, LoadSettings, ModelInfo, TemplateInfo, TemplateSource,
};

/// The variable that says how to greet.
const GREETING_VARIABLE: &str = "SCRIPTED_ENGINE_GREETING";

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $kind {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $kind {
            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn from_name(name: &str) -> Self {
                [$(Self::$variant,)*].into_iter().find(|known| known.name() == name).unwrap_or_default()
            }
        }
    };
}

named! {
    /// How an engine greets; goes into its environment.
    GreetingBehaviour {
        /// As it should.
        #[default]
        Right = "right",
        /// With the next version of the protocol.
        NewerVersion = "newer-version",
        /// Not at all, and it does not end with the pipe.
        Silent = "silent",
        /// It ends with status 4 and a line on standard error.
        Ends = "ends",
    }
}

named! {
    /// How a model loads and what its template accepts; goes into the name of its file. Any other name is a model
    /// without peculiarities.
    ModelBehaviour {
        /// Loads at once.
        #[default]
        Plain = "plain",
        /// Loads in ten steps of 20 ms.
        LoadsSlowly = "loads-slowly",
        /// Gets to a half, then waits to be cancelled.
        WaitsWhileLoading = "waits-while-loading",
        /// Gets to a half, then reads nothing any more and does not end with the pipe.
        HangsWhileLoading = "hangs-while-loading",
        /// Gets to a half, then aborts.
        AbortsWhileLoading = "aborts-while-loading",
        /// Ends after it said that it is ready.
        ExitsWhenLoaded = "exits-when-loaded",
        /// Is of an architecture that the engine does not know.
        UnknownArchitecture = "unknown-architecture",
        /// Needs more memory than there is, which is not known before it loads.
        NeedsMemory = "needs-memory",
        /// Needs more memory than there is, with any settings.
        TooLarge = "too-large",
        /// Is loaded with a context of at most 4096 tokens, because more would not fit.
        FitsSmallContext = "fits-small-context",
        /// Is loaded with a context of at most 4096 tokens, too, and killed for lack of memory unless its file is mapped.
        KilledUnlessMapped = "killed-unless-mapped",
        /// Memory can't be had with a context of more than 4096 tokens.
        NeedsSmallContext = "needs-small-context",
        /// Aborts while it loads, unless flash attention is off.
        AbortsWithFlashAttention = "aborts-with-flash-attention",
        /// Is refused.
        IsRefused = "is-refused",
        /// Has a template that wants the person to speak first.
        PersonFirst = "person-first",
    }
}

impl GreetingBehaviour {
    /// The variable to set for the engine.
    #[must_use]
    pub fn environment(self) -> (OsString, OsString) {
        (GREETING_VARIABLE.into(), self.name().into())
    }

    pub(super) fn from_environment() -> Self {
        Self::from_name(&std::env::var(GREETING_VARIABLE).unwrap_or_default())
    }
}

impl ModelBehaviour {
    /// The name of a file that behaves so.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{}.gguf", self.name())
    }

    pub(super) fn of(path: &Path) -> Self {
        Self::from_name(&path.file_stem().unwrap_or_default().to_string_lossy())
    }

    pub(super) fn load_error(self, settings: &LoadSettings) -> Option<LoadError> {
        match self {
            Self::NeedsSmallContext if settings.n_ctx > 4096 => {
                Some(LoadError::NotEnoughMemory { needed: None, available: 1 << 30 })
            }
            Self::UnknownArchitecture => Some(LoadError::UnknownArchitecture { architecture: "unheard-of".to_owned() }),
            Self::NeedsMemory | Self::TooLarge => {
                Some(LoadError::NotEnoughMemory { needed: Some(8 << 30), available: 1 << 30 })
            }
            Self::IsRefused => Some(LoadError::Refused { reason: "a tensor is missing".to_owned() }),
            _ => None,
        }
    }

    /// What is used in place of settings that do not fit.
    pub(super) fn fitted(self, settings: &LoadSettings) -> Option<Box<LoadSettings>> {
        let fits_small = matches!(self, Self::FitsSmallContext | Self::KilledUnlessMapped);
        let is_too_large = fits_small && settings.n_ctx > 4096;
        is_too_large.then(|| Box::new(LoadSettings { n_ctx: 4096, ..settings.clone() }))
    }

    /// A context takes 100 bytes a token.
    pub(super) fn estimate(self, settings: &LoadSettings) -> Result<LoadEstimate, LoadError> {
        match self {
            Self::UnknownArchitecture | Self::IsRefused => {
                return Err(self.load_error(settings).unwrap_or(LoadError::NotGguf));
            }
            Self::HangsWhileLoading => super::child::hang(),
            Self::AbortsWhileLoading => super::child::abort(),
            _ => {}
        }
        let fit = match self.fitted(settings) {
            Some(fitted) => Fit::Adjusted(fitted),
            None if self == Self::TooLarge => Fit::TooLarge,
            None => Fit::Fits,
        };
        let host = DeviceMemory {
            name: String::new(),
            description: String::new(),
            memory_free: 1 << 30,
            memory_total: 2 << 30,
            weights: 4000,
            mapped: 0,
            context: 100 * u64::from(settings.n_ctx),
            compute: 1000,
        };
        Ok(LoadEstimate { n_layer: 3, n_gpu_layer: 0, n_gpu: 0, devices: vec![host], fit })
    }

    pub(super) fn info(self, settings: &LoadSettings) -> ModelInfo {
        let fitted = self.fitted(settings);
        ModelInfo {
            description: "scripted".to_owned(),
            architecture: "llama".to_owned(),
            n_params: 1000,
            size_bytes: 4000,
            n_ctx_train: 4096,
            n_ctx: fitted.as_deref().unwrap_or(settings).n_ctx,
            n_embd: 8,
            n_layer: 3,
            n_gpu_layer: 0,
            devices: Vec::new(),
            memory: Vec::new(),
            n_threads: 1,
            template: TemplateInfo {
                source: TemplateSource::File,
                accepts_assistant_first: self != Self::PersonFirst,
                accepts_repeated_roles: self != Self::PersonFirst,
                supports_thinking: true,
            },
            inputs: Inputs::default(),
            is_recurrent: false,
        }
    }
}
