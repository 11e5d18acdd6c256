//! What the threads answer from, replaced as a whole: each sees one generation for the length of an answer.

use crate::dns::catalog::Catalog;
use crate::dns::policy::steering::Steering;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One snapshot.
#[derive(Clone, Debug)]
pub struct World {
    /// The number of the generation of zones and policies, from 1.
    pub generation: u64,
    /// The number of the snapshot: figures change more often than zones.
    version: u64,
    /// The zones.
    pub catalog: Arc<Catalog>,
    /// Where a policy's names lead.
    pub steering: Arc<Steering>,
}

/// Where the newest snapshot is to be had.
#[derive(Debug)]
pub struct Published {
    newest: Mutex<Arc<World>>,
    version: AtomicU64,
}

impl Published {
    /// Begins as generation 1.
    pub fn new(catalog: Catalog, steering: Steering) -> Self {
        let world =
            World { generation: 1, version: 1, catalog: Arc::new(catalog), steering: Arc::new(steering) };
        Self { newest: Mutex::new(Arc::new(world)), version: AtomicU64::new(1) }
    }

    /// Replaces zones and policies; the new generation's number.
    pub fn replace(&self, catalog: Catalog, steering: Steering) -> u64 {
        self.change(|world| {
            world.generation += 1;
            (world.catalog, world.steering) = (Arc::new(catalog), Arc::new(steering));
        })
    }

    /// Replaces what the policies know.
    pub fn replace_steering(&self, steering: Steering) {
        self.change(|world| world.steering = Arc::new(steering));
    }

    fn change(&self, change: impl FnOnce(&mut World)) -> u64 {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut world = World::clone(&newest);
        change(&mut world);
        world.version += 1;
        let (generation, version) = (world.generation, world.version);
        *newest = Arc::new(world);
        self.version.store(version, Ordering::Release);
        generation
    }

    /// The newest snapshot.
    pub fn newest(&self) -> Arc<World> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the newest snapshot if `held` is older: one load where nothing is new.
    pub fn refresh(&self, held: &mut Arc<World>) {
        if self.version.load(Ordering::Acquire) != held.version {
            *held = self.newest();
        }
    }
}
