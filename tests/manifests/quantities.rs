//! Quantities, as the adapter's own code reads them: schemas take any string for one.

use metrics_adapter::model::quantity::Quantity;
use serde_json::{Value, json};
use stack::workloads::{entries, id};

use crate::bundles::{all, bundle};

/// Fields that hold quantities by name.
const MAPS: [&str; 7] = ["requests", "limits", "hard", "default", "defaultRequest", "max", "min"];
/// Fields that are one.
const SINGLE: [&str; 3] = ["averageValue", "sizeLimit", "storage"];

/// Each quantity below a value, with its place.
fn quantities<'a>(value: &'a Value, place: &str, found: &mut Vec<(String, &'a Value)>) {
    for (key, inner) in entries(value) {
        let place = format!("{place}.{key}");
        if SINGLE.contains(&key) {
            found.push((place, inner));
        } else if MAPS.contains(&key) && inner.is_object() {
            found.extend(entries(inner).map(|(resource, amount)| (format!("{place}.{resource}"), amount)));
        } else {
            quantities(inner, &place, found);
        }
    }
    for (number, inner) in value.as_array().into_iter().flatten().enumerate() {
        quantities(inner, &format!("{place}[{number}]"), found);
    }
}

/// How many there are, and those that are none.
fn problems(objects: &[Value]) -> (usize, Vec<String>) {
    let mut found = Vec::new();
    for object in objects {
        quantities(&object["spec"], &format!("{} spec", id(object)), &mut found);
    }
    let wrong = found.iter().filter_map(|(place, value)| {
        // A bare number is one; what is finer than a thousandth is a slip of the pen, as 0.5m.
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match Quantity::parse(&text) {
            Ok(amount) if amount.nanos() % 1_000_000 == 0 => None,
            Ok(_) => Some(format!("{place}: `{text}` is finer than a thousandth")),
            Err(error) => Some(format!("{place}: {error}")),
        }
    });
    (found.len(), wrong.collect())
}

#[test]
fn every_quantity_is_one() {
    for bundle in all() {
        let (count, wrong) = problems(&bundle.objects);
        assert!(count >= 5, "{}: only {count} quantities", bundle.name);
        assert!(wrong.is_empty(), "{}:\n{}", bundle.name, wrong.join("\n"));
    }
}

#[test]
fn a_quantity_with_a_slip_of_the_pen_is_found() {
    for (written, said) in [
        (
            "500mm",
            "StatefulSet real-world/db spec.template.spec.containers[0].resources.requests.cpu: `500mm` is not a quantity",
        ),
        ("1 Gi", "`1 Gi` is not a quantity"),
        ("0.5m", "`0.5m` is finer than a thousandth"),
    ] {
        let mut objects = bundle("k8s").objects.clone();
        let db = objects.iter_mut().find(|object| id(object) == "StatefulSet real-world/db").unwrap();
        db["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = json!(written);
        let (_, wrong) = problems(&objects);
        assert!(wrong.len() == 1 && wrong[0].contains(said), "{wrong:?}");
    }
}
