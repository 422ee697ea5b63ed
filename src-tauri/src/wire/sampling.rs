//! Sampling settings and where they come from.

use std::collections::BTreeMap;

use engawa_chat::{SamplingSource, SamplingView};
use serde::Serialize;

/// The settings by name.
pub(crate) type Sampling = BTreeMap<&'static str, SamplingValue>;

#[derive(Debug, Serialize)]
pub(crate) struct SamplingValue {
    value: Option<f64>,
    source: &'static str,
}

pub(crate) fn sampling(view: &SamplingView) -> Sampling {
    let convert = |(name, setting): (&engawa_chat::SamplingName, &engawa_chat::SettingView)| {
        let source = match setting.source {
            SamplingSource::Default => "default",
            SamplingSource::Character => "character",
            SamplingSource::Conversation => "conversation",
        };
        (name.as_str(), SamplingValue { value: setting.value, source })
    };
    view.0.iter().map(convert).collect()
}
