//! A program that is asked to stop, once and twice.
#![allow(clippy::unwrap_used)]

use std::{
    env,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use farthing_service::shutdown;

/// Set in the process that gets the signals.
const CHILD: &str = "FARTHING_TEST_SIGNALS_CHILD";

#[test]
fn the_first_signal_asks_and_the_second_ends() {
    if env::var_os(CHILD).is_some() {
        return wait_for_signals();
    }
    for (first, second) in [("TERM", "INT"), ("INT", "TERM")] {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "the_first_signal_asks_and_the_second_ends", "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wait_for = |text: &str| assert!(lines.any(|line| line.unwrap().ends_with(text)), "{text}");
        let send = |signal: &str| {
            let kill = format!("kill -{signal} {}", child.id());
            assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        };
        wait_for("watching");
        send(first);
        wait_for("stopping");
        send(second);
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

#[tokio::main]
async fn wait_for_signals() {
    let token = shutdown::on_signals().unwrap();
    println!("watching");
    token.cancelled().await;
    println!("stopping");
    std::future::pending::<()>().await;
}
