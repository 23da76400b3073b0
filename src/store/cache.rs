//! What was read from sealed partitions and may be wanted again, within a bound.
//!
//! A page that draws itself anew every few seconds asks for the same blocks each time; from
//! here they come without opening a database. Both caches survive a scan: what is touched
//! once makes room before what is touched twice (S3-FIFO).

use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::disk::pages::Address;
use super::disk::partition::Name;
use super::facts::Facts;

/// Compressed blocks and groups: 256 of logs, or the day of 1,000 series.
const BLOCKS_MAX_BYTES: u64 = 6 << 20;

/// Facts: the labels of 10,000 series and their index take about 3 MB a partition.
const FACTS_MAX_BYTES: u64 = 12 << 20;

type BlockKey = (Name, Address);

/// Counts what an entry takes.
#[derive(Clone)]
struct Bytes;

impl Weighter<BlockKey, Arc<[u8]>> for Bytes {
    fn weight(&self, _: &BlockKey, block: &Arc<[u8]>) -> u64 {
        block.len() as u64 + 64
    }
}

impl Weighter<Name, Arc<Facts>> for Bytes {
    fn weight(&self, _: &Name, facts: &Arc<Facts>) -> u64 {
        facts.size_bytes() as u64 + 64
    }
}

/// The caches of one store.
pub struct Caches {
    blocks: Cache<BlockKey, Arc<[u8]>, Bytes>,
    facts: Cache<Name, Arc<Facts>, Bytes>,
}

impl Default for Caches {
    fn default() -> Self {
        // One shard each, so that the bound is one bound and large entries fit.
        let options = |n_items: usize, n_bytes: u64| {
            OptionsBuilder::new()
                .estimated_items_capacity(n_items)
                .weight_capacity(n_bytes)
                .shards(1)
                .build()
                .expect("both capacities are given")
        };
        Caches {
            blocks: Cache::with_options(
                options(512, BLOCKS_MAX_BYTES),
                Bytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            facts: Cache::with_options(
                options(64, FACTS_MAX_BYTES),
                Bytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
        }
    }
}

impl Caches {
    /// Returns a block that was read before.
    pub fn block(&self, partition: Name, address: Address) -> Option<Arc<[u8]>> {
        self.blocks.get(&(partition, address))
    }

    /// Keeps a block for the next time.
    pub fn keep_block(&self, partition: Name, address: Address, block: &Arc<[u8]>) {
        self.blocks.insert((partition, address), block.clone());
    }

    /// Returns facts that were read before.
    pub fn facts(&self, partition: Name) -> Option<Arc<Facts>> {
        self.facts.get(&partition)
    }

    /// Keeps facts for the next time.
    pub fn keep_facts(&self, partition: Name, facts: &Arc<Facts>) {
        self.facts.insert(partition, facts.clone());
    }
}
