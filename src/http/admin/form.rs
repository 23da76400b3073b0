//! Forms, which have to arrive in time.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

/// A form is a few hundred bytes; one that takes longer than this is no person's, and
/// would hold its connection, and the stop of the process, for as long as it likes.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// A form, none when there is none or it cannot be read. One that does not arrive in
/// time is answered 408 and its connection closed.
pub(super) struct Timely<T>(pub(super) Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for Timely<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let arriving = web::Form::<T>::from_request(req, payload);
        async move {
            match tokio::time::timeout(ARRIVAL_MAX, arriving).await {
                Ok(form) => Ok(Timely(form.ok().map(web::Form::into_inner))),
                Err(late) => Err(InternalError::from_response(late, too_late()).into()),
            }
        }
        .boxed_local()
    }
}

fn too_late() -> HttpResponse {
    HttpResponse::RequestTimeout()
        .force_close()
        .content_type("text/plain; charset=utf-8")
        .body(format!("the form did not arrive within {} s\n", ARRIVAL_MAX.as_secs()))
}

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;

    type Fields = Vec<(String, String)>;

    fn request() -> HttpRequest {
        TestRequest::post()
            .insert_header(("Content-Type", "application/x-www-form-urlencoded"))
            .to_http_request()
    }

    #[actix_web::test]
    async fn a_form_that_does_not_arrive_is_given_up() {
        tokio::time::pause();
        let never = stream::pending::<Result<Bytes, PayloadError>>();
        let mut payload: Payload = Payload::Stream { payload: Box::pin(never) };
        let outcome = Timely::<Fields>::from_request(&request(), &mut payload).await;
        let answer = outcome.err().unwrap().error_response();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        assert!(!answer.head().keep_alive());
    }

    #[actix_web::test]
    async fn a_form_that_arrives_is_read_and_nonsense_is_none() {
        let read = async |text: &'static [u8]| {
            let arriving = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(text))]);
            let mut payload: Payload = Payload::Stream { payload: Box::pin(arriving) };
            Timely::<Fields>::from_request(&request(), &mut payload).await.unwrap().0
        };
        assert_eq!(read(b"a=b").await, Some(vec![("a".to_string(), "b".to_string())]));
        let json = TestRequest::post().insert_header(("Content-Type", "application/json")).to_http_request();
        assert!(Timely::<Fields>::from_request(&json, &mut Payload::None).await.unwrap().0.is_none());
    }
}
