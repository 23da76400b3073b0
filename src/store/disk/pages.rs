//! A partition's records: frames one after the other, cut into pages.
//!
//! A frame is bulk or a fact. Bulk is what takes the room (chunks, lines, spans) and is read
//! only by its [`Address`]; facts say what is where and are few, so that all of them
//! together fit into memory. A page is durable as a whole or not at all, and a frame that
//! ends in a page that never became durable does not exist.

use std::sync::Arc;

use super::db::{PAGE_BYTES, REOPEN_BYTES};
use super::partition::Partition;
use crate::store::error::PartitionError;
use crate::store::wire::{Damaged, Reader, put_bytes, put_varint};

/// No frame is longer; a damaged length is refused before anything waits for its end.
const FRAME_MAX_BYTES: u64 = 64 << 20;

/// Most frames of bulk are shorter.
const READ_AT_ONCE_BYTES: usize = 256 << 10;

/// The frame kind of bulk; every other kind is a fact and belongs to the kind of partition.
pub const BULK: u8 = 0;

/// Where a frame's content lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// The page in which it begins.
    pub page: u32,
    /// The place in that page.
    pub at: u32,
    /// Its length in bytes.
    pub len: u32,
}

impl Address {
    /// Appends the address.
    pub fn put(self, out: &mut Vec<u8>) {
        put_varint(out, self.page.into());
        put_varint(out, self.at.into());
        put_varint(out, self.len.into());
    }

    /// Reads what [`Address::put`] wrote.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Address { page: reader.u32()?, at: reader.u32()?, len: reader.u32()? })
    }
}

/// Appends a frame to bytes in memory.
pub fn put_frame(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.push(kind);
    put_bytes(out, content);
}

/// Appends frames to a partition that it alone writes.
pub struct PageWriter {
    partition: Arc<Partition>,
    /// The number of the page that `tail` will become.
    next: u32,
    tail: Vec<u8>,
    payload_bytes: u64,
    /// Bytes since the handle was opened.
    kept_bytes: usize,
}

impl PageWriter {
    /// Begins to write an empty partition.
    pub fn new(partition: Arc<Partition>) -> Result<Self, PartitionError> {
        partition.db.pin(true);
        partition.db.open()?;
        Ok(PageWriter { partition, next: 0, tail: Vec::new(), payload_bytes: 0, kept_bytes: 0 })
    }

    /// Returns the partition.
    pub fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Appends a frame; it is durable after the next flush.
    pub fn append(&mut self, kind: u8, content: &[u8]) -> Result<Address, PartitionError> {
        // It may have been closed since the last frame, where those are hours apart.
        self.partition.db.pin(true);
        self.partition.db.open()?;
        let mut head = vec![kind];
        put_varint(&mut head, content.len() as u64);
        self.extend(&head)?;
        let address = Address { page: self.next, at: self.tail.len() as u32, len: content.len() as u32 };
        self.extend(content)?;
        Ok(address)
    }

    /// Returns the bytes of all frames.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Makes everything appended durable.
    pub fn flush(&mut self) -> Result<(), PartitionError> {
        if !self.tail.is_empty() {
            let page = std::mem::take(&mut self.tail);
            self.put(page)?;
        }
        self.partition.db.flush()
    }

    /// Gives the handle up after an error.
    pub fn give_up(&self) {
        self.partition.db.give_up();
    }

    /// Ends the writing; readers open the partition for themselves.
    pub fn close(&self) {
        self.partition.db.pin(false);
        self.partition.db.close();
    }

    fn extend(&mut self, mut bytes: &[u8]) -> Result<(), PartitionError> {
        self.payload_bytes += bytes.len() as u64;
        while self.tail.len() + bytes.len() >= PAGE_BYTES {
            let (head, rest) = bytes.split_at(PAGE_BYTES - self.tail.len());
            self.tail.extend_from_slice(head);
            let page = std::mem::take(&mut self.tail);
            self.put(page)?;
            bytes = rest;
        }
        self.tail.extend_from_slice(bytes);
        Ok(())
    }

    fn put(&mut self, page: Vec<u8>) -> Result<(), PartitionError> {
        self.kept_bytes += page.len();
        self.partition.db.put(self.next, page)?;
        self.next += 1;
        if self.kept_bytes >= REOPEN_BYTES {
            self.kept_bytes = 0;
            self.partition.db.flush()?;
            self.partition.db.reopen()?;
        }
        Ok(())
    }
}

/// Reads the content of one frame; none while the partition is closed.
pub fn read(partition: &Partition, address: Address) -> Result<Option<Vec<u8>>, PartitionError> {
    let n_bytes = address.len as usize;
    if n_bytes as u64 > FRAME_MAX_BYTES {
        return Err(partition.damaged(Damaged("a frame claims to be too large")));
    }
    // A damaged length must not allocate more than there are pages.
    let mut res = Vec::with_capacity(n_bytes.min(READ_AT_ONCE_BYTES));
    let mut skip = address.at as usize;
    let is_open = partition.db.pages(address.page, |page| {
        let from = page.get(skip..).unwrap_or_default();
        skip = 0;
        res.extend_from_slice(&from[..from.len().min(n_bytes - res.len())]);
        res.len() < n_bytes
    })?;
    if is_open && res.len() < n_bytes {
        return Err(partition.damaged(Damaged("a frame ends early")));
    }
    Ok(is_open.then_some(res))
}

