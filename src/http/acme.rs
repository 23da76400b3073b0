//! The proof of a domain name that a certificate authority asks for over HTTP.
//!
//! A client such as certbot lays a file into `.well-known/acme-challenge/` of the site folder
//! and the authority fetches it from port 80 (RFC 8555 section 8.3). Nothing else of the folder
//! is served, and nothing outside: a token is of the base64url alphabet.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::server::Thread;

/// The path, and the folder within that of the site.
const FOLDER: &str = ".well-known/acme-challenge";

/// A token has 22 letters or more (RFC 8555 section 8.1).
const TOKEN_MAX_BYTES: usize = 128;

/// A proof is the token and a hash of 43 letters.
const PROOF_MAX_BYTES: u64 = 1_024;

/// Adds the route.
pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    let token = web::resource("/{token}").get(prove).head(prove);
    cfg.service(web::scope(&format!("/{FOLDER}")).service(token));
}

async fn prove(request: HttpRequest, token: web::Path<String>) -> HttpResponse {
    let shared = Thread::of(&request).shared.clone();
    if !is_token(&token) {
        return HttpResponse::NotFound().finish();
    }
    let site = shared.switches.site.load_full();
    let found = shared.lanes.blocking.run(move || read(&site, &token)).await;
    match found {
        Ok(Ok(proof)) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("application/octet-stream")
            .body(proof),
        Ok(Err(fault)) => {
            if fault.kind() != io::ErrorKind::NotFound {
                tracing::warn!("the proof for a certificate cannot be read: {fault}");
            }
            HttpResponse::NotFound().finish()
        }
        Err(_) => HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, 1)).finish(),
    }
}

fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=TOKEN_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_letter)
}

fn read(site: &Path, token: &str) -> io::Result<Vec<u8>> {
    let mut proof = Vec::new();
    File::open(site.join(FOLDER).join(token))?.take(PROOF_MAX_BYTES).read_to_end(&mut proof)?;
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_of_base64url_are_a_token() {
        assert!(is_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"));
        for text in ["", ".", "..", "a/b", "a%2fb", "a.pem", "ä", &"a".repeat(129)] {
            assert!(!is_token(text), "{text}");
        }
    }
}
