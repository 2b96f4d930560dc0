// A switch's forwarding table: which member a station was last seen at, and when. A station has one place in it, by a
// hash of its address; who comes later takes the place over, unless the control plane has put somebody there. Any
// thread may read and learn at any time.
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

  uint32_t age_s() const { return age_s_.load(std::memory_order_relaxed); }
  void set_age_s(uint32_t age_s) { age_s_.store(age_s, std::memory_order_relaxed); }
  /// @param now_s seconds of a clock that never goes back; the same one for all calls.
  uint32_t Lookup(uint64_t mac, uint32_t now_s) const {
    const Entry& at = entries_[Slot(mac)];
    const uint64_t station = at.station.load(std::memory_order_relaxed);
    const uint32_t place = static_cast<uint32_t>(station & kPlace);
    if (station >> 16 != mac || place == 0) return kUnknown;
    // The threads' readings differ: who was seen in our future was seen now.
    const auto idle = static_cast<int32_t>(now_s - at.seen_s.load(std::memory_order_relaxed));
    const uint32_t age = age_s();
    if (age != 0 && idle >= static_cast<int32_t>(age) && (station & kStatic) == 0) return kUnknown;
    return place - 1;
  }
  void Learn(uint64_t mac, uint32_t port, uint32_t now_s) {
    Entry& at = entries_[Slot(mac)];
    const uint64_t station = mac << 16 | (port + 1);
    uint64_t known = at.station.load(std::memory_order_relaxed);
    if ((known & kStatic) != 0) return;
    // Mostly both are there already: then the line stays shared.
    if (at.seen_s.load(std::memory_order_relaxed) != now_s) at.seen_s.store(now_s, std::memory_order_relaxed);
    // Who was quicker stays: the control plane may have put a station there.
    if (known != station) at.station.compare_exchange_strong(known, station, std::memory_order_relaxed);
  }
  /// The port has left.
  void Forget(uint32_t port) {
    RemoveIf([port](const Station& station) { return station.port == port; });
  }

  // The control plane's.

  struct Station {
    uint64_t mac = 0;
    uint32_t port = 0, seen_s = 0;
    bool is_static = false;  // does not age, and nothing that is learned takes its place
  };
  /// A station that stays where it is. False when another such one has its place.
  bool Put(uint64_t mac, uint32_t port) {
    Entry& at = entries_[Slot(mac)];
    uint64_t known = at.station.load(std::memory_order_relaxed);
    do {
      if ((known & kStatic) != 0 && known >> 16 != mac) return false;
    } while (!at.station.compare_exchange_weak(known, mac << 16 | kStatic | (port + 1), std::memory_order_relaxed));
    return true;
  }
  /// Of each station that there is, also of one whose time is over.
  template <class Fn>
  void ForEach(Fn fn) const {
    for (const Entry& at : entries_)
      if (const uint64_t known = at.station.load(std::memory_order_relaxed); known != 0) fn(StationIn(at, known));
  }
  /// @return how many were removed.
  template <class Fn>
  uint32_t RemoveIf(Fn fn) {
    uint32_t removed = 0;
    for (Entry& at : entries_) {
      uint64_t known = at.station.load(std::memory_order_relaxed);
      if (known == 0 || !fn(StationIn(at, known))) continue;
      removed += at.station.compare_exchange_strong(known, 0, std::memory_order_relaxed) ? 1 : 0;
    }
    return removed;
  }

 private:
  static constexpr uint64_t kPlace = 0x7fff, kStatic = 0x8000;

  /// The two words are not read as one: a station that takes the place of another may be taken for as old, or as young,
  /// as that one for a moment, which costs a flood, or a packet that goes where it went before.
  struct Entry {
    std::atomic<uint64_t> station{0};  // address, kStatic, port + 1
    std::atomic<uint32_t> seen_s{0};
  };
  static Station StationIn(const Entry& at, uint64_t known) {
    return {known >> 16, static_cast<uint32_t>(known & kPlace) - 1, at.seen_s.load(std::memory_order_relaxed),
            (known & kStatic) != 0};
  }
  static uint32_t Slot(uint64_t mac) { return static_cast<uint32_t>(mac * 0x9E3779B97F4A7C15u >> 54); }

  std::atomic<uint32_t> age_s_;
  Entry entries_[kEntries];
};

}  // namespace ptnet
