// What a socket could not take at once: bytes and descriptors, in order, within a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "os/error.h"
#include "os/peer_fd.h"

namespace ptnet::os {

class OutboundQueue {
 public:
  /** The descriptors that wait in it count as `peer`'s. */
  explicit OutboundQueue(size_t max_bytes, PeerId peer = 0) : max_bytes_(max_bytes), peer_(peer) {}

  bool empty() const { return chunks_.empty(); }

  /** Sends what fits and keeps the rest, with duplicates of `fds`; ENOBUFS when a limit is reached. */
  Error Send(int socket, std::span<const uint8_t> bytes, std::span<const int> fds);

  /** Sends what is kept; no error when the socket is full again. */
  Error Flush(int socket);

  /** What is kept, in order; the descriptors stay the queue's. */
  struct Kept {
    std::vector<uint8_t> bytes;
    std::vector<int> fds;
  };
  std::vector<Kept> kept() const;
  /** Behind all that is kept, and nothing is sent now: another process has had it in its queue. */
  void Keep(std::span<const uint8_t> bytes, std::vector<PeerFd> fds);

  void Clear();

 private:
  struct Chunk {
    std::vector<uint8_t> bytes;
    size_t sent = 0;
    std::vector<PeerFd> fds;
  };

  const size_t max_bytes_;
  const PeerId peer_;
  size_t bytes_ = 0;
  std::deque<Chunk> chunks_;
};

}  // namespace ptnet::os
