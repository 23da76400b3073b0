//! How a setting's text becomes a value and back.
//!
//! Every error is a short reason without the value: the caller adds key, value and what
//! would be accepted. [`Form::show`] writes what [`Form::read`] accepts.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;

use crate::balancer::Selection;
use crate::cv::{BaseUrl, Private};
use crate::ingest::forward::SharedKey;
use crate::record::LogAddresses;
use crate::record::sampling::Sampler;
use crate::release::PublicKey;

/// A type that settings can have.
pub trait Form: Sized {
    /// The TOML types that it may be written in.
    const KINDS: &'static [Kind] = &[Kind::Text];
    /// Reads a value from its text.
    fn read(text: &str) -> Result<Self, String>;
    /// Writes a value as text that reads back as the same value.
    fn show(&self) -> String;
}

/// A type of TOML that a setting can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// An integer.
    Number,
    /// A boolean.
    Truth,
    /// An array of strings.
    List,
}

/// A number of bytes, written `64MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Form for Bytes {
    const KINDS: &'static [Kind] = &[Kind::Text, Kind::Number];

    fn read(text: &str) -> Result<Self, String> {
        text.trim().parse::<ByteSize>().map(|size| Bytes(size.as_u64()))
    }

    fn show(&self) -> String {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let unit = units.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        unit.map_or(self.0.to_string(), |(name, factor)| format!("{}{name}", self.0 / factor))
    }
}

impl Form for Duration {
    fn read(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text.trim()).map_err(|fault| fault.to_string())
    }

    fn show(&self) -> String {
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
        let millis = self.as_millis();
        let unit = units.iter().find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor));
        unit.map_or(format!("{millis}ms"), |(name, factor)| format!("{}{name}", millis / factor))
    }
}

impl Form for bool {
    const KINDS: &'static [Kind] = &[Kind::Truth];

    fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(String::new()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Form for u64 {
    const KINDS: &'static [Kind] = &[Kind::Number];

    fn read(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| String::new())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Form for SocketAddr {
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // ":2727" is what people write for "that port on every address".
        let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_string() };
        let whole = whole.replace("localhost:", "127.0.0.1:");
        whole.parse().map_err(|_| "an address is an IP with a port".to_string())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A list is written with commas; an empty text is an empty list.
impl Form for Vec<SocketAddr> {
    fn read(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(SocketAddr::read).collect()
    }

    fn show(&self) -> String {
        self.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }
}

impl Form for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".into()) } else { Ok(text.into()) }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

/// An empty text is no value.
impl Form for Option<PathBuf> {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Some(PathBuf::from(text)).filter(|_| !text.is_empty()))
    }

    fn show(&self) -> String {
        self.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

impl Form for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.trim().to_string())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// An empty text is no value.
impl Form for Option<String> {
    fn read(text: &str) -> Result<Self, String> {
        Ok(Some(text.trim().to_string()).filter(|text| !text.is_empty()))
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// A list is written with commas.
impl Form for Vec<String> {
    const KINDS: &'static [Kind] = &[Kind::List];

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_string).collect())
    }

    fn show(&self) -> String {
        self.join(",")
    }
}

/// What a secret is shown as.
pub const MASK: &str = "********";

/// An empty text is no key. A key is shown as [`MASK`], the one value that does not read back.
impl Form for Option<SharedKey> {
    fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(None),
            key => SharedKey::new(key).map(Some).ok_or_else(String::new),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or("", |_| MASK).to_string()
    }
}

/// An empty text is no key.
impl Form for Option<PublicKey> {
    fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(None),
            key => PublicKey::parse(key).map(Some),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or(String::new(), |key| key.as_text().to_string())
    }
}

/// A list is written with commas.
impl Form for Vec<Private> {
    const KINDS: &'static [Kind] = &[Kind::List];

    fn read(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|item| item.parse::<Private>().map_err(|fault| fault.to_string())).collect()
    }

    fn show(&self) -> String {
        self.iter().map(|private| private.name()).collect::<Vec<_>>().join(",")
    }
}

/// A single address is a network of its own.
impl Form for Vec<IpNet> {
    fn read(text: &str) -> Result<Self, String> {
        let read = |item: &str| {
            let single = || item.parse::<IpAddr>().map(IpNet::from).ok();
            item.parse()
                .ok()
                .or_else(single)
                .ok_or_else(|| format!("{item:?} is neither an address nor a network"))
        };
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(read).collect()
    }

    fn show(&self) -> String {
        let show = |network: &IpNet| {
            let is_single = network.prefix_len() == network.max_prefix_len();
            if is_single { network.addr().to_string() } else { network.to_string() }
        };
        self.iter().map(show).collect::<Vec<_>>().join(",")
    }
}

impl Form for Option<BaseUrl> {
    fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Ok(None),
            url => url.parse().map(Some).map_err(|_| String::new()),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map(BaseUrl::to_string).unwrap_or_default()
    }
}

/// `None` lets the program choose.
impl Form for Option<usize> {
    const KINDS: &'static [Kind] = &[Kind::Number, Kind::Text];

    fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(None),
            number => usize::read(number).map(Some),
        }
    }

    fn show(&self) -> String {
        self.map_or("auto".to_string(), |number| number.to_string())
    }
}

impl Form for usize {
    const KINDS: &'static [Kind] = &[Kind::Number];

