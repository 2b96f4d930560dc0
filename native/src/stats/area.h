// The memory that holds every ring's counters: a memfd that any reader can map.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "memory/status.h"
#include "stats/counters.h"

namespace ptnet {

class StatsArea {
 public:
  static Status Create(uint32_t blocks, std::shared_ptr<StatsArea>* out);
  /// The counters of another process, which go on; `fd` is duplicated. EINVAL when it is no memory of so many blocks.
  static Status Adopt(uint32_t blocks, int fd, std::shared_ptr<StatsArea>* out);
  ~StatsArea();
  StatsArea(const StatsArea&) = delete;
  StatsArea& operator=(const StatsArea&) = delete;

  int fd() const { return fd_; }
  uint8_t* base() const { return reinterpret_cast<uint8_t*>(blocks_); }
  uint64_t size() const { return uint64_t{count_} * sizeof(RingCounters); }
  uint32_t available() const { return static_cast<uint32_t>(free_.size()); }

  /// A zeroed block; the caller has checked available().
  RingCounters* Alloc();
  void Free(RingCounters* block);
  /// A block that is free here, with what it has counted; null: it is not.
  RingCounters* Take(uint32_t index);
  uint32_t IndexOf(const RingCounters* block) const { return static_cast<uint32_t>(block - blocks_); }

 private:
  StatsArea() = default;
  Status Map();
  int fd_ = -1;
  RingCounters* blocks_ = nullptr;
  uint32_t count_ = 0;
  std::vector<uint32_t> free_;
};

}  // namespace ptnet
