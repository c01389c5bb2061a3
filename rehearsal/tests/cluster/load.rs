//! The load that `up` tells of, where an address leads to Traefik and a name to the API.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

#[test]
fn a_host_of_its_own_is_sent_to_an_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/articles", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        head
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
    command.args(["load", &url, "--host", "real-world.localhost", "--rate", "1", "--for", "1s"]);
    let out = command.output().unwrap();
    let head = heard.join().unwrap();
    assert!(head.iter().any(|line| line.eq_ignore_ascii_case("host: real-world.localhost")), "{head:?}: {out:?}");
}
