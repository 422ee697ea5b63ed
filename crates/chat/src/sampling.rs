//! Sampling settings: their ranges, where each value comes from, and what the engine gets.

use std::collections::BTreeMap;

use engawa_catalog::presets::Character;
use engawa_engine_client::protocol::{Mirostat, Sampling};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ChatError;

/// One sampling setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingName {
    /// See [`Sampling::temperature`].
    Temperature,
    /// See [`Sampling::max_tokens`].
    MaxTokens,
    /// See [`Sampling::top_p`].
    TopP,
    /// See [`Sampling::top_k`].
    TopK,
    /// See [`Sampling::min_p`].
    MinP,
    /// See [`Sampling::repeat_penalty`].
    RepeatPenalty,
    /// See [`Sampling::typical_p`].
    TypicalP,
    /// See [`Sampling::frequency_penalty`].
    FrequencyPenalty,
    /// See [`Sampling::presence_penalty`].
    PresencePenalty,
    /// See [`Sampling::repeat_last_n`].
    RepeatLastN,
    /// See [`Sampling::top_n_sigma`].
    TopNSigma,
    /// See [`Sampling::dry_multiplier`].
    DryMultiplier,
    /// See [`Sampling::dry_base`].
    DryBase,
    /// See [`Sampling::dry_allowed_length`].
    DryAllowedLength,
    /// See [`Sampling::dry_penalty_last_n`].
    DryPenaltyLastN,
    /// See [`Sampling::xtc_probability`].
    XtcProbability,
    /// See [`Sampling::xtc_threshold`].
    XtcThreshold,
    /// See [`Sampling::dynatemp_range`].
    DynatempRange,
    /// See [`Sampling::dynatemp_exponent`].
    DynatempExponent,
    /// See [`Sampling::mirostat`]; 0 is off, 1 and 2 are its versions.
    Mirostat,
    /// See [`Sampling::mirostat_tau`].
    MirostatTau,
    /// See [`Sampling::mirostat_eta`].
    MirostatEta,
    /// See [`Sampling::adaptive_target`].
    AdaptiveTarget,
    /// See [`Sampling::adaptive_decay`].
    AdaptiveDecay,
    /// See [`Sampling::seed`].
    Seed,
}

/// Where a setting's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingSource {
    /// Engawa's own default.
    Default,
    /// The character suggests it.
    Character,
    /// It was set in this conversation.
    Conversation,
}

/// A setting's value and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SettingView {
    /// `None` is "no limit" for the number of tokens and "random" for the seed.
    pub value: Option<f64>,
    /// Where it comes from.
    pub source: SamplingSource,
}

/// All settings of a conversation, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingView(pub BTreeMap<SamplingName, SettingView>);

/// What was set in a conversation; kept in the database as `{"top_p": 0.9, "max_tokens": null}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SamplingOverrides(BTreeMap<SamplingName, Option<f64>>);

/// What a setting allows.
struct Limits {
    minimum: f64,
    maximum: f64,
    /// Whether `None` means something.
    optional: bool,
}

impl SamplingName {
    /// All settings, in the order in which a person thinks of them.
    pub const ALL: [Self; 25] = [
        Self::Temperature,
        Self::MaxTokens,
        Self::TopP,
        Self::TopK,
        Self::MinP,
        Self::RepeatPenalty,
        Self::TypicalP,
        Self::FrequencyPenalty,
        Self::PresencePenalty,
        Self::RepeatLastN,
        Self::TopNSigma,
        Self::DryMultiplier,
        Self::DryBase,
        Self::DryAllowedLength,
        Self::DryPenaltyLastN,
        Self::XtcProbability,
        Self::XtcThreshold,
        Self::DynatempRange,
        Self::DynatempExponent,
        Self::Mirostat,
        Self::MirostatTau,
        Self::MirostatEta,
        Self::AdaptiveTarget,
        Self::AdaptiveDecay,
        Self::Seed,
    ];

