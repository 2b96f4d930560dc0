// A guest for the C++ tests: its CSB in a memfd of its own, and the guest's half of a port's rings.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <vector>

#include "check.h"
#include "datapath/broker.h"
#include "forward/null_port.h"

namespace ptnet::test {

inline std::shared_ptr<Region> MakeRegion(uint16_t id = 1, uint32_t bufs = 8192, uint32_t buf_size = 2048) {
  std::shared_ptr<Region> region;
  CHECK_OK(Region::Create(id, {{20, 1024}, {64, 36864}, {bufs, buf_size}}, {}, &region));
  return region;
}

inline std::shared_ptr<StatsArea> MakeStats() {
  std::shared_ptr<StatsArea> stats;
  CHECK_OK(StatsArea::Create(1024, &stats));
  return stats;
}

inline std::shared_ptr<Engine> MakeEngine(uint32_t workers = 1) {
  std::shared_ptr<Engine> engine;
  CHECK_OK(Engine::Create(std::vector<CpuList>(workers), &engine));
  return engine;
}

/// A doorbell, as the reader of the sockets rings it.
inline void RingHere(Attachment& attachment, uint32_t ring) {
  Worker* worker = attachment.Ring(ring);
  if (worker != nullptr && !worker->ServeHere()) worker->Wake();
}

/// The guest's view of one ring: [head, tail) is its own.
struct GuestRing {
  Kring* k;
  CsbAtok* atok;
  CsbKtoa* ktoa;
  Attachment* attachment;
  uint32_t number;
  uint32_t head = 0;
  int irq = -1;        // eventfd to sleep on
  int other_irq = -1;  // another one, when a test replaces them
  int doorbell = -1;   // eventfd to kick with, instead of a call

  uint32_t Tail() { return LoadAcquire(ktoa->hwtail); }
  uint32_t Mine() { return k->Distance(head, Tail()); }
  NetmapSlot& slot(uint32_t i) { return k->slots[i]; }
  uint8_t* data(uint32_t i) { return k->Buf(k->slots[i].buf_idx); }

  /// Puts one packet of `frags` slots; false when there is no room. Publish() makes it visible.
  bool Put(const void* bytes, uint32_t len, uint32_t frags = 1) {
    if (Mine() < frags) return false;
    auto* from = static_cast<const uint8_t*>(bytes);
    for (uint32_t f = 0; f < frags; f++) {
      uint32_t n = f + 1 < frags ? len / frags : len - len / frags * (frags - 1);
      if (n > 0) memcpy(data(head), from, n);
      from += n;
      slot(head).len = static_cast<uint16_t>(n);
      slot(head).flags = f + 1 < frags ? NS_MOREFRAG : 0;
      head = k->Next(head);
    }
    return true;
  }
  /// Takes one packet; its bytes, empty when there is none.
  std::vector<uint8_t> Take() {
    std::vector<uint8_t> packet;
    if (Mine() == 0) return packet;
    for (bool more = true; more; head = k->Next(head)) {
      packet.insert(packet.end(), data(head), data(head) + slot(head).len);
      more = slot(head).flags & NS_MOREFRAG;
    }
    return packet;
  }
  /// Shows head to the host, and kicks when it asked for it.
  void Publish() {
    StoreRelaxed(atok->cur, head);
    StoreRelease(atok->head, head);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (LoadRelaxed(ktoa->kern_need_kick)) Kick();
  }
  void Kick() {
    const uint64_t one = 1;
    if (doorbell < 0) return RingHere(*attachment, number);
    CHECK(write(doorbell, &one, sizeof one) == sizeof one);
  }
  /// True when the host has taken everything that was published.
  bool Drained() { return LoadAcquire(ktoa->hwcur) == head; }

