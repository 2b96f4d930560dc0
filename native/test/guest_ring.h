// One ring as its guest drives it: the guest's own reading of the layout and of the CSB, with whom to kick and where to
// sleep.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "datapath/broker.h"
#include "guest-driver/core/ring.h"

namespace ptnet::test {

/// A doorbell, as the reader of the sockets rings it.
inline void RingHere(Attachment& attachment, uint32_t ring) {
  Worker* worker = attachment.Ring(ring);
  if (worker != nullptr && !worker->ServeHere()) worker->Wake();
}

/// [head, tail) is the guest's own; Publish() gives the slots before head to the host, and kicks it when it asked for
/// that.
struct GuestRing : guest::Ring {
  std::string port;  // its name, for what goes wrong
  Attachment* attachment = nullptr;
  int irq = -1;        // eventfd to sleep on
  int other_irq = -1;  // another one, when a test replaces them
  int doorbell = -1;   // eventfd to kick with, instead of a call

  GuestRing(guest::Ring ring, std::string port_name, Attachment* attached)
      : guest::Ring(ring), port(std::move(port_name)), attachment(attached) {}

  uint32_t Prev(uint32_t i) const { return (i == 0 ? num_slots : i) - 1; }
  uint32_t Distance(uint32_t from, uint32_t to) const { return (to + num_slots - from) % num_slots; }
  guest::netmap_slot& slot(uint32_t i) { return slots[i]; }
  uint8_t* data(uint32_t i) { return Buffer(slots[i].buf_idx); }
  guest::netmap_ring* header() { return reinterpret_cast<guest::netmap_ring*>(slots) - 1; }
  guest::netmap_slot& LastPut() { return slots[Prev(head)]; }

  /// The slots that are the guest's now.
  uint32_t Mine() {
    Look();
    return Available();
  }
  /// True when the host has taken everything that was published.
  bool Drained() {
    Look();
    return hwcur == head;
  }
  uint32_t PublishedHead() { return guest::Load(gh->head, std::memory_order_relaxed); }
  /// What only a guest does that has gone wrong: any value for the host to see.
  void WriteHead(uint32_t value) { guest::Store(gh->head, value, std::memory_order_release); }
  void WriteCur(uint32_t value) { guest::Store(gh->cur, value, std::memory_order_relaxed); }
  /// At once, for threads that write into slots while the host reads them.
  void WriteSlot(uint32_t i, uint32_t buf_idx, uint16_t len, uint16_t flags) {
    std::atomic_ref<uint64_t>(reinterpret_cast<uint64_t&>(slots[i]))
        .store(buf_idx | uint64_t{len} << 32 | uint64_t{flags} << 48, std::memory_order_relaxed);
  }

  /// Puts one packet of `frags` slots; false when there is no room. Publish() or Show() makes it visible.
  bool Put(const void* bytes, uint32_t len, uint32_t frags = 1) {
    if (Mine() < frags) return false;
    auto* from = static_cast<const uint8_t*>(bytes);
    for (uint32_t f = 0; f < frags; f++) {
      uint32_t n = f + 1 < frags ? len / frags : len - len / frags * (frags - 1);
      if (n > 0) memcpy(data(head), from, n);
      from += n;
      slot(head).len = static_cast<uint16_t>(n);
      slot(head).flags = f + 1 < frags ? guest::NS_MOREFRAG : 0;
      head = Next(head);
    }
    return true;
  }
  bool Put(const std::vector<uint8_t>& packet, uint32_t frags = 1) {
    return Put(packet.data(), static_cast<uint32_t>(packet.size()), frags);
  }
  /// Takes one packet; its bytes, empty when there is none.
  std::vector<uint8_t> Take() {
    std::vector<uint8_t> packet;
    if (Mine() == 0) return packet;
    for (bool more = true; more; head = Next(head)) {
      packet.insert(packet.end(), data(head), data(head) + slot(head).len);
      more = slot(head).flags & guest::NS_MOREFRAG;
    }
    return packet;
  }

  void Publish() {
    Show();
    if (HostWantsKick()) Kick();
  }
  /// Publishes, and kicks nobody.
  void Show() { guest::Ring::Publish(); }
  void Kick() {
    const uint64_t one = 1;
    if (doorbell < 0) return RingHere(*attachment, index);
    CHECK(write(doorbell, &one, sizeof one) == sizeof one);
  }

  /// Waits as a driver does: asks for an interrupt, looks again, sleeps. Returns when the guest owns `want` slots, or
  /// when there is an interrupt and `*stop` is set. An interrupt that never comes ends the test.
  void Await(uint32_t want = 1, const std::atomic<bool>* stop = nullptr) {
    auto over = [&] { return Mine() >= want || (stop != nullptr && stop->load()); };
    while (!over()) {
      AskForInterrupt(true);
      guest::FullBarrier();
      pollfd p[] = {{irq, POLLIN, 0}, {other_irq, POLLIN, 0}};
      if (!over() && poll(p, 2, 60'000) == 0)
        Fail(__FILE__, __LINE__, port + ": no interrupt of ring " + std::to_string(index) + " within 60 s");
      for (uint64_t count; pollfd & wakeup : p) [[maybe_unused]] ssize_t n = read(wakeup.fd, &count, sizeof count);
      AskForInterrupt(false);
    }
  }

 private:
  void Look() {
    Refresh();
    if (bad_index) Fail(__FILE__, __LINE__, port + ": " + BadIndexText());
  }
};

}  // namespace ptnet::test
