//! What every call leaves behind: one log line, one count, one duration; and no panic reaches a client.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Response, Status};
use tracing::Instrument;
use tracing::field::Empty;

use super::error::FlightError;

/// Runs one call under watch, until `deadline` at the latest.
///
/// # Errors
/// The call's own status.
pub async fn observe<T>(
    rpc: &'static str,
    deadline: Option<Instant>,
    call: impl Future<Output = Result<Response<T>, FlightError>>,
) -> Result<Response<T>, Status> {
    let started = Instant::now();
    // Who calls is known only on the way; `caller` fills it in.
    let span = tracing::info_span!("call", rpc, principal = Empty, purpose = Empty);
    let call = AssertUnwindSafe(call).catch_unwind().instrument(span.clone());
    let outcome = match deadline {
        Some(deadline) => timeout_at(deadline, call).await,
        None => Ok(call.await),
    };
    let outcome = match outcome {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(FlightError::internal(panic_text(&*panic))),
        Err(_) => Err(FlightError::Deadline),
    };
    let seconds = started.elapsed().as_secs_f64();
    let code = outcome.as_ref().map_or_else(FlightError::code, |_| Code::Ok);
    metrics::counter!("airside_rpc_total", "rpc" => rpc, "code" => format!("{code:?}")).increment(1);
    metrics::histogram!("airside_rpc_seconds", "rpc" => rpc).record(seconds);
    span.in_scope(|| match &outcome {
        Ok(_) => tracing::info!(seconds, "answered"),
        Err(error) => {
            tracing::info!(seconds, ?code, error = error.logged(), detail = error.detail(), "refused");
        }
    });
    outcome.map_err(Status::from)
}

/// What a panic said, for the log.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("(no text)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_ends_when_its_client_waits_no_longer() {
        let never = std::future::pending::<Result<Response<()>, FlightError>>();
        let late = observe("Test", Some(Instant::now()), never).await.unwrap_err();
        assert_eq!(late.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_tells_nothing() {
        let call = async { if true { panic!("canary") } else { Ok(Response::new(())) } };
        let status = observe("Test", None, call).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("canary"));
    }
}
