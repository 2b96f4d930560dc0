// A switch's forwarding table: which member a station was last seen at, and when. A station has one place in it, by a
// hash of its address; who comes later takes the place over. Any thread may read and learn at any time.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>

namespace ptnet {

class ForwardingTable {
 public:
  static constexpr uint32_t kEntries = 1024;
  static constexpr uint32_t kUnknown = UINT32_MAX;

  /// @param age_s seconds after which a station that sends nothing is unknown again; 0: never.
  explicit ForwardingTable(uint32_t age_s = 0) : age_s_(age_s) {}

  /// The six bytes as they lie in the packet, in the low 48 bits.
  static uint64_t MacAt(const uint8_t* p) {
    uint32_t low;
    uint16_t high;
    memcpy(&low, p, 4);
    memcpy(&high, p + 4, 2);
    return low | uint64_t{high} << 32;
  }
  static bool IsMulticast(uint64_t mac) { return mac & 1; }

  uint32_t age_s() const { return age_s_; }
  /// @param now_s seconds of a clock that never goes back; the same one for all calls.
  uint32_t Lookup(uint64_t mac, uint32_t now_s) const {
    const Entry& at = entries_[Slot(mac)];
    const uint64_t station = at.station.load(std::memory_order_relaxed);
    if (station >> 16 != mac || (station & 0xffff) == 0) return kUnknown;
    // The threads' readings differ: who was seen in our future was seen now.
    const auto idle = static_cast<int32_t>(now_s - at.seen_s.load(std::memory_order_relaxed));
    if (age_s_ != 0 && idle >= static_cast<int32_t>(age_s_)) return kUnknown;
    return static_cast<uint32_t>(station & 0xffff) - 1;
  }
  void Learn(uint64_t mac, uint32_t port, uint32_t now_s) {
    Entry& at = entries_[Slot(mac)];
    const uint64_t station = mac << 16 | (port + 1);
    // Mostly both are there already: then the line stays shared.
    if (at.seen_s.load(std::memory_order_relaxed) != now_s) at.seen_s.store(now_s, std::memory_order_relaxed);
    if (at.station.load(std::memory_order_relaxed) != station) at.station.store(station, std::memory_order_relaxed);
  }
  void Forget(uint32_t port) {
    for (Entry& at : entries_) {
      uint64_t station = at.station.load(std::memory_order_relaxed);
      if ((station & 0xffff) == port + 1) at.station.compare_exchange_strong(station, 0, std::memory_order_relaxed);
    }
  }

 private:
  /// The two words are not read as one: a station that takes the place of another may be taken for as old, or as young,
  /// as that one for a moment, which costs a flood, or a packet that goes where it went before.
  struct Entry {
    std::atomic<uint64_t> station{0};  // address and port + 1
    std::atomic<uint32_t> seen_s{0};
  };
  static uint32_t Slot(uint64_t mac) { return static_cast<uint32_t>(mac * 0x9E3779B97F4A7C15u >> 54); }

  uint32_t age_s_;
  Entry entries_[kEntries];
};

}  // namespace ptnet
