//! The seats of a mixer by number: slots that are used again under a new generation.

use super::seat::Seat;
use crate::prefetch::prefetch;

/// A place in a mixer. Stays valid until [`remove_seat`](super::Mixer::remove_seat); never names a
/// later occupant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId {
    index: u32,
    generation: u32,
}

impl SeatId {
    /// Row in the mixer's tables.
    pub(super) const fn slot(self) -> usize {
        self.index as usize
    }
}

#[derive(Debug, Default)]
pub(super) struct Seats {
    slots: Vec<Slot>,
    free: Vec<u32>,
    occupied: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    seat: Option<Seat>,
}

impl Seats {
    pub(super) fn add(&mut self, seat: Seat) -> SeatId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.free.reserve(self.slots.len());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.seat = Some(seat);
        self.occupied += 1;
        SeatId { index, generation: slot.generation }
    }

    pub(super) fn remove(&mut self, id: SeatId) -> Option<Seat> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.generation == id.generation)?;
        let seat = slot.seat.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.occupied -= 1;
        Some(seat)
    }

    pub(super) fn get(&self, id: SeatId) -> Option<&Seat> {
        let slot = self.slots.get(id.slot())?;
        if slot.generation == id.generation { slot.seat.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, id: SeatId) -> Option<&mut Seat> {
        let slot = self.slots.get_mut(id.slot())?;
        if slot.generation == id.generation { slot.seat.as_mut() } else { None }
    }

    /// Members.
    pub(super) fn len(&self) -> usize {
        self.occupied
    }

    /// Rows that tables need.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.slots.iter().filter_map(|slot| slot.seat.as_ref())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        self.slots.iter_mut().filter_map(|slot| slot.seat.as_mut())
    }

    /// Who is here, in the order of the tables' rows.
    pub(super) fn ids(&self) -> impl Iterator<Item = SeatId> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.seat.is_some())
            .map(|(index, slot)| SeatId { index: index as u32, generation: slot.generation })
    }

    /// Every slot in the order of the tables' rows, empty ones too.
    pub(super) fn slots_mut(&mut self) -> impl Iterator<Item = (SeatId, Option<&mut Seat>)> {
        let mut rest = &mut self.slots[..];
        let mut index = 0;
        std::iter::from_fn(move || {
            let (slot, others) = std::mem::take(&mut rest).split_first_mut()?;
            fetch_ahead(others);
            rest = others;
            index += 1;
            let id = SeatId { index: index - 1, generation: slot.generation };
            Some((id, slot.seat.as_mut()))
        })
    }

    /// Every seat with its row of a table whose rows have `width` samples.
    pub(super) fn rows<'a>(
        &'a mut self,
        table: &'a mut [i16],
        width: usize,
    ) -> impl Iterator<Item = ((SeatId, &'a mut Seat), &'a mut [i16])> {
        let slots = self.slots_mut().zip(table.chunks_exact_mut(width));
        slots.filter_map(|((id, seat), row)| Some(((id, seat?), row)))
    }
}

/// Has the next seats on their way: of the one after next the seat itself, of the next, which has
/// arrived by now, what it points at.
fn fetch_ahead(others: &[Slot]) {
    if let Some(Slot { seat: Some(seat), .. }) = others.get(1) {
        prefetch(seat);
    }
    if let Some(Slot { seat: Some(seat), .. }) = others.first() {
        seat.playout().prefetch();
    }
}
