//! `syncline minirocks`.

use std::io::Write;

use ::minirocks::{Server, ServerConfig};

use super::args::MinirocksArgs;
use super::{say, signals};

/// Serves until a signal comes. Prints one line on standard output when clients can connect.
pub(super) async fn minirocks(args: MinirocksArgs) -> u8 {
    let config = ServerConfig {
        data_dir: args.data_dir,
        listen: args.listen,
        http_port: args.http_port,
        be_port: args.be_port,
        mysql_port: args.mysql_port,
        password: std::env::var("MINIROCKS_PASSWORD").ok().filter(|password| !password.is_empty()),
        emulate_version: args.emulate,
        discard: args.discard,
        ..ServerConfig::default()
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => {
            say(&format!("error: {error}"));
            return 1;
        }
    };
    let ready = format!("ready mysql={} http={} be={}", server.mysql_addr(), server.http_addr(), server.be_addr());
    // a scheduler reads this line through a pipe, so it must not wait in a buffer
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{ready}").and_then(|()| out.flush()).is_err() {
        return 1;
    }
    drop(out);
    signals::next_signal().await;
    server.stop().await;
    0
}
