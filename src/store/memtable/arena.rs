//! Memory of one memtable: rows and nodes, which stay where they are until all go at once.
//!
//! A row is {sequence u64, key length u32, value length u32, or `DELETED`}, its key, its value.
//!
//! Invariants:
//! - \[I1\] What was placed is not moved, freed or, but through atomics, changed before the arena
//!   is dropped.
//! - \[I2\] A link leads to what lies in the arena of its own tree, and was written before.
//!
//! Not here: any order of rows.
#![expect(unsafe_code, reason = "rows of any length, one behind the other")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::sync::{AtomicPtr, Ordering, Published};

/// The first chunk of an arena. Each is four times the one before, up to the largest.
const CHUNK_BYTES_MIN: usize = 4 << 10;
/// The largest chunk for many rows. Chunks of this size are kept for the next memtable.
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// How many chunks are kept: those of a memtable of the usual size.
const POOL_CHUNKS_MAX: usize = 64;
/// What lies in an arena begins at a multiple of this, at most.
const ALIGN_MAX: usize = 64;
/// In the place of a value's length: the key was deleted.
const DELETED: u32 = u32::MAX;

/// Chunks that wait for another memtable.
#[derive(Debug, Default)]
pub(super) struct Pool {
    chunks: Mutex<Vec<Chunk>>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        for chunk in self.chunks.get_mut().drain(..) {
            chunk.free();
        }
    }
}

/// Memory from the allocator.
#[derive(Debug)]
struct Chunk {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a chunk is plain memory, which has one owner.
unsafe impl Send for Chunk {}

impl Chunk {
    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGN_MAX).expect("a row is smaller than the address space")
    }

    fn new(bytes: usize) -> Self {
        assert!(bytes > 0);
        let layout = Self::layout(bytes);
        // SAFETY: the layout is not of zero bytes.
        let start = NonNull::new(unsafe { alloc(layout) });
        let start = start.unwrap_or_else(|| handle_alloc_error(layout));
        Self { start, bytes }
    }

    fn free(self) {
        // SAFETY: `new` allocated it with this layout, and whoever calls this owned it alone.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) }
    }
}

/// Memory that grows.
#[derive(Debug)]
pub(super) struct Arena {
    pool: Arc<Pool>,
    /// The last one of them has room, if any has.
    chunks: Vec<Chunk>,
    /// How much of the last chunk is taken.
    taken: usize,
    /// Size of the next chunk.
    chunk_bytes: usize,
    /// Bytes that were handed out.
    bytes: u64,
}

