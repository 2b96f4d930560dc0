// A VALE switch's memory of who is where: 1024 entries, source MAC to port, one atomic word each.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

namespace ptnet {

class ForwardingTable {
 public:
  static constexpr uint32_t kEntries = 1024;
  static constexpr uint32_t kUnknown = UINT32_MAX;

  /// The six bytes as they lie in the packet, in the low 48 bits.
  static uint64_t MacAt(const uint8_t* p) {
    uint32_t low;
    uint16_t high;
    memcpy(&low, p, 4);
    memcpy(&high, p + 4, 2);
    return low | uint64_t{high} << 32;
  }
  static bool IsMulticast(uint64_t mac) { return mac & 1; }

  uint32_t Lookup(uint64_t mac) const {
    uint64_t entry = entries_[Slot(mac)].load(std::memory_order_relaxed);
    return entry >> 16 == mac && (entry & 0xffff) != 0 ? static_cast<uint32_t>(entry & 0xffff) - 1 : kUnknown;
  }
  void Learn(uint64_t mac, uint32_t port) {
    std::atomic<uint64_t>& at = entries_[Slot(mac)];
    uint64_t entry = mac << 16 | (port + 1);
    // Mostly it is there already: then the line stays shared.
    if (at.load(std::memory_order_relaxed) != entry) at.store(entry, std::memory_order_relaxed);
  }
  void Forget(uint32_t port) {
    for (auto& at : entries_) {
      uint64_t entry = at.load(std::memory_order_relaxed);
      if ((entry & 0xffff) == port + 1) at.compare_exchange_strong(entry, 0, std::memory_order_relaxed);
    }
  }

 private:
  static uint32_t Slot(uint64_t mac) { return static_cast<uint32_t>(mac * 0x9E3779B97F4A7C15u >> 54); }
  std::atomic<uint64_t> entries_[kEntries] = {};
};

}  // namespace ptnet
