use std::path::Path;
use std::process::Command;

use plasma_test_postgres::{Durability, Server};

use super::*;

/// An authority and a server's certificate for `localhost`, made by openssl.
fn certificates(folder: &Path) {
    let script = "set -e
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem \
          -addext basicConstraints=critical,CA:TRUE
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout other.key -out other.pem \
          -addext basicConstraints=critical,CA:TRUE
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.pem";
    let made = Command::new("sh").arg("-c").arg(script).current_dir(folder).output().expect("a shell starts");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn the_modes_of_tls() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let Some(mut server) = Server::start(Durability::None) else { return plasma_test_postgres::skip() };
    let plain_url = server.url().to_owned();
    let process = server.process().unwrap();
    let port = process.port();
    let data = process.data();
    // The server reads what its own user owns.
    let copy = format!("umask 077; cat > '{}'", data.join("server.pem").display());
    for name in ["server.pem", "server.key"] {
        let from = std::fs::File::open(folder.path().join(name)).unwrap();
        let to = copy.replace("server.pem", name);
        assert!(process.command("/bin/sh").args(["-c", &to]).stdin(from).status().unwrap().success());
    }
    block_on(async {
        let plain = PostgresPool::new(PostgresOptions::new(format!("{plain_url}/postgres?sslmode=disable"))).unwrap();
        let mut db = plain.get().await.unwrap();
        let connect = async |host: &str, mode: SslMode, root: Option<&str>| -> Result<bool> {
            let user = plain_url.split("//").nth(1).and_then(|rest| rest.split('@').next()).unwrap();
            let options = PostgresOptions {
                ssl_mode: Some(mode),
                ssl_root_cert: root.map(|name| folder.path().join(name)),
                ..PostgresOptions::new(format!("postgres://{user}@{host}:{port}/postgres"))
            };
            let mut db = PostgresPool::new(options)?.get().await?;
            let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            Ok(one(&mut db, sql, &[], Kind::Bool).await? == Value::Bool(true))
        };
        // A server without.
        assert!(!connect("localhost", SslMode::Prefer, None).await.unwrap());
        for mode in [SslMode::Require, SslMode::VerifyFull] {
            let error = connect("localhost", mode, Some("ca.pem")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        }
        for setting in ["ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl = on"] {
            db.batch(&format!("ALTER SYSTEM SET {setting}")).await.unwrap();
        }
        db.batch("SELECT pg_reload_conf()").await.unwrap();
        while !connect("localhost", SslMode::Prefer, None).await.unwrap() {
            tokio::task::yield_now().await;
        }
        assert!(!connect("localhost", SslMode::Disable, None).await.unwrap());
        // Whether it connects: to a host of that name, in this mode, with that authority.
        for (host, mode, root, connects) in [
            ("localhost", SslMode::Require, None, true),
            ("127.0.0.1", SslMode::Require, None, true),
            ("localhost", SslMode::Require, Some("other.pem"), false),
            ("localhost", SslMode::VerifyCa, Some("ca.pem"), true),
            ("127.0.0.1", SslMode::VerifyCa, Some("ca.pem"), true),
            ("localhost", SslMode::VerifyCa, Some("other.pem"), false),
            ("localhost", SslMode::VerifyFull, Some("ca.pem"), true),
            ("127.0.0.1", SslMode::VerifyFull, Some("ca.pem"), false),
            ("localhost", SslMode::VerifyFull, Some("other.pem"), false),
            // The authority is not one of the machine's.
            ("localhost", SslMode::VerifyFull, None, false),
        ] {
            let found = connect(host, mode, root).await;
            assert_eq!(
                found.as_ref().is_ok_and(|encrypted| *encrypted),
                connects,
                "{host} {mode:?} {root:?}: {found:?}"
            );
        }
        let error = connect("localhost", SslMode::VerifyCa, Some("missing.pem")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    });
}
