mod conformance;
mod scripts;
mod server;
