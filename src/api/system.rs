//! Health and metrics, outside `/v1` and without a token.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use super::AppState;

/// The process-wide recorder of metrics.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Histograms gather samples until someone drains them.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

impl Metrics {
    /// Installs the recorder, or finds the one installed before.
    pub fn install() -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another metrics recorder is installed; /metrics will stay empty");
            }
            handle
        });
        Self(handle.clone())
    }

    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Drains histograms now and then, for as long as it runs.
    pub(super) async fn keep_up(self) {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

/// 200 while the database answers, else 503.
pub(super) async fn health(state: web::Data<AppState>) -> HttpResponse {
    if state.store.is_alive().await {
        HttpResponse::Ok().json(json!({"status": "ok"}))
    } else {
        let body = json!({"status": "fail", "msg": "the database does not answer"});
        HttpResponse::ServiceUnavailable().json(body)
    }
}

/// The Prometheus text format.
pub(super) async fn metrics(state: web::Data<AppState>) -> HttpResponse {
    if let Ok(doors) = state.doors() {
        let load = doors.live.load();
        metrics::gauge!("calls_live").set(load.calls as f64);
        metrics::gauge!("conferences_live").set(load.conferences as f64);
        metrics::gauge!("conference_participants").set(load.participants as f64);
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(state.metrics.render())
}
