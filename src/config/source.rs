//! Who wrote a configuration: environment, or code and files.

/// Who wrote the configuration: it decides under which names problems and values are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingSource {
    /// Environment variables behind this prefix; the flag says that the replica came by the singular variable.
    Environment { prefix: String, singular: bool },
    /// Setters, constructors, or the keys of a file: the fields' own names.
    Fields,
}
