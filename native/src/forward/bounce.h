// Private copies of packets: what is done with them then no longer touches their sender's memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "ring/packet.h"

namespace ptnet {

class Bounce {
 public:
  /// The longest packet fits an empty one.
  static constexpr uint32_t kBytes = kMaxFrags * 65536;

  /// Forgets the copies. False when there is no memory for any.
  bool Clear() noexcept {
    if (!bytes_) bytes_.reset(new (std::nothrow) uint8_t[kBytes]);
    used_ = 0;
    return bytes_ != nullptr;
  }
  bool Fits(uint32_t len) const noexcept { return len <= kBytes - used_; }
  /// Turns a piece, which fits, into a copy of it.
  void Take(Frag* frag) noexcept {
    memcpy(&bytes_[used_], frag->data, frag->len);
    frag->data = &bytes_[used_];
    used_ += frag->len;
  }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  uint32_t used_ = 0;
};

}  // namespace ptnet
