//! The operator's window: `/livez`, `/readyz` and `/metrics` over HTTP; knows nothing of the daemon behind the glass.
//!
//! Meant for a loopback address, which the configuration sees to; nothing here changes anything.

mod door;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use self::door::Door;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

/// What is seen through the window. Every call returns at once: it is asked while payments run.
pub trait View: Send + Sync + 'static {
    /// Whether the engine makes progress.
    fn alive(&self) -> bool;

    /// What is missing before requests can be served; nothing when ready.
    fn lacking(&self) -> Vec<Lack>;

    /// The metrics, in Prometheus' text format.
    fn metrics(&self) -> String;
}

/// One thing that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Which part of the house: `journal`, `issuers`, `disk`, `drain` ...
    pub what: &'static str,
    /// What is wrong with it, for people. Without secrets.
    pub why: String,
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
#[error("the console cannot listen on {address}: {source}")]
pub struct ConsoleError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Takes the address. Port 0 takes any that is free.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ConsoleError> {
    TcpListener::bind(address).await.map_err(|source| ConsoleError { address, source })
}

/// Shows the view until `stop`.
pub async fn serve(
    listener: TcpListener,
    view: Arc<dyn View>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(Door::new(listener, door::CALL_MAX), routes(view))
        .with_graceful_shutdown(stop)
        .await
}

fn routes(view: Arc<dyn View>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(view)
}

async fn index() -> &'static str {
    "iso8583d\n/livez    200 while the engine makes progress\n/readyz   200 when requests can be served, or 503 and why not\n/metrics  counts, for Prometheus\n"
}

async fn livez(State(view): State<Arc<dyn View>>) -> Response {
    let alive = view.alive();
    let status = if alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    object(status, &json!({ "alive": alive }))
}

async fn readyz(State(view): State<Arc<dyn View>>) -> Response {
    let lacking = view.lacking();
    let ready = lacking.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reasons: Vec<_> =
        lacking.iter().map(|lack| json!({ "what": lack.what, "why": lack.why })).collect();
    object(status, &json!({ "ready": ready, "reasons": reasons }))
}

async fn metrics(State(view): State<Arc<dyn View>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], view.metrics())
        .into_response()
}

fn object(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    struct Fake {
        lacking: Vec<Lack>,
    }

    impl View for Fake {
        fn alive(&self) -> bool {
            self.lacking.is_empty()
        }

        fn lacking(&self) -> Vec<Lack> {
            self.lacking.clone()
        }

        fn metrics(&self) -> String {
            String::from("iso8583d_x_total 1\n")
        }
    }

    /// The answer to one GET, head and body.
    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_window() {
        let disk = Lack { what: "disk", why: String::from("100 MiB free of \"256\"") };
        for (lacking, path, status, body) in [
            (vec![], "/livez", "200", "{\"alive\":true}"),
            (vec![disk.clone()], "/livez", "503", "{\"alive\":false}"),
            (vec![], "/readyz", "200", "{\"ready\":true,\"reasons\":[]}"),
            (vec![disk], "/readyz", "503", "\"why\":\"100 MiB free of \\\"256\\\"\""),
            (vec![], "/metrics", "200", "iso8583d_x_total 1"),
            (vec![], "/", "200", "/readyz"),
            (vec![], "/etc/passwd", "404", ""),
        ] {
            let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let address = listener.local_addr().unwrap();
            let asked = async {
                let answer = ask(address, path).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
                assert!(answer.contains(body), "{path}: {answer}");
            };
            tokio::select! {
                ended = serve(listener, Arc::new(Fake { lacking }), std::future::pending()) => ended.unwrap(),
                () = asked => {}
            }
        }
    }

    /// Whoever begins a request and does not end it takes a place for a while only, and there are so many places.
    #[tokio::test]
    async fn half_requests_do_not_stay() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = async {
            let mut half = Vec::new();
            for _ in 0..door::CALLERS_MAX {
                let mut socket = TcpStream::connect(address).await.unwrap();
                socket.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.unwrap();
                half.push(socket);
            }
            // This one waits at the door until they have gone.
            let answer = ask(address, "/livez").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            for mut socket in half {
                let mut rest = Vec::new();
                socket.read_to_end(&mut rest).await.unwrap();
                assert!(!rest.starts_with(b"HTTP/1.1 200"));
            }
        };
        let view = Arc::new(Fake { lacking: vec![] });
        let door = Door::new(listener, std::time::Duration::from_secs(1));
        tokio::select! {
            ended = axum::serve(door, routes(view)) => ended.unwrap(),
            () = asked => {}
        }
    }

    #[tokio::test]
    async fn an_address_that_is_taken() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let fault = bind(first.local_addr().unwrap()).await.unwrap_err().to_string();
        assert!(fault.contains("the console cannot listen on 127.0.0.1:"), "{fault}");
    }
}
