use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Incoming;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokio::sync::mpsc;

use super::answer::{self, Remarks};
use super::client::{broke_off, failure};
use crate::model::{QueryFailure, QueryFailureReason};
use crate::rules::ListedSeries;

/// More than two million series need less, in bytes.
const LARGEST: usize = 1 << 30;
/// Names, each with a set of labels. A rule of more of them offers more metrics than anybody asks for.
const MOST: usize = 20_000;
/// Chunks of an answer that wait to be read.
const QUEUE: usize = 8;
/// So much of an answer is kept to say what it is, if it is none, in bytes.
const BEGINNING: usize = 512;

/// Reads a listing while it arrives: a million series are never held.
pub(super) async fn read(mut incoming: Incoming, accept_partial: bool) -> Result<Vec<ListedSeries>, QueryFailure> {
    let (chunks, received) = mpsc::channel::<Result<Bytes, QueryFailure>>(QUEUE);
    let parsed = tokio::task::spawn_blocking(move || parse(received, accept_partial));
    let mut bytes = 0;
    while let Some(frame) = incoming.frame().await {
        let chunk = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(_)) => continue,
            Err(error) => Err(broke_off(&error)),
        };
        bytes += chunk.as_ref().map_or(0, Bytes::len);
        let chunk = if bytes > LARGEST { Err(too_large(&format!("more than {LARGEST} bytes"))) } else { chunk };
        let last = chunk.is_err();
        if chunks.send(chunk).await.is_err() || last {
            break;
        }
    }
    drop(chunks);
    parsed.await.map_err(|error| failure(QueryFailureReason::Malformed, error.to_string()))?
}

fn too_large(what: &str) -> QueryFailure {
    failure(QueryFailureReason::TooLarge, format!("{what}; a narrower seriesQuery finds fewer series"))
}

fn parse(
    received: mpsc::Receiver<Result<Bytes, QueryFailure>>,
    accept_partial: bool,
) -> Result<Vec<ListedSeries>, QueryFailure> {
    let mut arriving = Arriving { received, chunk: Bytes::new(), beginning: Vec::new(), failure: None };
    let mut found = Found::default();
    let mut deserializer = serde_json::Deserializer::from_reader(io::BufReader::with_capacity(64 << 10, &mut arriving));
    let read = deserializer.deserialize_map(Envelope(&mut found));
    drop(deserializer);
    if let Some(failure) = arriving.failure {
        return Err(failure);
    }
    if found.sets > MOST {
        return Err(too_large(&format!("more than {MOST} names with different labels")));
    }
    read.map_err(|error| answer::malformed(&arriving.beginning, &error))?;
    answer::succeeded(StatusCode::OK, &found.status, &found.error_type, &found.error)?;
    std::mem::take(&mut found.remarks).of_a_whole(accept_partial)?;
    Ok(found.sorted())
}

/// What arrives, for whoever reads.
struct Arriving {
    received: mpsc::Receiver<Result<Bytes, QueryFailure>>,
    chunk: Bytes,
    /// To say what it is, if it is no answer.
    beginning: Vec<u8>,
    /// Why no more arrives, if that was not the end.
    failure: Option<QueryFailure>,
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.received.blocking_recv() {
                None => return Ok(0),
                Some(Err(failure)) => {
                    self.failure = Some(failure);
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Some(Ok(chunk)) => {
                    if self.beginning.len() < BEGINNING {
                        self.beginning.extend_from_slice(&chunk[..chunk.len().min(BEGINNING)]);
                    }
                    self.chunk = chunk;
                }
            }
        }
        let read = self.chunk.len().min(into.len());
        into[..read].copy_from_slice(&self.chunk.split_to(read));
        Ok(read)
    }
}

/// What a listing says so far.
#[derive(Default)]
struct Found {
    status: String,
    error_type: String,
    error: String,
    remarks: Remarks,
    series: HashMap<String, HashMap<Vec<String>, usize>>,
    /// Names, each with a set of labels.
    sets: usize,
}

impl Found {
    fn add(&mut self, name: String, mut labels: Vec<String>) {
        labels.sort_unstable();
        let of_name = self.series.entry(name).or_default();
        if let Some(count) = of_name.get_mut(&labels) {
            *count += 1;
            return;
        }
        of_name.insert(labels, 1);
        self.sets += 1;
    }

    fn sorted(self) -> Vec<ListedSeries> {
        let mut names: HashMap<String, Arc<str>> = HashMap::new();
        let mut label = |name: String| {
            let shared = names.entry(name).or_insert_with_key(|name| name.as_str().into());
            Arc::clone(shared)
        };
        let mut all = Vec::with_capacity(self.sets);
        for (name, sets) in self.series {
            let name: Arc<str> = name.into();
            for (labels, count) in sets {
                let labels = labels.into_iter().map(&mut label).collect();
                all.push(ListedSeries { name: Arc::clone(&name), labels, count });
            }
        }
        all.sort_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
        all
    }
}

/// The answer, whole.
struct Envelope<'f>(&'f mut Found);

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of Prometheus's API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "status" => self.0.status = map.next_value()?,
                "errorType" => self.0.error_type = map.next_value()?,
                "error" => self.0.error = map.next_value()?,
                "data" => map.next_value_seed(AllSeries(self.0))?,
                "warnings" => self.0.remarks.warnings = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "isPartial" => self.0.remarks.is_partial = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct AllSeries<'f>(&'f mut Found);

impl<'de> DeserializeSeed<'de> for AllSeries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // An error has no data, and some write that down.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AllSeries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of series")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<(), A::Error> {
        while all.next_element_seed(OneSeries(self.0))?.is_some() {
            if self.0.sets > MOST {
                return Err(A::Error::custom("too many"));
            }
        }
        Ok(())
    }
}

struct OneSeries<'f>(&'f mut Found);

impl<'de> DeserializeSeed<'de> for OneSeries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneSeries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the labels of a series")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut name, mut labels) = (String::new(), Vec::new());
        while let Some(label) = map.next_key::<String>()? {
            if label == "__name__" {
                name = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
                labels.push(label);
            }
        }
        self.0.add(name, labels);
        Ok(())
    }
}
