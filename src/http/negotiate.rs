//! Which content encoding a client wants (RFC 9110 section 12.5.3).

/// A content encoding that we can answer in; the number is its place in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity = 0,
    /// gzip, understood by everything.
    Gzip = 1,
    /// Brotli, the smallest.
    Brotli = 2,
}

impl Encoding {
    /// Returns the `Content-Encoding` value; identity has none.
    pub fn token(self) -> Option<&'static str> {
        match self {
            Encoding::Identity => None,
            Encoding::Gzip => Some("gzip"),
            Encoding::Brotli => Some("br"),
        }
    }
}

/// Returns the encodings to try, best first: by the client's weights, of equal ones the
/// smallest. Identity is always last resort, also for a client that refuses it: an answer
/// it can ignore serves it better than a 406.
pub fn encodings(accept_encoding: Option<&str>) -> [Encoding; 3] {
    let Some(header) = accept_encoding else { return [Encoding::Identity; 3] };
    let mut weights = [None, None, None];
    let mut rest = None;
    for item in header.split(',') {
        let mut parts = item.split(';');
        let coding = parts.next().unwrap_or_default().trim();
        let weight = weight(parts);
        match coding.to_ascii_lowercase().as_str() {
            "br" => weights[Encoding::Brotli as usize] = Some(weight),
            "gzip" | "x-gzip" => weights[Encoding::Gzip as usize] = Some(weight),
            "identity" => weights[Encoding::Identity as usize] = Some(weight),
            "*" => rest = Some(weight),
            _ => {}
        }
    }
    let weight_of = |encoding: Encoding| match (weights[encoding as usize], rest, encoding) {
        (Some(weight), _, _) => weight,
        (None, Some(weight), _) => weight,
        // Identity is acceptable unless it is refused, but below whatever is asked for.
        (None, None, Encoding::Identity) => 1,
        (None, None, _) => 0,
    };
    let mut res = [Encoding::Brotli, Encoding::Gzip, Encoding::Identity];
    res.sort_by_key(|encoding| std::cmp::Reverse(weight_of(*encoding)));
    res.map(|encoding| if weight_of(encoding) == 0 { Encoding::Identity } else { encoding })
}

/// Reads `q=0.5` as 500; a missing weight is 1000, a broken one refuses the coding.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    let quality = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match quality.map(str::parse::<f32>) {
        None => 1000,
        // The cast saturates, and the clamp before it keeps the range.
        Some(Ok(quality)) => (quality.clamp(0.0, 1.0) * 1000.0) as u16,
        Some(Err(_)) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_gets_the_smallest_encoding_it_takes() {
        let check =
            |header: Option<&str>, expect: Encoding| assert_eq!(encodings(header)[0], expect, "{header:?}");
        check(None, Encoding::Identity);
        check(Some(""), Encoding::Identity);
        check(Some("gzip, deflate, br, zstd"), Encoding::Brotli);
        check(Some("gzip"), Encoding::Gzip);
        check(Some("GZIP;Q=1"), Encoding::Gzip);
        check(Some("br;q=0.5, gzip;q=0.8"), Encoding::Gzip);
        check(Some("br;q=0, gzip;q=0"), Encoding::Identity);
        check(Some("*"), Encoding::Brotli);
        check(Some("identity"), Encoding::Identity);
        check(Some("identity;q=1, gzip;q=0.5"), Encoding::Identity);
        check(Some("br;q=nonsense"), Encoding::Identity);
        check(Some("deflate"), Encoding::Identity);
    }

    #[test]
    fn a_refused_encoding_is_never_tried() {
        assert!(!encodings(Some("gzip;q=0, br"))[1..].contains(&Encoding::Gzip));
    }
}
