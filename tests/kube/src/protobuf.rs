//! Protobuf, for the one thing that a client of the tests writes in it: the status of an Ingress.

use serde_json::{Value, json};

/// `k8s\0`, then an envelope with the object in its second field.
const MAGIC: &[u8] = b"k8s\0";

/// The Ingress with the fields that an update of its status needs; none if these are other bytes.
pub fn ingress(body: &[u8]) -> Option<Value> {
    let object = field(body.strip_prefix(MAGIC)?, 2)?;
    let metadata = field(object, 1)?;
    let text = |number| String::from_utf8(field(metadata, number).unwrap_or_default().to_vec()).ok();
    let status = field(object, 3).unwrap_or_default();
    let balancer = field(status, 1).unwrap_or_default();
    let mut points = Vec::new();
    for point in fields(balancer)?.into_iter().filter(|(number, _)| *number == 1).map(|(_, bytes)| bytes) {
        let mut own = json!({});
        for (number, name) in [(1, "ip"), (2, "hostname")] {
            let value = field(point, number).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                own[name] = json!(value);
            }
        }
        points.push(own);
    }
    Some(json!({
        "metadata": {"name": text(1)?, "namespace": text(3)?, "resourceVersion": text(6)?},
        "status": {"loadBalancer": {"ingress": points}},
    }))
}

/// The last field of that number that holds bytes.
fn field(message: &[u8], number: u64) -> Option<&[u8]> {
    fields(message)?.into_iter().rev().find(|(own, _)| *own == number).map(|(_, bytes)| bytes)
}

/// The fields that hold bytes, with their numbers; none if this is no message.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => drop(varint(&mut message)?),
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                found.push((tag >> 3, bytes));
                message = rest;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(found)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
