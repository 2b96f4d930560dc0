// What each peer may take of what the whole process has: descriptors, mappings, memory for what waits to be sent.
#pragma once

#include <cstddef>

namespace ptnet::os {

/**
 * The shares of all peers together are less than what the process may have, so that a peer that takes all it can get
 * leaves the others theirs, and the host its own: libraries map memory too, for threads and heaps.
 */
struct PeerShare {
  size_t fds;    // open descriptors: RLIMIT_NOFILE is shared out
  size_t maps;   // mappings of its memory, with those that wait to be undone: vm.max_map_count
  size_t bytes;  // of replies that it has not read
};

/** Shares out among so many peers; before the first time there is no limit. Any thread. */
void DividePeerShares(size_t peers);
PeerShare ShareOfPeer();

}  // namespace ptnet::os
