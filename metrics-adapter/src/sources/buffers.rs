use std::sync::{Mutex, PoisonError};

/// A buffer that one large exposition has blown up is not kept.
const LARGEST_KEPT: usize = 256 << 10;
/// So many buffers are kept; there are as many as targets that are being read, or hang.
const MOST_KEPT: usize = 64;

/// Memory that bodies are read into, used again and again.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() > LARGEST_KEPT {
            return;
        }
        buffer.clear();
        let mut buffers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffers.len() < MOST_KEPT {
            buffers.push(buffer);
        }
    }
}