impl Arena {
    pub fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            chunks: Vec::new(),
            taken: 0,
            chunk_bytes: CHUNK_BYTES_MIN,
            bytes: 0,
        }
    }

    /// Bytes of what it holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whose chunks it takes and gives back.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Memory for `layout`, uninitialized.
    fn room(&mut self, layout: Layout) -> NonNull<u8> {
        assert!(layout.align() <= ALIGN_MAX);
        self.bytes += layout.size() as u64;
        let from = self.taken.next_multiple_of(layout.align());
        let end = from.saturating_add(layout.size());
        if let Some(chunk) = self.chunks.last().filter(|chunk| end <= chunk.bytes) {
            self.taken = end;
            // SAFETY: `from` is not behind the chunk's end.
            return unsafe { chunk.start.add(from) };
        }
        if layout.size() > CHUNK_BYTES_MAX / 4 {
            let chunk = Chunk::new(layout.size());
            let start = chunk.start;
            // The last chunk stays the one with room.
            self.chunks
                .insert(self.chunks.len().saturating_sub(1), chunk);
            if self.chunks.len() == 1 {
                self.taken = layout.size();
            }
            return start;
        }
        let chunk = self.chunk(layout.size());
        let start = chunk.start;
        self.chunks.push(chunk);
        self.taken = layout.size();
        start
    }

    /// The next chunk, of at least so many bytes.
    fn chunk(&mut self, bytes_min: usize) -> Chunk {
        while self.chunk_bytes < bytes_min {
            self.chunk_bytes *= 4;
        }
        let bytes = self.chunk_bytes.min(CHUNK_BYTES_MAX);
        self.chunk_bytes = (self.chunk_bytes * 4).min(CHUNK_BYTES_MAX);
        let kept = match bytes {
            CHUNK_BYTES_MAX => self.pool.chunks.lock().pop(),
            _ => None,
        };
        kept.unwrap_or_else(|| Chunk::new(bytes))
    }

    /// Places a value, whose destructor will not run.
    ///
    /// # Safety
    /// The reference is used no longer than the arena exists.
    pub unsafe fn place<'a, T>(&mut self, value: T) -> &'a T {
        let at = self.room(Layout::new::<T>()).cast::<T>();
        // SAFETY: the memory is large enough, aligned, and nobody else's [I1].
        unsafe {
            at.write(value);
            at.as_ref()
        }
    }

    /// Places a row; none as value: the key was deleted.
    ///
    /// # Safety
    /// The row is used no longer than the arena exists.
    pub unsafe fn row<'a>(&mut self, key: &[u8], sequence: u64, value: Option<&[u8]>) -> Entry<'a> {
        let limit = "keys and values have limits below 4 GiB";
        let key_bytes = u32::try_from(key.len()).expect(limit);
        let value_bytes = value.map_or(DELETED, |value| u32::try_from(value.len()).expect(limit));
        assert!(value.is_none() || value_bytes != DELETED, "{limit}");
        let value = value.unwrap_or_default();
        let bytes = HEADER_BYTES + key.len() + value.len();
        let layout = Layout::from_size_align(bytes.next_multiple_of(ROW_ALIGN), ROW_ALIGN);
        let at = self.room(layout.expect(limit));
        let header = Header {
            sequence,
            key_bytes,
            value_bytes,
        };
        // SAFETY: header, key and value fit, and nobody else has this memory [I1].
        unsafe {
            at.cast().write(Published::new(header));
            let rest = at.add(HEADER_BYTES);
            rest.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            let rest = rest.add(key.len());
            rest.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Entry {
            at: at.cast(),
            arena: PhantomData,
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let mut kept = self.pool.chunks.lock();
        for chunk in self.chunks.drain(..) {
            match chunk.bytes == CHUNK_BYTES_MAX && kept.len() < POOL_CHUNKS_MAX {
                true => kept.push(chunk),
                false => chunk.free(),
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Header {
    sequence: u64,
    key_bytes: u32,
    value_bytes: u32,
}

const HEADER_BYTES: usize = size_of::<Published<Header>>();
const ROW_ALIGN: usize = align_of::<Published<Header>>();

/// A row in an arena.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    at: NonNull<Published<Header>>,
    arena: PhantomData<&'a [u8]>,
}

// SAFETY: a row does not change [I1], and whoever got it across threads came by a link [I2].
unsafe impl Send for Entry<'_> {}
// SAFETY: likewise.
unsafe impl Sync for Entry<'_> {}

impl<'a> Entry<'a> {
    fn header(self) -> Header {
        // SAFETY: `Arena::row` wrote it, and the arena exists as long as `'a`.
        unsafe { self.at.as_ref() }.get()
    }

    pub fn sequence(self) -> u64 {
        self.header().sequence
    }

    pub fn key(self) -> &'a [u8] {
        let bytes = self.header().key_bytes as usize;
        // SAFETY: `Arena::row` wrote so many bytes behind the header, which nobody changes [I1].
        unsafe {
            let key = self.at.cast::<u8>().add(HEADER_BYTES);
            NonNull::slice_from_raw_parts(key, bytes).as_ref()
        }
    }

    /// None: the key was deleted.
    pub fn value(self) -> Option<&'a [u8]> {
        let Header {
            key_bytes,
            value_bytes,
            ..
        } = self.header();
        // SAFETY: as for the key, behind which the value is.
        (value_bytes != DELETED).then(|| unsafe {
            let value = self.at.cast::<u8>().add(HEADER_BYTES + key_bytes as usize);
            NonNull::slice_from_raw_parts(value, value_bytes as usize).as_ref()
        })
    }
}

/// A place for a reference to a row, or to none, which one thread sets while others look.
#[derive(Debug)]
pub(super) struct RowLink(AtomicPtr<Published<Header>>);

impl RowLink {
    pub fn none() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    pub fn get(&self) -> Option<Entry<'_>> {
        // Acquire, with the Release below: the row's bytes are seen whichever version of the node
        // the reader began with.
        let at = NonNull::new(self.0.load(Ordering::Acquire))?;
        Some(Entry {
            at,
            arena: PhantomData,
        })
    }

    /// # Safety
    /// The row lies in the arena in which this link lies.
    pub unsafe fn set(&self, row: Option<Entry<'_>>) {
        let at = row.map_or(std::ptr::null_mut(), |row| row.at.as_ptr());
        self.0.store(at, Ordering::Release);
    }
}

/// The same for what was placed.
#[derive(Debug)]
pub(super) struct Link<T>(AtomicPtr<T>);

impl<T> Link<T> {
    pub fn none() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    pub fn get(&self) -> Option<&T> {
        // SAFETY: `set` had a reference to it, which is good as long as the arena, in which this
        // link lies or which is beside it.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// # Safety
    /// The value lies in the arena in which this link lies, or in the one beside it.
    pub unsafe fn set(&self, value: Option<&T>) {
        let at = value.map_or(std::ptr::null(), std::ptr::from_ref);
        self.0.store(at.cast_mut(), Ordering::Release);
    }
}