    /// The name in files and on every wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::MaxTokens => "max_tokens",
            Self::TopP => "top_p",
            Self::TopK => "top_k",
            Self::MinP => "min_p",
            Self::RepeatPenalty => "repeat_penalty",
            Self::TypicalP => "typical_p",
            Self::FrequencyPenalty => "frequency_penalty",
            Self::PresencePenalty => "presence_penalty",
            Self::RepeatLastN => "repeat_last_n",
            Self::TopNSigma => "top_n_sigma",
            Self::DryMultiplier => "dry_multiplier",
            Self::DryBase => "dry_base",
            Self::DryAllowedLength => "dry_allowed_length",
            Self::DryPenaltyLastN => "dry_penalty_last_n",
            Self::XtcProbability => "xtc_probability",
            Self::XtcThreshold => "xtc_threshold",
            Self::DynatempRange => "dynatemp_range",
            Self::DynatempExponent => "dynatemp_exponent",
            Self::Mirostat => "mirostat",
            Self::MirostatTau => "mirostat_tau",
            Self::MirostatEta => "mirostat_eta",
            Self::AdaptiveTarget => "adaptive_target",
            Self::AdaptiveDecay => "adaptive_decay",
            Self::Seed => "seed",
        }
    }

    fn limits(self) -> Limits {
        let (minimum, maximum, optional) = match self {
            Self::Temperature | Self::RepeatPenalty => (if self == Self::Temperature { 0.0 } else { 0.1 }, 5.0, false),
            Self::MaxTokens => (1.0, 1_000_000.0, true),
            Self::TopP
            | Self::MinP
            | Self::TypicalP
            | Self::XtcProbability
            | Self::XtcThreshold
            | Self::MirostatEta => (0.0, 1.0, false),
            Self::TopK => (0.0, 100_000.0, false),
            Self::FrequencyPenalty | Self::PresencePenalty => (-2.0, 2.0, false),
            Self::RepeatLastN | Self::DryPenaltyLastN => (-1.0, 1_000_000.0, false),
            Self::TopNSigma => (-1.0, 100.0, false),
            Self::DryMultiplier | Self::MirostatTau => (0.0, 100.0, false),
            Self::DryBase => (1.0, 10.0, false),
            Self::DryAllowedLength => (0.0, 1000.0, false),
            Self::DynatempRange => (0.0, 5.0, false),
            Self::DynatempExponent => (0.0, 10.0, false),
            Self::Mirostat => (0.0, 2.0, false),
            Self::AdaptiveTarget => (-1.0, 1.0, false),
            Self::AdaptiveDecay => (0.0, 0.99, false),
            Self::Seed => (0.0, f64::from(u32::MAX), true),
        };
        Limits { minimum, maximum, optional }
    }

    fn check(self, value: Option<f64>) -> Result<Option<f64>, ChatError> {
        let limits = self.limits();
        let allowed = match value {
            None => limits.optional,
            Some(value) => value >= limits.minimum && value <= limits.maximum,
        };
        if allowed {
            Ok(value)
        } else {
            Err(ChatError::SamplingOutOfRange { name: self.as_str(), value: value.unwrap_or(f64::NAN) })
        }
    }

    fn default_value(self) -> Option<f64> {
        let sampling = Sampling::default();
        match self {
            Self::Temperature => Some(round(sampling.temperature)),
            Self::MaxTokens => sampling.max_tokens.map(f64::from),
            Self::TopP => Some(round(sampling.top_p)),
            Self::TopK => Some(f64::from(sampling.top_k)),
            Self::MinP => Some(round(sampling.min_p)),
            Self::RepeatPenalty => Some(round(sampling.repeat_penalty)),
            Self::TypicalP => Some(round(sampling.typical_p)),
            Self::FrequencyPenalty => Some(round(sampling.frequency_penalty)),
            Self::PresencePenalty => Some(round(sampling.presence_penalty)),
            Self::RepeatLastN => Some(f64::from(sampling.repeat_last_n)),
            Self::TopNSigma => Some(round(sampling.top_n_sigma)),
            Self::DryMultiplier => Some(round(sampling.dry_multiplier)),
            Self::DryBase => Some(round(sampling.dry_base)),
            Self::DryAllowedLength => Some(f64::from(sampling.dry_allowed_length)),
            Self::DryPenaltyLastN => Some(f64::from(sampling.dry_penalty_last_n)),
            Self::XtcProbability => Some(round(sampling.xtc_probability)),
            Self::XtcThreshold => Some(round(sampling.xtc_threshold)),
            Self::DynatempRange => Some(round(sampling.dynatemp_range)),
            Self::DynatempExponent => Some(round(sampling.dynatemp_exponent)),
            Self::Mirostat => Some(number_of(sampling.mirostat)),
            Self::MirostatTau => Some(round(sampling.mirostat_tau)),
            Self::MirostatEta => Some(round(sampling.mirostat_eta)),
            Self::AdaptiveTarget => Some(round(sampling.adaptive_target)),
            Self::AdaptiveDecay => Some(round(sampling.adaptive_decay)),
            Self::Seed => sampling.seed.map(f64::from),
        }
    }

    fn suggestion(self, character: &Character) -> Option<f64> {
        let suggested = character.sampling();
        match self {
            Self::Temperature => suggested.temperature,
            Self::MaxTokens => suggested.max_tokens.map(f64::from),
            Self::TopP => suggested.top_p,
            Self::TopK => suggested.top_k.map(f64::from),
            Self::MinP => suggested.min_p,
            Self::RepeatPenalty => suggested.repeat_penalty,
            Self::TypicalP => suggested.typical_p,
            Self::FrequencyPenalty => suggested.frequency_penalty,
            Self::PresencePenalty => suggested.presence_penalty,
            Self::RepeatLastN => suggested.repeat_last_n.map(f64::from),
            // Cards say nothing of them.
            Self::TopNSigma
            | Self::DryMultiplier
            | Self::DryBase
            | Self::DryAllowedLength
            | Self::DryPenaltyLastN
            | Self::XtcProbability
            | Self::XtcThreshold
            | Self::DynatempRange
            | Self::DynatempExponent
            | Self::Mirostat
            | Self::MirostatTau
            | Self::MirostatEta
            | Self::AdaptiveTarget
            | Self::AdaptiveDecay => None,
            Self::Seed => suggested.seed.map(f64::from),
        }
    }
}

