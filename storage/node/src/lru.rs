//! A map that forgets what was used least recently.

use std::collections::HashMap;
use std::hash::Hash;

/// No neighbour: an end of the list.
const NONE: usize = usize::MAX;

struct Entry<K, V> {
    key: K,
    value: V,
    newer: usize,
    older: usize,
}

/// A map of at most `capacity` entries. Entries live in one vector, linked by the order of their use.
pub struct Lru<K, V> {
    capacity: usize,
    places: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    newest: usize,
    oldest: usize,
}

impl<K: Copy + Eq + Hash, V> Lru<K, V> {
    /// An empty map that will hold up to `capacity` entries; with zero it remembers nothing.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, places: HashMap::new(), entries: Vec::new(), newest: NONE, oldest: NONE }
    }

    /// The value of `key`, which becomes the most recently used.
    pub fn get(&mut self, key: K) -> Option<&V> {
        let place = *self.places.get(&key)?;
        self.unlink(place);
        self.link_newest(place);
        Some(&self.entries[place].value)
    }

    /// Sets the value of `key`, which becomes the most recently used; the least recent one may go.
    pub fn insert(&mut self, key: K, value: V) {
        if self.capacity == 0 {
            return;
        }
        let place = if let Some(&place) = self.places.get(&key) {
            self.entries[place].value = value;
            self.unlink(place);
            place
        } else if self.entries.len() < self.capacity {
            self.entries.push(Entry { key, value, newer: NONE, older: NONE });
            self.entries.len() - 1
        } else {
            let place = self.oldest;
            self.unlink(place);
            self.places.remove(&self.entries[place].key);
            self.entries[place].key = key;
            self.entries[place].value = value;
            place
        };
        self.places.insert(key, place);
        self.link_newest(place);
    }

    /// Forgets the value of `key`.
    pub fn remove(&mut self, key: K) {
        let Some(place) = self.places.remove(&key) else { return };
        self.unlink(place);
        let last = self.entries.len() - 1;
        self.entries.swap_remove(place);
        if place == last {
            return;
        }
        // The last entry took the removed one's place: its neighbours and its key must know.
        let (newer, older) = (self.entries[place].newer, self.entries[place].older);
        self.places.insert(self.entries[place].key, place);
        match newer {
            NONE => self.newest = place,
            _ => self.entries[newer].older = place,
        }
        match older {
            NONE => self.oldest = place,
            _ => self.entries[older].newer = place,
        }
    }

    /// Forgets every entry for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let entries = std::mem::take(&mut self.entries);
        let mut by_age: Vec<usize> = Vec::with_capacity(entries.len());
        let mut place = self.oldest;
        while place != NONE {
            by_age.push(place);
            place = entries[place].newer;
        }
        self.places.clear();
        (self.newest, self.oldest) = (NONE, NONE);
        let mut entries: Vec<Option<Entry<K, V>>> = entries.into_iter().map(Some).collect();
        for place in by_age {
            let entry = entries[place].take().expect("an entry is linked once");
            if keep(&entry.key, &entry.value) {
                self.insert(entry.key, entry.value);
            }
        }
    }

    fn unlink(&mut self, place: usize) {
        let (newer, older) = (self.entries[place].newer, self.entries[place].older);
        match newer {
            NONE => self.newest = older,
            _ => self.entries[newer].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            _ => self.entries[older].newer = newer,
        }
    }

    fn link_newest(&mut self, place: usize) {
        self.entries[place].newer = NONE;
        self.entries[place].older = self.newest;
        match self.newest {
            NONE => self.oldest = place,
            newest => self.entries[newest].newer = place,
        }
        self.newest = place;
    }
}

#[cfg(test)]
mod tests {
    use super::Lru;

    fn held(lru: &mut Lru<u32, &'static str>, keys: &[u32]) -> Vec<Option<&'static str>> {
        keys.iter().map(|key| lru.get(*key).copied()).collect()
    }

    #[test]
    fn forgets_the_least_recently_used() {
        let mut lru = Lru::new(2);
        lru.insert(1, "one");
        lru.insert(2, "two");
        assert_eq!(lru.get(1), Some(&"one"));
        lru.insert(3, "three");
        assert_eq!(lru.get(2), None);
        assert_eq!(lru.get(1), Some(&"one"));
        assert_eq!(lru.get(3), Some(&"three"));
        lru.insert(3, "drei");
        lru.remove(9);
        lru.retain(|key, _| *key != 1);
        assert_eq!(lru.get(1), None);
        lru.insert(4, "four");
        lru.insert(5, "five");
        assert_eq!(held(&mut lru, &[3, 4, 5]), [None, Some("four"), Some("five")]);
        lru.remove(4);
        assert_eq!(held(&mut lru, &[4, 5]), [None, Some("five")]);
        lru.insert(6, "six");
        lru.insert(7, "seven");
        assert_eq!(held(&mut lru, &[5, 6, 7]), [None, Some("six"), Some("seven")]);
    }
}
