// NETMAP_REQ_OPT_EXTMEM: memory of the program's own in which its port is to lie. The host makes the region, as of any
// port; its file then takes the place of the program's pages.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace ptnet::preload {

/// What follows the option's header.
struct ExtmemOption {
  uint64_t usrptr;
  uint64_t nr_memsize;
  uint64_t nr_mem_id;
  uint64_t nr_if_pool_offset;  // on its way to the host: which memory it is (docs/application-protocol.md)
  uint64_t counts_and_sizes[5];
};
static_assert(sizeof(ExtmemOption) == 72);

/// Looks whether all of it is there, to be read and written, and notes in the option which memory it is. 0 or an errno.
int OfferMemory(ExtmemOption* option);
/// Puts the first `memsize` bytes of the region that `fd` is bound to in the place of what was offered. 0 or an errno,
/// EBUSY when another thread has been there meanwhile; then the program's mappings are as they were.
int PlaceRegion(int fd, const ExtmemOption& option, uint64_t memsize);

}  // namespace ptnet::preload
