// Where doorbells go in a test: counted by ring.
#pragma once

#include <atomic>
#include <cstdint>

#include "datapath/doorbell.h"

namespace ptnet {

class CountingTarget : public DoorbellTarget {
 public:
  Worker* Ring(uint32_t ring) noexcept override {
    counts[ring].fetch_add(1);
    return nullptr;
  }
  uint32_t rings() const noexcept override { return 4; }
  std::atomic<uint64_t> counts[4] = {};
};

}  // namespace ptnet