/// llama.cpp's number of a Mirostat.
fn number_of(mirostat: Mirostat) -> f64 {
    match mirostat {
        Mirostat::Off => 0.0,
        Mirostat::V1 => 1.0,
        Mirostat::V2 => 2.0,
    }
}

/// A float as a person would write it: 0.8 and not `0.800_000_011_920_929`.
fn round(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

impl SamplingOverrides {
    /// Reads what the database keeps; names and values that are not understood are left out.
    pub(crate) fn from_json(value: &Value) -> Self {
        let Some(object) = value.as_object() else { return Self::default() };
        let settings = object.iter().filter_map(|(name, value)| {
            let name = serde_json::from_value::<SamplingName>(Value::String(name.clone())).ok()?;
            let value = if value.is_null() { None } else { Some(value.as_f64()?) };
            Some((name, name.check(value).ok()?))
        });
        Self(settings.collect())
    }

    pub(crate) fn to_json(&self) -> Value {
        self.0.iter().map(|(name, value)| (name.as_str().to_owned(), Value::from(*value))).collect()
    }

    pub(crate) fn set(&mut self, name: SamplingName, value: Option<f64>) -> Result<(), ChatError> {
        self.0.insert(name, name.check(value)?);
        Ok(())
    }

    pub(crate) fn reset(&mut self, name: SamplingName) {
        self.0.remove(&name);
    }
}

impl SamplingView {
    /// Conversation before character before default.
    pub(crate) fn resolve(overrides: &SamplingOverrides, character: Option<&Character>) -> Self {
        let resolve = |name: SamplingName| {
            if let Some(&value) = overrides.0.get(&name) {
                return SettingView { value, source: SamplingSource::Conversation };
            }
            let suggestion = character.and_then(|character| name.suggestion(character));
            match suggestion.and_then(|value| name.check(Some(value)).ok()) {
                Some(value) => SettingView { value, source: SamplingSource::Character },
                None => SettingView { value: name.default_value(), source: SamplingSource::Default },
            }
        };
        Self(SamplingName::ALL.into_iter().map(|name| (name, resolve(name))).collect())
    }

    /// What the engine gets.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "every value is within its setting's limits, which fit the types"
    )]
    pub(crate) fn to_engine(&self) -> Sampling {
        let value = |name: SamplingName| self.0.get(&name).and_then(|setting| setting.value);
        let float = |name: SamplingName| value(name).or(name.default_value()).unwrap_or_default() as f32;
        let integer = |name: SamplingName| value(name).or(name.default_value()).unwrap_or_default() as i32;
        Sampling {
            temperature: float(SamplingName::Temperature),
            top_k: integer(SamplingName::TopK),
            top_p: float(SamplingName::TopP),
            min_p: float(SamplingName::MinP),
            typical_p: float(SamplingName::TypicalP),
            repeat_penalty: float(SamplingName::RepeatPenalty),
            frequency_penalty: float(SamplingName::FrequencyPenalty),
            presence_penalty: float(SamplingName::PresencePenalty),
            repeat_last_n: integer(SamplingName::RepeatLastN),
            seed: value(SamplingName::Seed).map(|seed| seed as u32),
            top_n_sigma: float(SamplingName::TopNSigma),
            dry_multiplier: float(SamplingName::DryMultiplier),
            dry_base: float(SamplingName::DryBase),
            dry_allowed_length: integer(SamplingName::DryAllowedLength),
            dry_penalty_last_n: integer(SamplingName::DryPenaltyLastN),
            xtc_probability: float(SamplingName::XtcProbability),
            xtc_threshold: float(SamplingName::XtcThreshold),
            dynatemp_range: float(SamplingName::DynatempRange),
            dynatemp_exponent: float(SamplingName::DynatempExponent),
            mirostat: match integer(SamplingName::Mirostat) {
                1 => Mirostat::V1,
                2 => Mirostat::V2,
                _ => Mirostat::Off,
            },
            mirostat_tau: float(SamplingName::MirostatTau),
            mirostat_eta: float(SamplingName::MirostatEta),
            adaptive_target: float(SamplingName::AdaptiveTarget),
            adaptive_decay: float(SamplingName::AdaptiveDecay),
            max_tokens: value(SamplingName::MaxTokens).map(|tokens| tokens as u32),
        }
    }

    /// As it is kept with a message: names and values.
    pub(crate) fn to_json(&self) -> Value {
        self.0.iter().map(|(name, setting)| (name.as_str().to_owned(), Value::from(setting.value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_the_engines_own() {
        let view = SamplingView::resolve(&SamplingOverrides::default(), None);
        assert_eq!(view.to_engine(), Sampling::default());
        assert!(view.0.values().all(|setting| setting.source == SamplingSource::Default));
    }

    #[test]
    fn each_setting_reaches_the_engine() {
        let engine = |overrides: &SamplingOverrides| SamplingView::resolve(overrides, None).to_engine();
        for name in SamplingName::ALL {
            let Limits { minimum, maximum, .. } = name.limits();
            let mut overrides = SamplingOverrides::default();
            let other = if name.default_value() == Some(maximum) { minimum } else { maximum };
            overrides.set(name, Some(other)).unwrap();
            assert_ne!(engine(&overrides), Sampling::default(), "{name:?}");
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
        let mut overrides = SamplingOverrides::default();
        overrides.set(SamplingName::Mirostat, Some(1.0)).unwrap();
        assert_eq!(engine(&overrides), Sampling { mirostat: Mirostat::V1, ..Sampling::default() });
    }

    #[test]
    fn what_is_set_survives_the_database_and_what_is_not_understood_is_left_out() {
        let mut overrides = SamplingOverrides::default();
        overrides.set(SamplingName::TopP, Some(0.5)).unwrap();
        overrides.set(SamplingName::MaxTokens, None).unwrap();
        assert_eq!(overrides.to_json(), json!({ "top_p": 0.5, "max_tokens": null }));
        assert_eq!(SamplingOverrides::from_json(&overrides.to_json()), overrides);
        let strange = json!({ "top_p": 0.5, "max_tokens": null, "top_q": 1, "temperature": "hot", "min_p": 7 });
        assert_eq!(SamplingOverrides::from_json(&strange), overrides);
        assert_eq!(SamplingOverrides::from_json(&json!([1])), SamplingOverrides::default());
    }

    #[test]
    fn values_outside_the_range_are_refused() {
        let mut overrides = SamplingOverrides::default();
        for (name, value) in [
            (SamplingName::Temperature, Some(-0.1)),
            (SamplingName::Temperature, Some(f64::NAN)),
            (SamplingName::Temperature, None),
            (SamplingName::MaxTokens, Some(0.0)),
            (SamplingName::Seed, Some(-1.0)),
        ] {
            assert!(overrides.set(name, value).is_err(), "{name:?} {value:?}");
        }
        assert_eq!(overrides, SamplingOverrides::default());
    }
}
