//! The engine child alone, for tests and benchmarks; the app's own binaries play this role themselves.

fn main() -> std::process::ExitCode {
    engawa_engine::run_if_engine_child();
    eprintln!("engawa-engine is started by Engawa, not by hand");
    std::process::ExitCode::FAILURE
}
