//! A template and a node's URL: what the URL says wins, parameter by parameter; what it leaves out stays the template's.

use sea_orm::{
    ConnectOptions,
    sqlx::{
        self,
        mysql::MySqlConnectOptions,
        postgres::{PgConnectOptions, PgSslMode},
    },
};

use crate::{
    config::{Config, NodeConfig},
    node::open::{direct_mysql, direct_postgres},
};

const TEMPLATE: &str =
    "postgres://app:secret@a:6000/shop?sslmode=disable&application_name=url&options=-c%20geqo=off";

fn config(template: ConnectOptions) -> Config {
    let config = Config::builder().connect_options(template).build();
    config.unwrap()
}

async fn postgres(template: ConnectOptions, url: &str) -> PgConnectOptions {
    let node = NodeConfig::replica(url).unwrap();
    direct_postgres(&config(template), &node).await.unwrap()
}

/// As an item of a list, which inherits from the primary.
async fn inheriting(template: ConnectOptions, item: &str) -> PgConnectOptions {
    let config = config(template);
    let node = config.primary.replica_like(item).unwrap();
    direct_postgres(&config, &node).await.unwrap()
}

async fn mysql(template: &str, url: &str) -> MySqlConnectOptions {
    let config = config(ConnectOptions::new(template));
    let node = NodeConfig::replica(url).unwrap();
    direct_mysql(&config, &node).await.unwrap()
}

fn shown(options: &impl sqlx::ConnectOptions) -> String {
    options.to_url_lossy().to_string()
}

#[tokio::test]
async fn every_parameter_of_a_nodes_url_wins_over_the_template() {
    let mut template = ConnectOptions::new(TEMPLATE);
    template.set_application_name("template");
    let options = postgres(
        template,
        "postgres://other:word@b:7000/archive?sslmode=require&sslrootcert=/ca&sslcert=/cert&sslkey=/key\
         &statement-cache-capacity=7&application_name=own&options=-c%20work_mem%3D1MB%20--jit%3Doff&options[search_path]=x",
    )
    .await;
    assert_eq!((options.get_host(), options.get_port()), ("b", 7000));
    assert_eq!(options.get_username(), "other");
    assert_eq!(options.get_database(), Some("archive"));
    assert!(matches!(options.get_ssl_mode(), PgSslMode::Require));
    assert_eq!(options.get_application_name(), Some("own"));
    assert_eq!(
        options.get_options(),
        Some("-c geqo=off -c work_mem=1MB -c jit=off -c search_path=x")
    );
    let shown = shown(&options);
    for part in [
        "other:word@",
        "sslrootcert=file%3A+%2Fca",
        "sslcert=file%3A+%2Fcert",
        "sslkey=file%3A+%2Fkey",
        "statement-cache-capacity=7",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[tokio::test]
async fn what_a_nodes_url_leaves_out_stays_the_templates() {
    let options = postgres(ConnectOptions::new(TEMPLATE), "postgres://b:7000").await;
    assert_eq!((options.get_host(), options.get_port()), ("b", 7000));
    assert_eq!(options.get_username(), "app");
    assert_eq!(options.get_database(), Some("shop"));
    assert!(matches!(options.get_ssl_mode(), PgSslMode::Disable));
    assert_eq!(options.get_application_name(), Some("url"));
    assert_eq!(options.get_options(), Some("-c geqo=off"));
    assert!(shown(&options).contains("app:secret@"));
}

#[tokio::test]
async fn what_a_closure_rotates_is_rotated_on_replicas_too() {
    let mut template = ConnectOptions::new(TEMPLATE);
    template
        .map_sqlx_postgres_opts(|options| options.password("token").application_name("closure"));
    let options = inheriting(template, "b").await;
    assert_eq!((options.get_host(), options.get_port()), ("b", 6000));
    assert!(shown(&options).contains("app:token@"));
    assert_eq!(options.get_application_name(), Some("closure"));
}

#[tokio::test]
async fn no_server_is_told_the_password_of_another_user() {
    let options = postgres(ConnectOptions::new(TEMPLATE), "postgres://other@b/shop").await;
    assert_eq!(options.get_username(), "other");
    assert!(!shown(&options).contains("secret"), "{}", shown(&options));
    let options = mysql("mysql://app:secret@a/shop", "mysql://other@b/shop").await;
    assert!(!shown(&options).contains("secret"), "{}", shown(&options));
}

#[tokio::test]
async fn a_template_on_a_socket_keeps_no_node_there() {
    let mut template = ConnectOptions::new(
        "postgres:///shop?host=/run/pg&user=a%2Fb&password=secret&options=-c%20geqo=off&statement-cache-capacity=7&sslrootcert=/ca",
    );
    template.map_sqlx_postgres_opts(|options| options.ssl_client_cert_from_pem("-----BEGIN x"));
    template.set_application_name("template");
    let options = postgres(template, "postgres://b:7000/shop").await;
    assert_eq!(options.get_socket(), None);
    assert_eq!((options.get_host(), options.get_port()), ("b", 7000));
    assert_eq!(options.get_username(), "a/b");
    assert_eq!(options.get_database(), Some("shop"));
    assert_eq!(options.get_options(), Some("-c geqo=off"));
    assert_eq!(options.get_application_name(), Some("template"));
    let shown = shown(&options.username("user"));
    assert!(shown.contains("user:secret@"), "{shown}");
    assert!(shown.contains("statement-cache-capacity=7"), "{shown}");

    assert!(
        shown.contains("sslrootcert=file%3A+%2Fca&sslcert=-----BEGIN+x"),
        "{shown}"
    );

    let template = "mysql://app:secret@localhost/shop?socket=/run/my.sock&charset=latin1&collation=latin1_bin&timezone=%2B01:00";
    let options = mysql(template, "mysql://b:7000/shop").await;
    assert_eq!(options.get_socket(), None);
    assert_eq!((options.get_host(), options.get_port()), ("b", 7000));
    assert_eq!(options.get_charset(), "latin1");
    assert_eq!(options.get_collation(), Some("latin1_bin"));
    assert!(format!("{options:?}").contains("+01:00"));
}

#[tokio::test]
async fn the_parameters_of_mariadb_and_mysql_win_as_well() {
    let options = mysql(
        "mysql://app:secret@a/shop?charset=utf8&timezone=%2B01:00",
        "mysql://b/shop?charset=latin1&collation=latin1_bin&ssl-mode=REQUIRED&ssl-ca=/ca&ssl-cert=/cert&ssl-key=/key\
         &statement-cache-capacity=7&timezone=%2B02:00",
    )
    .await;
    assert_eq!(options.get_host(), "b");
    assert_eq!(options.get_username(), "app");
    assert_eq!(options.get_charset(), "latin1");
    assert_eq!(options.get_collation(), Some("latin1_bin"));
    let all = format!("{options:?}");
    for part in [
        "/ca",
        "/cert",
        "/key",
        "statement_cache_capacity: 7",
        "Required",
        "+02:00",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}
