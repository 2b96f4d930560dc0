// A host half of one's own for the tests: a region with one port, and an engine thread that joins TX ring r to RX ring
// r.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "../ring.h"

namespace ptnet::guest::test {

struct HostOptions {
  uint32_t rings = 1;
  uint32_t tx_slots = 64;
  uint32_t rx_slots = 64;
  uint32_t buf_size = 2048;
  uint32_t spins_before_parking = 0;  // 0: parks as soon as there is nothing to do
  bool yields = true;                 // while spinning
  enum class Join { kLoopback, kSink, kSource } join = Join::kLoopback;
};

/// What happens to the n-th packet (of all rings) on its way; by default nothing.
enum class Fate { kPass, kDrop, kTwice };

class FakeHost {
 public:
  explicit FakeHost(const HostOptions& options);
  ~FakeHost() { Stop(); }

  void Start();
  void Stop();

  PortLayout layout();
  bool Kick(uint32_t index);
  int interrupt_fd(uint32_t index) const { return interrupts_[index]; }
  CsbGuestToHost& gh(uint32_t index) { return gh_[index]; }
  CsbHostToGuest& hg(uint32_t index) { return hg_[index]; }
  netmap_ring& ring_header(uint32_t index);
  uint64_t raised() const { return raised_.load(); }
  uint64_t spurious() const { return spurious_.load(); }

  /// To be set before Start(). `tamper` may change the packet's first buffer, and may be asked again when there was no
  /// room for the packet.
  std::function<Fate(uint64_t packet)> fate;
  std::function<void(uint64_t packet, uint8_t* buffer)> tamper;

 private:
  struct HostRing {
    netmap_slot* slots;
    uint32_t num_slots;
    uint32_t hwcur = 0;
    uint32_t hwtail = 0;
  };

  void BuildRing(uint32_t entry, uint32_t index, uint32_t slots, uint64_t& at);
  uint32_t LoadHead(uint32_t index);
  void Publish(uint32_t index, HostRing& ring);
  bool Serve(uint32_t r);
  bool Loopback(uint32_t r);
  bool Sink(uint32_t r);
  bool Source(uint32_t r);
  uint32_t PacketAt(const HostRing& tx, uint32_t at, uint32_t head);
  bool Deliver(uint32_t r, uint32_t at, uint32_t slots, bool swap);
  void Run();
  void Park();

  HostOptions options_;
  std::unique_ptr<uint8_t[], void (*)(void*)> memory_;
  uint64_t size_ = 0;
  uint64_t buf_pool_ = 0;
  uint32_t next_buf_ = 2;
  std::vector<CsbGuestToHost> gh_;
  std::vector<CsbHostToGuest> hg_;
  std::vector<HostRing> rings_;  // TX first
  std::vector<int> interrupts_;
  int kick_fd_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> raised_{0};
  std::atomic<uint64_t> spurious_{0};
  uint64_t packet_ = 0;
  std::thread thread_;
};

}  // namespace ptnet::guest::test
