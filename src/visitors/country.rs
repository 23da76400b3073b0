//! The country of an address, from a database file that the owner has; without one nobody's is
//! known.
//!
//! MaxMind's format (`.mmdb`), in which GeoLite2-Country, DB-IP's country database and others come.
//! The file is read into memory at the start and at each reload, which its size adds to: mapped, a
//! file that is written over in place would end the process. Nothing is asked of anybody else.

#[cfg(test)]
pub(crate) mod specimen;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{PathElement, Reader};

/// Databases of countries have about ten megabytes, and every byte is held in memory; those with
/// cities have more and say nothing more here.
const SIZE_MAX_BYTES: u64 = 64 << 20;

/// Where databases have the code of a country: MaxMind's and DB-IP's, then smaller ones.
const PLACES: [&[PathElement<'static>]; 3] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
];

/// Why a file gives no countries; the text ends in what to do about it.
#[derive(Debug, thiserror::Error)]
#[error(
    "`visitors.countries` {}: {reason}; it is a country database in MaxMind's format, such as GeoLite2-Country.mmdb, readable by the user that runs vitrine",
    path.display()
)]
pub struct CountriesError {
    path: PathBuf,
    reason: String,
}

/// A database of countries.
pub struct Countries {
    reader: Reader<Vec<u8>>,
}

impl Countries {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Countries, CountriesError> {
        let bad = |reason: String| CountriesError { path: path.to_path_buf(), reason };
        let bytes = read_bounded(path).map_err(|fault| bad(fault.to_string()))?;
        let reader = Reader::from_source(bytes)
            .map_err(|fault| bad(format!("it is no such database, or damaged: {fault}")))?;
        let kind = &reader.metadata().database_type;
        let has_countries = ["country", "city", "enterprise", "location"];
        if !has_countries.iter().any(|word| kind.to_ascii_lowercase().contains(word)) {
            return Err(bad(format!("a database of the type {kind:?} has no countries")));
        }
        Ok(Countries { reader })
    }

    /// Returns the code of an address's country by ISO 3166-1; none when the database does not
    /// say it.
    pub fn of(&self, address: IpAddr) -> Option<String> {
        // A part of the file that is damaged is as good as one that says nothing.
        let found = self.reader.lookup(address.to_canonical()).ok()?;
        let code = PLACES.iter().find_map(|place| found.decode_path::<String>(place).ok().flatten())?;
        let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_code.then(|| code.to_ascii_uppercase())
    }
}

impl fmt::Debug for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Countries").field(&self.reader.metadata().database_type).finish()
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if metadata.len() > SIZE_MAX_BYTES {
        let (size, max) = (metadata.len() >> 20, SIZE_MAX_BYTES >> 20);
        return Err(io::Error::other(format!("it has {size} MiB, and {max} MiB is the most that is read")));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(SIZE_MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8]) -> Result<Countries, CountriesError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Countries::read(file.path())
    }

    #[test]
    fn an_address_has_the_country_of_its_network() {
        let networks =
            [("198.51.100.0", 24, "DE"), ("203.0.113.128", 25, "pt"), ("192.0.2.0", 24, "Nowhere")];
        let countries = check(&specimen::database("GeoLite2-Country", &networks)).unwrap();
        for (address, country) in [
            ("198.51.100.77", Some("DE")),
            ("::ffff:198.51.100.77", Some("DE")),
            ("203.0.113.129", Some("PT")),
            ("203.0.113.127", None),
            ("192.0.2.1", None),
            ("127.0.0.1", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(countries.of(address.parse().unwrap()).as_deref(), country, "{address}");
        }
    }

    #[test]
    fn a_file_that_gives_no_countries_is_named_with_the_fix() {
        let asn = specimen::database("GeoLite2-ASN", &[("198.51.100.0", 24, "DE")]);
        let whole = specimen::database("GeoLite2-Country", &[("198.51.100.0", 24, "DE")]);
        for (bytes, reason) in [(&b"text"[..], "damaged"), (&b""[..], "damaged"), (&asn, "has no countries")]
        {
            let fault = check(bytes).unwrap_err().to_string();
            assert!(fault.contains(reason) && fault.contains("GeoLite2-Country.mmdb"), "{fault}");
        }
        // Cut or changed at any place it is refused, or says nothing that is no country.
        for length in 0..whole.len() {
            if let Ok(countries) = check(&whole[..length]) {
                assert_eq!(countries.of("198.51.100.1".parse().unwrap()), None, "{length} bytes");
            }
        }
        let missing = Countries::read(Path::new("/nowhere/a.mmdb")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/a.mmdb") && missing.contains("No such file"), "{missing}");
        assert!(Countries::read(Path::new("/")).unwrap_err().to_string().contains("it is not a file"));
    }
}
