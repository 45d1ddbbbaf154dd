//! The services of the compose file.

use std::collections::BTreeMap;

use super::{LISTENERS, OURS, image, is_fixed, services, strings, with_defaults};

#[test]
fn everything_is_published_on_loopback_at_the_contracts_ports() {
    let mut published = BTreeMap::new();
    for (name, service) in services() {
        assert!(
            service["network_mode"].is_null(),
            "{name} leaves the network of its project"
        );
        for port in strings(&service["ports"]) {
            let port = with_defaults(&port);
            let parts: Vec<_> = port.split(':').collect();
            let ["127.0.0.1", host, container] = parts.as_slice() else {
                panic!("{name} publishes {port} beyond loopback")
            };
            let host: u16 = host.parse().expect("a port");
            assert!(
                published.insert(host, (name.clone(), container.to_string())).is_none(),
                "two services publish {host}"
            );
        }
    }
    for (variable, port, service) in LISTENERS {
        assert_eq!(
            published.remove(&port),
            Some((service.to_owned(), port.to_string())),
            "{variable}"
        );
        let listens = &services()[service]["environment"][variable];
        assert_eq!(
            listens.as_str(),
            Some(format!("0.0.0.0:{port}").as_str()),
            "{variable} of {service}"
        );
    }
    let others: Vec<_> = published
        .into_iter()
        .map(|(port, (service, _))| format!("{service} {port}"))
        .collect();
    assert_eq!(
        others,
        ["pgadmin 5050", "postgres 5432", "rabbitmq 5672", "rabbitmq 15672"]
    );
}

#[test]
fn versions_are_fixed_and_the_ones_that_we_want() {
    for (name, service) in services() {
        let image = service["image"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} has no image"));
        assert!(is_fixed(image), "{name}: {image}");
    }
    let image_of = |name: &str| services()[name]["image"].as_str().expect("an image").to_owned();
    assert!(
        ["postgres:17.", "postgres:18."]
            .iter()
            .any(|wanted| image_of("postgres").starts_with(wanted))
    );
    assert!(image_of("rabbitmq").starts_with("rabbitmq:4.2.") && image_of("rabbitmq").ends_with("-management"));
    let bases = image::instruction("FROM");
    assert_eq!(bases.len(), 2, "a stage that builds and one that runs");
    for base in &bases {
        assert!(is_fixed(base.split(' ').next().expect("an image")), "{base}");
    }
    assert!(!is_fixed("postgres") && !is_fixed("postgres:latest") && !is_fixed("postgres:17") && !is_fixed("a:1.x"));
}

#[test]
fn our_services_run_what_is_there_with_no_more_rights_than_needed() {
    let services = services();
    for (name, command) in OURS {
        let service = &services[name];
        assert_eq!(strings(&service["command"]), command, "{name}");
        assert_eq!(service["read_only"].as_bool(), Some(true), "{name}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(strings(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert!(
            service["user"].is_null(),
            "{name} runs as another user than its image says"
        );
        assert_eq!(
            service["build"]["dockerfile"].as_str(),
            Some("deploy/Dockerfile"),
            "{name}"
        );
        let grace = service["stop_grace_period"]
            .as_str()
            .expect("a time")
            .trim_end_matches('s')
            .parse::<u32>();
        assert!(grace.expect("seconds") > 10, "{name} is killed while it drains");
    }
    for (name, service) in &services {
        assert!(service["privileged"].is_null(), "{name}");
        let limits = &service["deploy"]["resources"]["limits"];
        assert!(
            !limits["memory"].is_null() && !limits["cpus"].is_null(),
            "{name} has no limits"
        );
        let expected = if name == "migrate" { "no" } else { "unless-stopped" };
        assert_eq!(service["restart"].as_str(), Some(expected), "{name}");
        let profiles = strings(&service["profiles"]);
        assert_eq!(
            profiles,
            if name == "pgadmin" { vec!["tools"] } else { vec![] },
            "{name}"
        );
    }
}

#[test]
fn health_is_asked_through_the_binaries() {
    let services = services();
    for (name, command) in &OURS[1..] {
        assert_eq!(
            strings(&services[*name]["healthcheck"]["test"]),
            ["CMD", command[0], "healthcheck"],
            "{name}"
        );
    }
    assert_eq!(services["migrate"]["healthcheck"]["disable"].as_bool(), Some(true));
    for name in ["postgres", "rabbitmq", "pgadmin"] {
        assert_eq!(strings(&services[name]["healthcheck"]["test"])[0], "CMD", "{name}");
    }
}

#[test]
fn each_waits_for_what_it_needs() {
    let services = services();
    let condition = |service: &str, on: &str| {
        services[service]["depends_on"][on]["condition"]
            .as_str()
            .map(str::to_owned)
    };
    for service in ["command", "projector"] {
        // Somebody must wait for the migration's end, or `up --wait` takes it for a failure.
        assert_eq!(
            condition(service, "migrate").as_deref(),
            Some("service_completed_successfully")
        );
        assert_eq!(condition(service, "rabbitmq").as_deref(), Some("service_healthy"));
    }
    for service in ["migrate", "command", "projector", "pgadmin"] {
        assert_eq!(
            condition(service, "postgres").as_deref(),
            Some("service_healthy"),
            "{service}"
        );
    }
}
