// How far each session that is kept is, in memory that outlives the process: a word for each, a cache line apart.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "memory/status.h"

namespace ptnet {

class KeptArea {
 public:
  static Status Create(uint32_t blocks, std::shared_ptr<KeptArea>* out);
  /// Of a process that has died; `fd` is duplicated. EINVAL when it is no memory of so many blocks.
  static Status Adopt(uint32_t blocks, int fd, std::shared_ptr<KeptArea>* out);
  ~KeptArea();
  KeptArea(const KeptArea&) = delete;
  KeptArea& operator=(const KeptArea&) = delete;

  int fd() const { return fd_; }
  /// A block that is free, zeroed; false: there is none.
  bool Alloc(uint32_t* block);
  /// One that is free here, with what is in it; false: it is not.
  bool Take(uint32_t block);
  void Free(uint32_t block);
  /// Of a block that was given.
  std::atomic_ref<uint64_t> word(uint32_t block) { return std::atomic_ref<uint64_t>(blocks_[block].word); }

 private:
  struct alignas(64) Block {
    uint64_t word;
  };

  explicit KeptArea(uint32_t blocks) : count_(blocks) {}
  Status Map();

  const uint32_t count_;
  int fd_ = -1;
  Block* blocks_ = nullptr;
  std::mutex mutex_;
  std::vector<uint32_t> free_;
};

}  // namespace ptnet
