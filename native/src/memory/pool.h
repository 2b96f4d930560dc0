// One pool of a region: equal objects, handed out by index, each with the tag of its holder.
#pragma once

#include <cstdint>
#include <vector>

namespace ptnet {

/// Who holds an object: 0 is nobody; ports and lists of extra buffers get tags from the region.
using Holder = uint32_t;

class Pool {
 public:
  Pool() = default;
  /// `reserved` objects at the start are never handed out.
  Pool(uint64_t offset, uint32_t num, uint32_t size, uint32_t reserved);

  uint64_t offset() const { return offset_; }  // bytes from the start of the region
  uint32_t num() const { return num_; }
  uint32_t size() const { return size_; }
  uint32_t available() const { return static_cast<uint32_t>(free_.size()); }

  /// An index; the caller has checked available().
  uint32_t Alloc(Holder holder);
  /// False, and nothing happens, unless the object is handed out.
  bool Free(uint32_t index);
  Holder holder(uint32_t index) const { return holders_[index]; }
  void set_holder(uint32_t index, Holder holder) { holders_[index] = holder; }
  const std::vector<Holder>& holders() const { return holders_; }
  /// As another process had it. False, and nothing happens, when that is not one of so many objects.
  bool Restore(const std::vector<Holder>& holders);

 private:
  uint64_t offset_ = 0;
  uint32_t reserved_ = 0;
  uint32_t num_ = 0;
  uint32_t size_ = 0;
  std::vector<uint32_t> free_;  // a stack: what was freed last is handed out first
  std::vector<Holder> holders_;
};

}  // namespace ptnet