    fn read(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| String::new())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The words of the selections.
const SELECTIONS: [(&str, Selection); 3] = [
    ("p2c", Selection::P2c),
    ("round_robin", Selection::RoundRobin),
    ("least_loaded", Selection::LeastLoaded),
];

const LOG_ADDRESSES: [(&str, LogAddresses); 3] =
    [("true", LogAddresses::Whole), ("shortened", LogAddresses::Shortened), ("false", LogAddresses::No)];

impl Form for LogAddresses {
    const KINDS: &'static [Kind] = &[Kind::Truth, Kind::Text];

    fn read(text: &str) -> Result<Self, String> {
        read_word(&LOG_ADDRESSES, text)
    }

    fn show(&self) -> String {
        show_word(&LOG_ADDRESSES, self)
    }
}

impl Form for Sampler {
    fn read(text: &str) -> Result<Self, String> {
        read_word(&Sampler::ALL, text)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Form for f64 {
    const KINDS: &'static [Kind] = &[Kind::Number, Kind::Text];

    fn read(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| String::new())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Form for Selection {
    fn read(text: &str) -> Result<Self, String> {
        read_word(&SELECTIONS, text)
    }

    fn show(&self) -> String {
        show_word(&SELECTIONS, self)
    }
}

fn read_word<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text.trim());
    found.map(|(_, value)| *value).ok_or_else(String::new)
}

fn show_word<T: PartialEq>(words: &[(&str, T)], value: &T) -> String {
    let found = words.iter().find(|(_, known)| known == value);
    found.map(|(word, _)| word.to_string()).unwrap_or_default()
}

/// Reads a whole number inside bounds.
pub fn whole<T>(text: &str, bounds: std::ops::RangeInclusive<T>) -> Result<T, String>
where
    T: Form + PartialOrd,
{
    let number = T::read(text)?;
    if bounds.contains(&number) { Ok(number) } else { Err("out of range".into()) }
}

/// Reads a language tag: letters, digits and hyphens, as in BCP 47.
pub fn lang(text: &str) -> Result<String, String> {
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let starts_well = text.split('-').next().is_some_and(|first| {
        (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    if starts_well && text.split('-').all(is_subtag) { Ok(text.to_string()) } else { Err(String::new()) }
}

/// Reads log filters: each a level, or a target with a level.
///
/// A bare word that is no level would be taken for a target and change nothing, which is
/// not what who writes `verbose` wants.
pub fn log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let is_level = |word: &str| LEVELS.contains(&word.to_ascii_lowercase().as_str());
    for filter in text.split(',').map(str::trim) {
        let level = filter.rsplit_once('=').map_or(filter, |(_, level)| level);
        if !is_level(level) {
            return Err(format!("{level:?} is no level"));
        }
    }
    Ok(text.trim().to_string())
}

/// Reads a number of bytes inside bounds.
pub fn bytes(text: &str, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let Bytes(size) = Bytes::read(text)?;
    if bounds.contains(&size) { Ok(size) } else { Err("out of range".into()) }
}

/// Reads a duration inside bounds.
pub fn duration(text: &str, bounds: std::ops::RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = Duration::read(text)?;
    if bounds.contains(&duration) { Ok(duration) } else { Err("out of range".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Form + PartialEq + std::fmt::Debug>(text: &str, shown: &str) {
        let value = T::read(text).unwrap();
        assert_eq!(value.show(), shown);
        assert_eq!(T::read(shown).unwrap(), value);
    }

    #[test]
    fn values_read_back_as_shown() {
        round_trip::<Bytes>("512 MiB", "512MiB");
        round_trip::<Bytes>("1000", "1000");
        round_trip::<Duration>("90s", "90s");
        round_trip::<Duration>("1h 30m", "90m");
        round_trip::<Duration>("30days", "30d");
        round_trip::<Duration>("0s", "0ms");
        round_trip::<SocketAddr>(":80", "0.0.0.0:80");
        round_trip::<SocketAddr>("localhost:0", "127.0.0.1:0");
        round_trip::<SocketAddr>("[::1]:2727", "[::1]:2727");
        round_trip::<Vec<SocketAddr>>("localhost:1, [::1]:2", "127.0.0.1:1,[::1]:2");
        round_trip::<Vec<SocketAddr>>("", "");
        round_trip::<bool>("yes", "true");
        round_trip::<Vec<Private>>("phone, address,", "phone,address");
        round_trip::<Vec<IpNet>>("127.0.0.1, ::1,10.0.0.0/8", "127.0.0.1,::1,10.0.0.0/8");
        round_trip::<Vec<IpNet>>("", "");
        round_trip::<Option<usize>>("auto", "auto");
        round_trip::<Selection>("least_loaded", "least_loaded");
        round_trip::<Option<BaseUrl>>("https://cv.example.com/", "https://cv.example.com");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Duration::read("soon").is_err());
        assert!(Bytes::read("12 parsecs").is_err());
        assert!(SocketAddr::read("2727").is_err());
        assert!(bool::read("maybe").is_err());
        assert!(log_level("verbose").is_err() && log_level("info,vitrine::http=loud").is_err());
        assert!(log_level("info,vitrine::http=debug").is_ok() && log_level("OFF").is_ok());
        assert!(lang("xx klingon !!").is_err() && lang("").is_err() && lang("zh-Hant-TW").is_ok());
        assert!(whole("70000", 0..=65535_u64).is_err());
        assert!(Vec::<Private>::read("phone,shoe").is_err());
        assert!(Vec::<IpNet>::read("10.0.0.0/33").is_err() && Vec::<IpNet>::read("proxy").is_err());
    }
}
