// What a socket could not take at once: bytes and descriptors, in order, within a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "os/error.h"
#include "os/unique_fd.h"

namespace ptnet::os {

class OutboundQueue {
 public:
  explicit OutboundQueue(size_t max_bytes) : max_bytes_(max_bytes) {}

  bool empty() const { return chunks_.empty(); }

  /** Sends what fits and keeps the rest, with duplicates of `fds`; ENOBUFS when the limit is reached. */
  Error Send(int socket, std::span<const uint8_t> bytes, std::span<const int> fds);

  /** Sends what is kept; no error when the socket is full again. */
  Error Flush(int socket);

  void Clear();

 private:
  struct Chunk {
    std::vector<uint8_t> bytes;
    size_t sent = 0;
    std::vector<UniqueFd> fds;
  };

  const size_t max_bytes_;
  size_t bytes_ = 0;
  std::deque<Chunk> chunks_;
};

}  // namespace ptnet::os
