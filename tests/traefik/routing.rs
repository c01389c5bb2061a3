use stack::manifests::{find, kustomized};
use stack::processes::{eventually, get};
use stack::replicas::Replicas;
use stack::traefik::{NAMESPACE, Setting, Traefik, cluster};

/// `admin:open-sesame`, as `openssl passwd -apr1 -salt saltsalt open-sesame` makes it.
fn login() -> String {
    let out = std::process::Command::new("openssl").args(["passwd", "-apr1", "open-sesame"]).output().unwrap();
    format!("admin:{}", String::from_utf8(out.stdout).unwrap().trim())
}

const AUTHORIZATION: (&str, &str) = ("Authorization", "Basic YWRtaW46b3Blbi1zZXNhbWU=");

#[test]
fn hosts_lead_where_the_ingresses_say() {
    let kube = cluster();
    let mut replicas = Replicas::of(&kube, &[]);
    replicas.start();
    let users = login();
    let traefik = Traefik::start(&kube, Setting { users: Some(&users), ..Setting::default() });
    traefik.wait();
    for host in ["real-world.localhost", "real-world.app.local"] {
        for path in ["/articles", "/api/articles"] {
            assert_eq!(traefik.ask(host, path).status, 200, "{host}{path}");
        }
        // The operators' port of the API is not reached by any path.
        assert_eq!(traefik.ask(host, "/metrics").status, 404, "{host}");
    }
    assert_eq!(traefik.ask("somebody-else.example", "/articles").status, 404);
    for host in ["traefik.localhost", "traefik-ui.app.local"] {
        eventually(host, || (traefik.ask(host, "/dashboard/").status == 401).then_some(()));
        let dashboard = get(traefik.web, host, "/dashboard/", &[AUTHORIZATION]);
        assert!(dashboard.status == 200 && dashboard.body.contains("<title>Traefik"), "{dashboard:?}");
        assert_eq!(get(traefik.web, host, "/", &[AUTHORIZATION]).status, 302, "the root leads to the dashboard");
        let wrong = ("Authorization", "Basic YWRtaW46d3Jvbmc=");
        assert_eq!(get(traefik.web, host, "/api/rawdata", &[wrong]).status, 401);
        for path in ["/metrics", "/ping"] {
            assert_ne!(get(traefik.web, host, path, &[]).status, 200, "{host}{path} is for operators");
        }
    }
    assert_eq!(traefik.ask_ops("/metrics").status, 200);
    for other in [traefik.ops, traefik.admin] {
        let elsewhere = get(other, "real-world.localhost", "/articles", &[AUTHORIZATION]).status;
        assert_eq!(elsewhere, 404, "Ingresses are served at the web entry point alone");
    }
    let address = || {
        let ingress = kube.get("ingresses", NAMESPACE, "real-world-service")?;
        (ingress["status"]["loadBalancer"]["ingress"][0]["ip"] == "203.0.113.7").then_some(())
    };

    eventually("the Ingress has the address of the load balancer", address);
}

#[test]
fn without_a_login_nobody_sees_the_dashboard_and_the_api_is_served() {
    let kube = cluster();
    let mut replicas = Replicas::of(&kube, &[]);
    replicas.start();
    let traefik = Traefik::start(&kube, Setting::default());
    traefik.wait();
    for headers in [&[][..], &[AUTHORIZATION]] {
        let answer = get(traefik.admin, "traefik.localhost", "/dashboard/", headers);
        assert!([401, 404].contains(&answer.status), "{answer:?}");
        assert!([401, 404].contains(&get(traefik.web, "traefik.localhost", "/api/rawdata", headers).status));
    }
}

#[test]
fn its_routers_are_read_again_each_time_that_the_config_map_changes() {
    // The folder that it watches is where a volume is mounted: one inside of a volume is another after each change.
    let objects = kustomized("k8s");
    let deployment = find(&objects, "Deployment", "traefik-ingress-controller");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert!(container["volumeMounts"].as_array().unwrap().iter().any(|own| own["mountPath"] == "/etc/traefik-dynamic"));
    let kube = cluster();
    let entry = login();
    let mut traefik = Traefik::start(&kube, Setting { users: Some(&entry), ..Setting::default() });
    for (before, now) in [(3, 4), (4, 5), (5, 6)] {
        traefik.change(&format!("attempts: {before}"), &format!("attempts: {now}"));
        eventually("the change is taken", || {
            let answer = get(traefik.admin, "traefik.localhost", "/api/http/middlewares/retry@file", &[AUTHORIZATION]);
            answer.body.contains(&format!("\"attempts\":{now}")).then_some(())
        });
    }
}
