use std::collections::VecDeque;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::UnixTime;
use x509_parser::time::ASN1Time;

use super::*;

const NOW: i64 = 1_795_345_000;
const DAY: i64 = 86_400;

fn names() -> Vec<String> {
    ["metrics-adapter.monitoring.svc", "metrics-adapter.monitoring"].map(str::to_owned).to_vec()
}

fn lifetimes() -> Lifetimes {
    Lifetimes { certificate: Duration::from_hours(90 * 24) }
}

/// Whether a client that knows a bundle believes what is served, as the aggregator does.
fn believed(bundle: &str, served: &Material, now: i64) -> Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        let certificate = certificate.unwrap();
        // The API server, unlike webpki, believes no authority outside its own time.
        let (_, parsed) = parse_x509_certificate(&certificate).unwrap();
        if parsed.validity().is_valid_at(ASN1Time::from_timestamp(now).unwrap()) {
            roots.add(certificate).unwrap();
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap()));
    let name = "metrics-adapter.monitoring.svc".try_into().unwrap();
    let (leaf, between) = served.certified.cert.split_first().unwrap();
    verifier.verify_server_cert(leaf, between, &name, &[], time).map(|_| ())
}

#[test]
fn what_is_made_is_believed_and_read_again() {
    let material = Material::new(&names(), lifetimes(), NOW).unwrap();
    believed(&material.bundle(), &material, NOW).unwrap();
    believed(&material.bundle(), &material, NOW - 3000).expect("a clock that is behind");
    let read = Material::read(&material.data(), &names()).unwrap();
    assert!(read.is(&material));
    assert_eq!((read.not_after, read.authority_not_after()), (NOW + 90 * DAY, NOW + 360 * DAY));
    let other = Material::new(&names(), lifetimes(), NOW).unwrap();
    assert!(!other.is(&material) && believed(&other.bundle(), &material, NOW).is_err());
}

#[test]
fn what_is_due_is_done_in_time() {
    let material = Material::new(&names(), lifetimes(), NOW).unwrap();
    let table = [
        (0, Action::Keep),
        (59 * DAY, Action::Keep),
        (61 * DAY, Action::Certificate),
        (89 * DAY, Action::Certificate),
        (181 * DAY, Action::Authority),
        (-2 * DAY, Action::Certificate),
    ];
    for (later, action) in table {
        // A certificate of the future is no good; the authority that made it is known all the same by then.
        let found = material.due(lifetimes(), NOW + later);
        let expected = if later < 0 { Action::Keep } else { action };
        assert_eq!(found, expected, "{later}");
    }
    // Whoever slept through it all begins anew, and is believed.
    for asleep in [181 * DAY, 400 * DAY] {
        let renewed = material.after(Action::Authority, &names(), lifetimes(), NOW + asleep).unwrap();
        assert_eq!(renewed.due(lifetimes(), NOW + asleep), Action::Keep);
        believed(&renewed.bundle(), &renewed, NOW + asleep).unwrap();
        assert!(Material::read(&renewed.data(), &names()).unwrap().is(&renewed));
    }
}

#[test]
fn a_bundle_that_was_in_force_a_moment_ago_still_verifies_whatever_is_served() {
    let lifetimes = Lifetimes { certificate: Duration::from_mins(50) };
    let spread = seconds(lifetimes.spread());
    let mut material = Material::new(&names(), lifetimes, NOW).unwrap();
    let mut bundles: VecDeque<(i64, String)> = VecDeque::from([(NOW, material.bundle())]);
    let (mut authorities, mut certificates) = (0, 0);
    for now in (NOW..NOW + 60_000).step_by(50) {
        let action = material.due(lifetimes, now);
        if action != Action::Keep {
            material = material.after(action, &names(), lifetimes, now).unwrap();
            assert!(Material::read(&material.data(), &names()).unwrap().is(&material));
            bundles.push_back((now, material.bundle()));
            authorities += u32::from(action == Action::Authority);
            certificates += u32::from(action == Action::Certificate);
        }
        while bundles.len() > 1 && bundles[1].0 + spread < now {
            bundles.pop_front();
        }
        for (since, bundle) in &bundles {
            believed(bundle, &material, now).unwrap_or_else(|error| panic!("{now}, bundle of {since}: {error}"));
        }
    }
    assert!(authorities >= 8 && certificates >= 25, "{authorities} {certificates}");
}

#[test]
fn what_is_wrong_with_a_secret_is_named() {
    let good = Material::new(&names(), lifetimes(), NOW).unwrap();
    let other = Material::new(&names(), lifetimes(), NOW).unwrap();
    let mixed = |entry: &str| {
        let mut data = good.data();
        data.insert(entry.to_owned(), other.data()[entry].clone());
        Material::read(&data, &names()).unwrap_err()
    };
    assert_eq!(mixed("ca.crt"), "ca.key is not that of the first certificate in ca.crt");
    assert_eq!(mixed("ca.key"), "ca.key is not that of the first certificate in ca.crt");
    assert_eq!(mixed("tls.crt"), "tls.crt is of none of the authorities in ca.crt");
    assert!(mixed("tls.key").starts_with("tls.crt does not go with tls.key"));
    for entry in ["ca.crt", "ca.key", "tls.crt", "tls.key"] {
        let mut data = good.data();
        data.remove(entry);
        assert_eq!(Material::read(&data, &names()).unwrap_err(), format!("{entry} is missing"));
        data.insert(entry.to_owned(), ByteString(b"nonsense".to_vec()));
        assert!(Material::read(&data, &names()).unwrap_err().starts_with(entry), "{entry}");
    }
    let elsewhere = ["other.monitoring.svc".to_owned()];
    let problem = Material::read(&good.data(), &elsewhere).unwrap_err();
    assert_eq!(problem, "tls.crt is not made out to other.monitoring.svc");
}
