//! Names, as the API server has them.

use metrics_adapter::yaml::{Node, Problem};

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().last()].iter().all(|end| end.is_some_and(inner));
    ends && text.len() <= 63 && text.bytes().all(|byte| inner(byte) || byte == b'-')
}

/// Of a namespace or a container.
pub(super) fn label(node: &Node, path: &str) -> Result<String, Problem> {
    node.parsed(path, |text| if is_label(text) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "Invalid value: \"{text}\": must consist of lower case alphanumeric characters or '-', start and end with an \
             alphanumeric character, and be no longer than 63"
        ))
    })
}

/// Of an object.
pub(super) fn subdomain(node: &Node, path: &str) -> Result<String, Problem> {
    node.parsed(path, |text| if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "Invalid value: \"{text}\": must consist of lower case alphanumeric characters, '-' or '.', and must start and \
             end with an alphanumeric character"
        ))
    })
}

/// What can stand between two slashes: of what is referred to, whatever its own rules are.
pub(super) fn segment(node: &Node, path: &str) -> Result<String, Problem> {
    node.parsed(path, |text| match text {
        "" => Err("Required value".to_owned()),
        "." | ".." => Err(format!("Invalid value: \"{text}\": may not be '{text}'")),
        _ if text.contains(['/', '%']) => Err(format!("Invalid value: \"{text}\": may not contain '/' or '%'")),
        _ => Ok(text.to_owned()),
    })
}

/// Of what a container can request.
pub(super) fn resource(node: &Node, path: &str) -> Result<String, Problem> {
    node.parsed(path, |text| {
        let standard = ["cpu", "memory", "ephemeral-storage"].contains(&text) || text.starts_with("hugepages-");
        match text {
            "" => Err("Required value: must specify a resource name".to_owned()),
            _ if standard || text.contains('/') => Ok(text.to_owned()),
            _ => Err(format!("Invalid value: \"{text}\": must be a standard resource for containers")),
        }
    })
}
