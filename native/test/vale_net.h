// A VALE switch and its stations for the tests, driven inline: every station has its region, its port and a guest.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "forward/vale.h"
#include "guest.h"

namespace ptnet::test {

struct Station {
  std::shared_ptr<Region> region;
  std::shared_ptr<ValePort> port;
  Guest guest;

  RingCounters& tx(uint32_t i = 0) { return *port->tx(i).counters; }
  RingCounters& rx(uint32_t i = 0) { return *port->rx(i).counters; }
  uint64_t rx_drops(Drop cause, uint32_t ring = 0) { return rx(ring).drops[static_cast<int>(cause)]; }
  uint64_t tx_drops(Drop cause, uint32_t ring = 0) { return tx(ring).drops[static_cast<int>(cause)]; }

  void Send(const std::vector<uint8_t>& packet, uint32_t frags = 1, uint16_t flags = 0, uint32_t ring = 0) {
    uint32_t first = guest.tx(ring).head;
    CHECK(guest.tx(ring).Put(packet.data(), static_cast<uint32_t>(packet.size()), frags));
    guest.tx(ring).slot(first).flags |= flags;
    Serve(ring);
  }
  void Serve(uint32_t ring = 0) {
    guest.tx(ring).Publish();
    guest.Sync(guest.tx(ring));
    CHECK(guest.tx(ring).Drained());
  }
  /// Takes one packet, checks that it is followed by untouched bytes in each buffer, and gives the slots back.
  std::vector<uint8_t> Take(uint32_t ring = 0, uint32_t* slots = nullptr) {
    GuestRing& r = guest.rx(ring);
    uint32_t first = r.head;
    auto packet = r.Take();
    for (uint32_t i = first; i != r.head; i = r.Next(i)) {
      for (uint32_t at = r.slot(i).len; at < r.buf_size; at++) CHECK_EQ(r.data(i)[at], kUntouched);
      memset(r.data(i), kUntouched, r.buf_size);
    }
    if (slots != nullptr) *slots = r.Distance(first, r.head);
    r.Publish();
    return packet;
  }
  bool Got(const std::vector<uint8_t>& packet) { return Take() == packet; }
  bool Nothing() { return guest.rx().Mine() == 0; }

  static constexpr uint8_t kUntouched = 0xa5;
};

struct Net {
  explicit Net(uint64_t patience_ns = SwitchOptions{}.patience_ns) : Net(SwitchOptions{.patience_ns = patience_ns}) {}
  explicit Net(const SwitchOptions& options, uint32_t workers = 1)
      : engine(MakeEngine(workers)), sw(std::make_shared<ValeSwitch>("vale0", engine, options)) {}

  std::shared_ptr<Engine> engine;
  std::shared_ptr<StatsArea> stats = MakeStats();
  std::shared_ptr<ValeSwitch> sw;
  std::vector<std::unique_ptr<Station>> stations;

  Station& Add(PortShape shape = {"", 1, 1, 64, 64, 0}, uint32_t buf_size = 2048, bool attach = true) {
    stations.push_back(std::make_unique<Station>());
    Station& s = *stations.back();
    shape.name = "vale0:" + std::to_string(stations.size() - 1);
    s.region = MakeRegion(static_cast<uint16_t>(stations.size()), 2048, buf_size);
    CHECK_OK(ValePort::Create(s.region, stats, shape, sw, &s.port));
    for (uint32_t r = 0; r < shape.rx_rings; r++)
      for (uint32_t i = 0; i < shape.rx_slots; i++)
        memset(s.region->Buf(s.port->rx(r).slots[i].buf_idx), Station::kUntouched, buf_size);
    if (attach) s.guest.Attach(engine, *s.port);
    return s;
  }
  Station& operator[](size_t i) { return *stations[i]; }
};

/// A frame from station `src` to station `dst` (0xff: broadcast) whose bytes depend on `tag`.
inline std::vector<uint8_t> Frame(uint8_t dst, uint8_t src, uint32_t len = 60, uint32_t tag = 0) {
  std::vector<uint8_t> frame(len);
  if (len == 0) return frame;
  for (uint32_t i = 0; i < len; i++) frame[i] = static_cast<uint8_t>(i * 31 + tag * 7 + (i >> 8));
  const uint8_t to[6] = {0x02, 0, 0, 0, 0, dst}, from[6] = {0x02, 0, 0, 0, 0, src};
  memset(frame.data(), 0xff, std::min<size_t>(len, 6));
  if (dst != 0xff) memcpy(frame.data(), to, std::min<size_t>(len, 6));
  if (len > 6) memcpy(frame.data() + 6, from, std::min<size_t>(len - 6, 6));
  return frame;
}

/// Batches from stations chosen at random, half of them of long runs to one station with others strewn in, to all and
/// to one, of one slot and of two; and what has to arrive of them.
class RandomTraffic {
 public:
  RandomTraffic(Net& net, Random& random) : net_(net), random_(random), expected_(net.stations.size()) {}

  /// Puts a batch into the tx ring of a station. @return which.
  size_t Put() {
    const auto stations = static_cast<uint32_t>(expected_.size());
    const auto from = static_cast<uint8_t>(random_.Below(stations));
    auto to = static_cast<uint8_t>(random_.Below(stations));
    const uint32_t change = batches_++ % 2 == 0 ? 30 : 2;
    for (uint32_t left = 1 + random_.Below(60); left > 0; left--) {
      if (random_.OneIn(change)) to = random_.OneIn(4) ? kAll : static_cast<uint8_t>(random_.Below(stations));
      const uint32_t frags = random_.OneIn(10) ? 2 : 1;
      const auto frame = Frame(to, from, 14 * frags + random_.Below(random_.OneIn(4) ? 1500 : 60), ++tag_);
      if (!net_[from].guest.tx().Put(frame, frags)) break;
      for (size_t i = 0; i < stations; i++)
        if (i != from && (i == to || to == kAll)) expected_[i].push_back(frame);
    }
    return from;
  }
  /// Everything that was put has arrived in its order, and nothing else.
  void CheckArrived() {
    for (size_t i = 0; i < expected_.size(); i++) {
      for (; !expected_[i].empty(); expected_[i].pop_front()) CHECK(net_[i].Got(expected_[i].front()));
      CHECK(net_[i].Nothing());
    }
  }

 private:
  static constexpr uint8_t kAll = 0xff;
  Net& net_;
  Random& random_;
  std::vector<std::deque<std::vector<uint8_t>>> expected_;
  uint32_t batches_ = 0, tag_ = 0;
};

}  // namespace ptnet::test
