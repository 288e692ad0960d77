//! Which web pages of other servers may call.

use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may go by the answer to a preflight.
const MAX_AGE: Duration = Duration::from_secs(600);

/// The origins (`https://app.example.com`) whose pages may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Only this server's own.
    #[default]
    Own,
    /// These, too; in lower case.
    Also(Vec<String>),
    /// All.
    Any,
}

impl CorsOrigins {
    pub(crate) fn admit(&self, origin: &str) -> bool {
        match self {
            Self::Own => false,
            Self::Also(origins) => origins.iter().any(|known| known.eq_ignore_ascii_case(origin)),
            Self::Any => true,
        }
    }

    /// Answers preflights and tells browsers whose pages may see answers; `None` when no other server's may.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        let origins = match self {
            Self::Own => return None,
            Self::Also(origins) => {
                let origins: Vec<_> =
                    origins.iter().filter_map(|origin| origin.parse::<HeaderValue>().ok()).collect();
                AllowOrigin::list(origins)
            }
            Self::Any => AllowOrigin::any(),
        };
        let own = |name| HeaderName::from_static(name);
        // Keys are headers that a page's script sets: what a browser would add by itself (cookies) is not asked for.
        Some(
            CorsLayer::new()
                .allow_origin(origins)
                .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
                .allow_headers([AUTHORIZATION, CONTENT_TYPE, ACCEPT, own("x-api-key"), own("last-event-id")])
                .expose_headers([
                    own("ratelimit-limit"),
                    own("ratelimit-remaining"),
                    own("ratelimit-reset"),
                    own("x-request-id"),
                    RETRY_AFTER,
                    WWW_AUTHENTICATE,
                ])
                .max_age(MAX_AGE),
        )
    }
}
