use std::net::Ipv6Addr;

use hyper::Uri;

use super::KubeletSettings;
use crate::cluster::Node;

const PATH: &str = "/metrics/resource";

/// Where a node's kubelet is; an error says why that is not known.
pub(super) fn of(node: &Node, settings: &KubeletSettings) -> Result<Uri, String> {
    let of_type = |wanted: &String| {
        let mut addresses = node.addresses.iter().filter(|(kind, address)| kind == wanted && !address.is_empty());
        addresses.next().map(|(_, address)| address)
    };
    let Some(address) = settings.address_types.iter().find_map(of_type) else {
        let types = settings.address_types.join(", ");
        return Err(format!(
            "the node has no address of the types {types}; --kubelet-preferred-address-types names others"
        ));
    };
    let port = node.kubelet_port.filter(|port| settings.use_node_status_port && *port != 0).unwrap_or(settings.port);
    let host = if address.parse::<Ipv6Addr>().is_ok() { format!("[{address}]") } else { address.clone() };
    let uri = Uri::builder().scheme("https").authority(format!("{host}:{port}")).path_and_query(PATH).build();
    uri.map_err(|error| format!("the node's address {address:?} is none: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a [(&'a str, &'a str)], Option<u16>, &'a KubeletSettings, &'a str);

    #[test]
    fn the_best_type_of_address_that_a_node_has_is_taken() {
        let settings = KubeletSettings::default();
        let preferring_names = KubeletSettings { address_types: vec!["Hostname".to_owned()], ..settings.clone() };
        let saying = KubeletSettings { use_node_status_port: true, ..settings.clone() };
        let (ip, external, name) = (("InternalIP", "10.0.0.1"), ("ExternalIP", "1.2.3.4"), ("Hostname", "node-1"));
        let table: &[Row<'_>] = &[
            (&[name, external, ip], None, &settings, "https://10.0.0.1:10250/metrics/resource"),
            (&[ip, ("InternalIP", "fd00::1")], None, &settings, "https://10.0.0.1:10250/metrics/resource"),
            (&[("InternalIP", ""), name], None, &settings, "https://node-1:10250/metrics/resource"),
            (&[("InternalIP", "fd00::1")], None, &settings, "https://[fd00::1]:10250/metrics/resource"),
            (&[ip, name], None, &preferring_names, "https://node-1:10250/metrics/resource"),
            (&[ip], Some(11250), &settings, "https://10.0.0.1:10250/metrics/resource"),
            (&[ip], Some(11250), &saying, "https://10.0.0.1:11250/metrics/resource"),
            (&[ip], Some(0), &saying, "https://10.0.0.1:10250/metrics/resource"),
            (&[ip], None, &saying, "https://10.0.0.1:10250/metrics/resource"),
            (
                &[("InternalDNS", "node-1.internal")],
                None,
                &settings,
                "the node has no address of the types InternalIP, ExternalIP, Hostname; \
                 --kubelet-preferred-address-types names others",
            ),
            (&[("Hostname", "a b")], None, &settings, "the node's address \"a b\" is none: invalid uri character"),
        ];
        for (addresses, kubelet_port, settings, expected) in table {
            let addresses = addresses.iter().map(|(kind, address)| ((*kind).to_owned(), (*address).to_owned()));
            let node = Node {
                name: "n".into(),
                labels: crate::model::Labels::default(),
                addresses: addresses.collect(),
                kubelet_port: *kubelet_port,
            };
            let place = of(&node, settings).map_or_else(|problem| problem, |uri| uri.to_string());
            assert_eq!(place, *expected);
        }
    }
}
