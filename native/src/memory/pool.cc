// Pool: a stack of free indices and a holder for each object; the control plane only.
#include "memory/pool.h"

#include <cassert>

namespace ptnet {

Pool::Pool(uint64_t offset, uint32_t num, uint32_t size, uint32_t reserved)
    : offset_(offset), reserved_(reserved), num_(num), size_(size), holders_(num, 0) {
  free_.reserve(num);
  for (uint32_t i = num; i-- > reserved;) free_.push_back(i);
}

uint32_t Pool::Alloc(Holder holder) {
  assert(!free_.empty() && holder != 0);
  uint32_t index = free_.back();
  free_.pop_back();
  holders_[index] = holder;
  return index;
}

bool Pool::Free(uint32_t index) {
  if (index >= num_ || holders_[index] == 0) return false;
  holders_[index] = 0;
  free_.push_back(index);
  return true;
}

bool Pool::Restore(const std::vector<Holder>& holders) {
  if (holders.size() != num_) return false;
  for (uint32_t i = 0; i < reserved_; i++)
    if (holders[i] != 0) return false;
  holders_ = holders;
  free_.clear();
  for (uint32_t i = num_; i-- > reserved_;)
    if (holders_[i] == 0) free_.push_back(i);
  return true;
}

}  // namespace ptnet