/// Visits every fact in the order of writing; returns false while the partition is closed.
///
/// Holds one page and one fact at a time. Bulk is passed over.
pub fn scan(
    partition: &Partition,
    mut visit: impl FnMut(u8, &[u8]) -> Result<(), Damaged>,
) -> Result<bool, PartitionError> {
    let mut frames = Frames::default();
    let mut fault = None;
    let is_open = partition.db.pages(0, |page| {
        fault = frames.take(page, &mut visit).err();
        fault.is_none()
    })?;
    match fault {
        None => Ok(is_open),
        Some(damage) => Err(partition.damaged(damage)),
    }
}

/// Puts frames together from the pages that they are cut into.
#[derive(Default)]
struct Frames {
    /// A head that the last page did not end.
    head: Vec<u8>,
    /// The kind of the frame whose content comes next.
    kind: u8,
    /// How much of its content is still to come.
    lacking: usize,
    /// Its content so far; stays empty for bulk.
    content: Vec<u8>,
}

impl Frames {
    fn take(
        &mut self,
        mut page: &[u8],
        visit: &mut impl FnMut(u8, &[u8]) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        while let [first, rest @ ..] = page {
            if self.lacking == 0 {
                page = rest;
                self.head.push(*first);
                if !self.begin()? || self.lacking > 0 {
                    continue;
                }
            } else {
                let (part, after) = page.split_at(self.lacking.min(page.len()));
                page = after;
                self.lacking -= part.len();
                if self.kind != BULK {
                    self.content.extend_from_slice(part);
                }
            }
            if self.lacking == 0 && self.kind != BULK {
                visit(self.kind, &self.content)?;
                self.content.clear();
            }
        }
        Ok(())
    }

    // A head is a kind and a varint; its last byte is the first below 0x80 behind the kind.
    // Returns whether it is whole.
    fn begin(&mut self) -> Result<bool, Damaged> {
        let [kind, len @ ..] = self.head.as_slice() else { return Ok(false) };
        if len.last().is_none_or(|byte| *byte >= 0x80) {
            return if len.len() > 9 { Err(Damaged("head of a frame")) } else { Ok(false) };
        }
        let n_bytes = Reader::new(len).varint()?;
        if n_bytes > FRAME_MAX_BYTES {
            return Err(Damaged("a frame claims to be too large"));
        }
        (self.kind, self.lacking) = (*kind, n_bytes as usize);
        self.head.clear();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::UnixMillis;
    use crate::store::disk::partition::{Kind, Name};

    fn partition(dir: &std::path::Path) -> Arc<Partition> {
        let name = Name { generation: 1, seq: 1, start: UnixMillis(0) };
        std::fs::create_dir_all(dir.join("logs")).unwrap();
        Arc::new(Partition::create(dir, Kind::Logs, name).unwrap())
    }

    fn noise(n_bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..n_bytes).map(|_| next()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn frames_are_read_by_address_and_facts_by_scan(
            frames in prop::collection::vec((0_u8..3, 0_usize..40_000, any::<bool>()), 1..20),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let partition = partition(dir.path());
            let mut writer = PageWriter::new(partition.clone()).unwrap();
            let mut expect = Vec::new();
            for (n, (kind, n_bytes, is_flushed)) in frames.into_iter().enumerate() {
                let content = noise(n_bytes, n as u64 + 1);
                expect.push((kind, writer.append(kind, &content).unwrap(), content));
                if is_flushed {
                    writer.flush().unwrap();
                }
            }
            writer.flush().unwrap();
            partition.db.reopen().unwrap();
            for (_, address, content) in &expect {
                prop_assert_eq!(&read(&partition, *address).unwrap().unwrap(), content);
            }
            let mut facts = Vec::new();
            scan(&partition, |kind, content| { facts.push((kind, content.to_vec())); Ok(()) }).unwrap();
            expect.retain(|(kind, ..)| *kind != BULK);
            let expect: Vec<_> = expect.into_iter().map(|(kind, _, content)| (kind, content)).collect();
            prop_assert_eq!(facts, expect);
        }

        #[test]
        fn bad_bytes_give_an_error_and_no_panic(page: Vec<u8>) {
            let _ = Frames::default().take(&page, &mut |_, _| Ok(()));
        }
    }

    #[test]
    fn pages_fill_the_slots_that_sled_gives_them() {
        let dir = tempfile::tempdir().unwrap();
        let partition = partition(dir.path());
        let mut writer = PageWriter::new(partition.clone()).unwrap();
        const BYTES: usize = 8 << 20;
        writer.append(BULK, &noise(BYTES, 7)).unwrap();
        writer.flush().unwrap();
        let size_bytes = partition.measure().unwrap() as f64;
        assert!(size_bytes < BYTES as f64 * 1.03, "{size_bytes} bytes for {BYTES}");
    }

    #[test]
    fn a_closed_partition_is_no_error_and_an_unflushed_frame_does_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        let partition = partition(dir.path());
        let mut writer = PageWriter::new(partition.clone()).unwrap();
        let first = writer.append(1, b"one").unwrap();
        writer.flush().unwrap();
        writer.append(1, &noise(20_000, 3)).unwrap();
        writer.close();
        assert_eq!(read(&partition, first).unwrap(), None);
        partition.db.open().unwrap();
        let mut facts = Vec::new();
        assert!(
            scan(&partition, |_, content| {
                facts.push(content.to_vec());
                Ok(())
            })
            .unwrap()
        );
        assert_eq!(facts, [b"one"]);
    }
}
