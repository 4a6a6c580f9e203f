//! Reading many images at once, for a peer that is catching up.

use redoubt_io::{PageDevice, SHIPMENT_BYTES, Stretch};
use redoubt_page::{PAGE_BYTES, Page, PageId};

use super::error::StoreError;
use super::store::{PageStore, check_image};

/// Images that are read from the device at a time.
const PAGES_AT_ONCE: usize = SHIPMENT_BYTES / PAGE_BYTES;

impl<D: PageDevice> PageStore<D> {
    /// The images of pages in the order in which they are given, checked and unsealed; nothing for a page that has
    /// none. Read by whatever the device has for peers that are catching up, so that no commit waits behind them.
    ///
    /// # Errors
    /// As [`PageStore::read`], for the first page that has something wrong.
    pub async fn read_many(&self, pages: &[PageId]) -> Result<Vec<Option<Page>>, StoreError> {
        // Until the end of this no slot that is looked up here is used again.
        let _reading = self.begin_reading();
        let mut images = vec![None; pages.len()];
        let mut stored = Vec::with_capacity(pages.len());
        for (place, page) in pages.iter().enumerate() {
            if let Some(found) = self.locate(*page).await? {
                stored.push((place, found));
            }
        }
        for some in stored.chunks(PAGES_AT_ONCE) {
            let mut stretches = Vec::with_capacity(some.len());
            for (_, found) in some {
                stretches.push(Stretch { offset: self.offset_of(found.slot)?, len: PAGE_BYTES });
            }
            let read = self.device.read_stretches(&stretches).await?;
            for ((place, found), bytes) in some.iter().zip(&read) {
                images[*place] = Some(check_image(pages[*place], *found, bytes)?);
            }
        }
        Ok(images)
    }
}
