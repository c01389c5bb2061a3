//! Kubernetes' protobuf, written by hand: the few messages that the metrics APIs have, in the order and with
//! the empty fields that Go's servers write. `k8s\0` begins every body, then comes a `runtime.Unknown`
//! around the message.

use std::time::Duration;

use super::json;
use crate::model::{Labels, ObjectReference, Requirement, Selector, Wall};

/// A message that is being written.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

const VARINT: u32 = 0;
const BYTES: u32 = 2;

impl Message {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            // The low seven bits, and that more follow.
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.raw_varint(u64::from(field << 3 | kind));
    }

    pub(super) fn varint(&mut self, field: u32, value: i64) {
        self.tag(field, VARINT);
        self.raw_varint(value.cast_unsigned());
    }

    pub(super) fn string(&mut self, field: u32, text: &str) {
        self.tag(field, BYTES);
        self.raw_varint(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A message in a message: written where it stands, its length put before it afterwards.
    pub(super) fn nested(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.tag(field, BYTES);
        // Most are shorter than 128 bytes.
        let place = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - place - 1;
        if length < 0x80 {
            self.0[place] = length.to_le_bytes()[0];
            return;
        }
        let mut prefix = Self::default();
        prefix.raw_varint(length as u64);
        self.0.splice(place..=place, prefix.0);
    }

    pub(super) fn labels(&mut self, field: u32, labels: &Labels) {
        for (name, value) in labels.iter() {
            self.nested(field, |entry| {
                entry.string(1, name);
                entry.string(2, value);
            });
        }
    }

    /// `metav1.Time`, in whole seconds as Kubernetes keeps times.
    pub(super) fn time(&mut self, field: u32, wall: Wall) {
        self.nested(field, |time| {
            time.varint(1, wall.seconds());
            time.varint(2, 0);
        });
    }

    /// `metav1.Duration`, in nanoseconds.
    pub(super) fn duration(&mut self, field: u32, duration: Duration) {
        self.nested(field, |message| {
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            message.varint(1, millis.saturating_mul(1_000_000));
        });
    }

    pub(super) fn quantity(&mut self, field: u32, quantity: impl std::fmt::Display) {
        use std::io::Write as _;
        self.nested(field, |message| {
            message.nested(1, |text| {
                // Writing to memory cannot fail.
                let _ = write!(text.0, "{quantity}");
            });
        });
    }

    /// An empty `metav1.ListMeta`.
    pub(super) fn list_meta(&mut self, field: u32) {
        self.nested(field, |meta| (1..=3).for_each(|field| meta.string(field, "")));
    }

    /// The `metav1.ObjectMeta` of what is neither stored nor changed.
    pub(super) fn object_meta(&mut self, field: u32, name: &str, namespace: &str, created: Wall, labels: &Labels) {
        self.nested(field, |meta| {
            meta.string(1, name);
            meta.string(2, "");
            meta.string(3, namespace);
            (4..=6).for_each(|field| meta.string(field, ""));
            meta.varint(7, 0);
            meta.time(8, created);
            meta.labels(11, labels);
        });
    }

    pub(super) fn reference(&mut self, field: u32, object: &ObjectReference<'_>) {
        self.nested(field, |reference| {
            reference.string(1, object.resource.kind);
            reference.string(2, object.namespace);
            reference.string(3, object.name);
            reference.string(4, "");
            reference.string(5, object.resource.api_version);
            reference.string(6, "");
            reference.string(7, "");
        });
    }

    /// A `metav1.LabelSelector`, if something was selected.
    pub(super) fn selector(&mut self, field: u32, selector: &Selector) {
        if selector.is_empty() {
            return;
        }
        let (equal, others): (Vec<&Requirement>, Vec<_>) =
            selector.requirements().iter().partition(|own| json::is_equal(own));
        self.nested(field, |message| {
            for own in equal {
                message.nested(1, |entry| {
                    entry.string(1, &own.key);
                    entry.string(2, own.values.first().map_or("", String::as_str));
                });
            }
            for own in others {
                message.nested(2, |expression| {
                    expression.string(1, &own.key);
                    expression.string(2, json::operator(own));
                    own.values.iter().for_each(|value| expression.string(3, value));
                });
            }
        });
    }

    /// The whole body: this message, of that kind.
    pub(super) fn enveloped(self, api_version: &str, kind: &str) -> Vec<u8> {
        let mut body = Self(Vec::with_capacity(self.0.len() + 96));
        body.0.extend_from_slice(b"k8s\0");
        body.nested(1, |meta| {
            meta.string(1, api_version);
            meta.string(2, kind);
        });
        body.tag(2, BYTES);
        body.raw_varint(self.0.len() as u64);
        body.0.extend_from_slice(&self.0);
        body.string(3, "");
        body.string(4, "");
        body.0
    }
}
