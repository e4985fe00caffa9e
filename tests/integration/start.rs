//! What the binary refuses to start with, and how it says so.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::gateway::{airside, scratch};

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command that is expected to end by itself.
fn run(arguments: &[&str]) -> Output {
    let mut child = airside()
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("`airside {}` did not end: {:?}", arguments.join(" "), child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

/// A folder with a mesh of nothing and a configuration.
fn configured(name: &str, text: &str) -> String {
    let folder = scratch(name);
    std::fs::create_dir_all(folder.join("mesh/governance")).unwrap();
    std::fs::create_dir_all(folder.join("mesh/domains")).unwrap();
    let file = folder.join("airside.toml");
    std::fs::write(&file, text).unwrap();
    file.to_string_lossy().into_owned()
}

fn check_refusal(output: &Output, word: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(told.contains(word), "`{word}` is not in: {told}");
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn it_does_not_listen_beyond_loopback_without_tls() {
    for section in ["flight", "http"] {
        let mesh = "[mesh]\nroots = [\"mesh\"]\n[flight]\naddr = \"127.0.0.1:0\"\n[http]\naddr = \"127.0.0.1:0\"\n";
        let open = mesh
            .replace(&format!("[{section}]\naddr = \"127.0.0.1:0\""), &format!("[{section}]\naddr = \"0.0.0.0:0\""));
        let file = configured(&format!("plaintext_{section}"), &open);
        check_refusal(&run(&["serve", "--config", &file]), "loopback");
    }
}

#[test]
fn no_listener_is_left_without_tls_by_the_others() {
    let text = "[mesh]\nroots = [\"mesh\"]\n[flight]\naddr = \"127.0.0.1:0\"\n[http]\naddr = \"127.0.0.1:0\"\n[audit]\nto = \"off\"\n\
        [[flight.listeners]]\naddr = \"127.0.0.1:0\"\n[[flight.listeners]]\naddr = \"0.0.0.0:0\"\n";
    let file = configured("plaintext_listeners", text);
    check_refusal(&run(&["serve", "--config", &file]), "`flight.listeners.addr` is 0.0.0.0:0, beyond loopback");
    let unwatched = text.replace("[audit]\nto = \"off\"\n", "");
    let file = configured("unwatched_listeners", &unwatched);
    check_refusal(&run(&["serve", "--config", &file]), "where its audit goes");
}

#[test]
fn a_misspelt_setting_is_refused_by_name() {
    let file = configured("misspelt", "[mesh]\nroots = [\"mesh\"]\n[flihgt]\naddr = \"127.0.0.1:0\"\n");
    check_refusal(&run(&["serve", "--config", &file]), "flihgt");
}

#[test]
fn a_missing_configuration_is_said_plainly() {
    let file = scratch("missing").join("none.toml");
    check_refusal(&run(&["serve", "--config", &file.to_string_lossy()]), "none.toml");
}

#[test]
fn a_missing_mesh_is_said_plainly() {
    let file = configured("no_mesh", "[mesh]\nroots = [\"elsewhere\"]\n");
    check_refusal(&run(&["serve", "--config", &file]), "elsewhere");
}

#[test]
fn the_command_line_explains_itself() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["check", "--help"], &["demo", "--help"]] {
        let output = run(arguments);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("Usage"));
    }
    let version = run(&["--version"]);
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), concat!("airside ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_demo_does_not_touch_a_folder_that_is_not_its_own() {
    let folder = scratch("foreign");
    std::fs::write(folder.join("thesis.txt"), "years of work").unwrap();
    let output = run(&["demo", "--scale", "0.001", "--dir", &folder.to_string_lossy()]);
    assert!(!output.status.success());
    assert!(Path::new(&folder).join("thesis.txt").exists());
}
