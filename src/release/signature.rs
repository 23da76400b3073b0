//! Signatures of releases, as `minisign` makes them: `FILE.minisig` beside `FILE`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use minisign_verify::Signature;

/// A key as it stands in the configuration: one line of base64.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    text: String,
    key: minisign_verify::PublicKey,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl PublicKey {
    /// Reads a key.
    pub fn parse(text: &str) -> Result<PublicKey, String> {
        let key = minisign_verify::PublicKey::from_base64(text).map_err(|fault| fault.to_string())?;
        Ok(PublicKey { text: text.into(), key })
    }

    /// Returns the text that it was read from.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// Checks a file, or a copy of it, by the signature beside the original.
    pub fn verify(&self, file: &Path, original: &Path) -> Result<(), String> {
        let mut path = original.as_os_str().to_owned();
        path.push(".minisig");
        let path = PathBuf::from(path);
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|fault| {
            format!("`release.public_key` is set, so a release needs a signature, and {shown} cannot be read: {fault}")
        })?;
        let signature = Signature::decode(&text).map_err(|fault| format!("{shown}: {fault}"))?;
        let mut verifier = self.key.verify_stream(&signature).map_err(|fault| format!("{shown}: {fault}"))?;
        let read = |fault: std::io::Error| format!("{}: {fault}", file.display());
        let mut file = fs::File::open(file).map_err(read)?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(read)? {
                0 => break,
                n => verifier.update(&buffer[..n]),
            }
        }
        verifier.finalize().map_err(|fault| format!("{shown} is not the key's signature of it: {fault}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // From the documentation of minisign-verify: key, signature and what was signed ("test").
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1633700835\tfile:test\tprehashed
wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==
";

    #[test]
    fn what_is_signed_is_taken_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vitrine");
        let key = PublicKey::parse(KEY).unwrap();
        fs::write(&file, "test").unwrap();
        assert!(key.verify(&file, &file).unwrap_err().contains("needs a signature"));
        fs::write(dir.path().join("vitrine.minisig"), SIGNATURE).unwrap();
        key.verify(&file, &file).unwrap();
        fs::write(&file, "Test").unwrap();
        assert!(key.verify(&file, &file).unwrap_err().contains("is not the key's signature"));
        assert!(PublicKey::parse("nonsense").is_err());
    }
}
