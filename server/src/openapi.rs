//! `openapi`: the document that `GET /openapi.json` serves, indented.

use std::io::Write;
use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    match writeln!(std::io::stdout(), "{}", http_api::openapi_json()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
