use axum::http::{HeaderMap, header};

use super::failure::Failure;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Format {
    /// `application/json`
    Json,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
    /// `application/json;as=Table`: what `kubectl get` prints. The group's version is the newest that was
    /// asked for.
    Table,
    /// The same in `meta.k8s.io/v1beta1`.
    TableV1beta1,
}

impl Format {
    /// As in `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
            Self::Json | Self::Table | Self::TableV1beta1 => "application/json",
        }
    }

    /// What a list or an object can be answered in.
    pub(super) fn of_objects(headers: &HeaderMap) -> Result<Self, Failure> {
        choose(headers, |clause| match clause.media_type {
            "application/json" if clause.has("as", "Table") && clause.has("g", "meta.k8s.io") => {
                let versions = [("v1", Self::Table), ("v1beta1", Self::TableV1beta1)];
                versions.into_iter().find(|(version, _)| clause.has("v", version)).map(|(_, table)| table)
            }
            _ => Self::plain(clause),
        })
    }

    /// What values can be answered in.
    pub(super) fn of_values(headers: &HeaderMap) -> Result<Self, Failure> {
        choose(headers, Self::plain)
    }

    fn plain(clause: &Clause<'_>) -> Option<Self> {
        match clause.media_type {
            _ if clause.transforms() => None,
            "application/vnd.kubernetes.protobuf" => Some(Self::Protobuf),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            _ => None,
        }
    }
}

/// One of the media types that a client takes.
pub(super) struct Clause<'a> {
    pub(super) media_type: &'a str,
    parameters: &'a str,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let (media_type, parameters) = text.split_once(';').unwrap_or((text, ""));
        Self { media_type: media_type.trim(), parameters }
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self.parameters.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(own, _)| own.trim() == name).map(|(_, value)| value.trim())
    }

    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.parameter(name) == Some(value)
    }

    /// Whether another kind of object is asked for.
    pub(super) fn transforms(&self) -> bool {
        self.parameter("as").is_some()
    }

    /// In thousandths.
    fn quality(&self) -> u16 {
        let quality = self.parameter("q").and_then(|quality| quality.parse::<f32>().ok()).unwrap_or(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 1")]
        let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
        thousandths
    }
}

/// The first of what the client likes best that `offer` has. Without a wish it is what `*/*` is.
pub(super) fn choose<T>(headers: &HeaderMap, offer: impl Fn(&Clause<'_>) -> Option<T>) -> Result<T, Failure> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut clauses: Vec<Clause<'_>> =
        values.flat_map(|value| value.split(',')).filter(|text| !text.trim().is_empty()).map(Clause::parse).collect();
    if clauses.is_empty() {
        clauses.push(Clause::parse("*/*"));
    }
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.quality()));
    let liked = clauses.iter().filter(|clause| clause.quality() > 0);
    liked.into_iter().find_map(offer).ok_or_else(Failure::not_acceptable)
}

/// Whether the answer may be compressed.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(Clause::parse)
        .any(|clause| matches!(clause.media_type, "gzip" | "*") && clause.quality() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())])
    }

    #[test]
    fn what_kubernetes_clients_send_is_understood() {
        let kubectl_get = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let table = [
            ("application/vnd.kubernetes.protobuf, */*", Format::Protobuf, Format::Protobuf),
            ("application/json, */*", Format::Json, Format::Json),
            (kubectl_get, Format::Table, Format::Json),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io, */*", Format::TableV1beta1, Format::Json),
            ("*/*", Format::Json, Format::Json),
            ("text/html, application/*;q=0.5", Format::Json, Format::Json),
            ("application/json;q=0.5, application/vnd.kubernetes.protobuf;q=0.9", Format::Protobuf, Format::Protobuf),
            ("application/vnd.kubernetes.protobuf;q=0, application/json", Format::Json, Format::Json),
        ];
        for (accept, objects, values) in table {
            assert_eq!(Format::of_objects(&headers(accept)).unwrap(), objects, "{accept}");
            assert_eq!(Format::of_values(&headers(accept)).unwrap(), values, "{accept}");
        }
        assert_eq!(Format::of_values(&HeaderMap::new()).unwrap(), Format::Json);
        for accept in ["text/html", "application/yaml", "application/json;as=Table;v=v2;g=meta.k8s.io", "*/*;q=0"] {
            assert!(Format::of_objects(&headers(accept)).is_err(), "{accept}");
        }
    }
}