  /// Waits as a driver does: asks for an interrupt, looks again, sleeps. Returns when the guest owns `want` slots, or
  /// when there is an interrupt and `*stop` is set. An interrupt that never comes ends the test.
  void Await(uint32_t want = 1, const std::atomic<bool>* stop = nullptr) {
    auto over = [&] { return Mine() >= want || (stop != nullptr && stop->load()); };
    while (!over()) {
      StoreRelaxed(atok->appl_need_kick, 1);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      pollfd p[] = {{irq, POLLIN, 0}, {other_irq, POLLIN, 0}};
      if (!over() && poll(p, 2, 60'000) == 0)
        Fail(__FILE__, __LINE__, k->port->name() + ": no interrupt of ring " + std::to_string(number) + " within 60 s");
      for (uint64_t count; pollfd & wakeup : p) [[maybe_unused]] ssize_t n = read(wakeup.fd, &count, sizeof count);
      StoreRelaxed(atok->appl_need_kick, 0);
    }
  }
};

class Guest {
 public:
  Guest() {
    fd_ = memfd_create("test-guest", MFD_CLOEXEC);
    CHECK(ftruncate(fd_, kSize) == 0);
    ram_ = static_cast<uint8_t*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
  }
  ~Guest() {
    Detach();
    for (auto* fds : {&irqs_, &other_irqs_})
      for (int fd : *fds) close(fd);
    munmap(ram_, kSize);
    close(fd_);
  }
  Status TryAttach(std::shared_ptr<Engine> engine, Port& port, AttachOptions options) {
    return Attachment::Create(engine, &port, {fd_, 0}, {fd_, 4096}, options, &attachment);
  }
  void Attach(std::shared_ptr<Engine> engine, Port& port, AttachOptions options = {.policy = Policy::kInline}) {
    CHECK_OK(TryAttach(engine, port, options));
    rings.clear();
    // The CSB through the host's mapping: ThreadSanitizer knows addresses, not pages, and would not see the order that
    // the two sides make there.
    for (uint32_t i = 0; i < port.rings(); i++) {
      Kring& k = port.kring(i);
      rings.push_back({&k, k.atok, k.ktoa, attachment.get(), i, LoadRelaxed(atok(i)->head)});
    }
    tx_rings_ = port.shape().tx_rings;
  }
  /// Gives every ring an eventfd to sleep on, and another that ReplaceInterrupts() may set instead.
  void EnableInterrupts() {
    for (auto* fds : {&irqs_, &other_irqs_})
      while (fds->size() < rings.size()) fds->push_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    for (size_t i = 0; i < rings.size(); i++) rings[i].irq = irqs_[i], rings[i].other_irq = other_irqs_[i];
    ReplaceInterrupts(false);
  }
  void ReplaceInterrupts(bool other) { CHECK_OK(attachment->SetInterrupts(0, other ? other_irqs_ : irqs_)); }
  const std::vector<int>& irqs() const { return irqs_; }
  void Detach() {
    if (attachment) attachment->Detach();
    attachment.reset();
    for (uint32_t i = 0; i < rings.size(); i++) {
      rings[i].atok = atok(i);
      rings[i].ktoa = ktoa(i);
    }
  }
  GuestRing& tx(uint32_t i = 0) { return rings[i]; }
  GuestRing& rx(uint32_t i = 0) { return rings[tx_rings_ + i]; }
  /// Inline policy: serves one ring now.
  bool Sync(GuestRing& ring) { return attachment->Sync(ring.number); }
  int fd() const { return fd_; }
  /// A word of one ring's CSB entry, in the guest's own mapping.
  uint32_t& csb_word(bool host_to_guest, uint32_t ring, uint32_t word) {
    return reinterpret_cast<uint32_t*>(ram_ + (host_to_guest ? 4096 : 0))[16 * ring + word];
  }

  std::vector<GuestRing> rings;
  std::shared_ptr<Attachment> attachment;

 private:
  CsbAtok* atok(uint32_t ring) { return reinterpret_cast<CsbAtok*>(ram_) + ring; }
  CsbKtoa* ktoa(uint32_t ring) { return reinterpret_cast<CsbKtoa*>(ram_ + 4096) + ring; }

  static constexpr size_t kSize = 8192;
  int fd_;
  uint8_t* ram_;
  std::vector<int> irqs_, other_irqs_;
  uint32_t tx_rings_ = 0;
};

/// A probe packet.
inline std::vector<uint8_t> Probe(uint64_t seq, uint32_t len = 60, uint16_t stream = 0, uint8_t dst = 0xff,
                                  uint8_t src = 1) {
  std::vector<uint8_t> packet(len);
  probe::Header base{};
  memset(base.dst, dst, 6);
  if (dst != 0xff) base.dst[0] = 2;
  memset(base.src, src, 6);
  base.src[0] = 2;
  base.ethertype = probe::kEtherTypeLe;
  base.stream = stream;
  probe::Stamp(packet.data(), base, seq, len);
  probe::Fill(packet.data() + probe::kHeaderLen, seq, stream, probe::kHeaderLen, len - probe::kHeaderLen);
  return packet;
}

/// Checks the probe packets that a guest receives: none lost, late or corrupt unless the test allows it.
struct Receiver {
  probe::Tracker tracker;
  probe::Tracker::Tally tally;
  uint64_t packets = 0;

  void Take(GuestRing& ring) {
    for (auto packet = ring.Take(); !packet.empty(); packet = ring.Take()) {
      packets++;
      probe::Header h{};
      if (packet.size() >= sizeof h) memcpy(&h, packet.data(), sizeof h);
      uint32_t len = static_cast<uint32_t>(packet.size());
      bool fine = len >= sizeof h && h.ethertype == probe::kEtherTypeLe && h.stream < probe::kStreamsMax &&
                  h.check == probe::CheckOf(h.seq, h.stream, len) &&
                  probe::Matches(packet.data() + sizeof h, h.seq, h.stream, sizeof h, len - sizeof h);
      fine ? tracker.Seen(h.stream, h.seq, &tally) : void(tally.corrupt++);
    }
  }
  void CheckClean() const {
    CHECK_EQ(tally.lost, 0u);
    CHECK_EQ(tally.late, 0u);
    CHECK_EQ(tally.corrupt, 0u);
  }
};

}  // namespace ptnet::test
