// A guest for the C++ tests: its CSB in a memfd of its own, and the rings that it finds in its port's region.
#pragma once

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "check.h"
#include "datapath/broker.h"
#include "forward/port.h"
#include "guest_ring.h"
#include "probe_packets.h"

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

class Guest {
 public:
  static constexpr size_t kSize = 8192;  // of its memory: what both sides say of the rings

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
    tx_rings_ = port.shape().tx_rings;
    // Region and CSB through the host's mappings: ThreadSanitizer knows addresses, not pages, and would not see the
    // order that the two sides make there.
    guest::Port found;
    const std::string error = guest::OpenPort({{port.region().base(), port.region().memsize()},
                                               port.nifp_ofs(),
                                               reinterpret_cast<guest::CsbGuestToHost*>(port.kring(0).atok),
                                               reinterpret_cast<guest::CsbHostToGuest*>(port.kring(0).ktoa),
                                               tx_rings_,
                                               port.shape().rx_rings},
                                              found);
    if (!error.empty()) Fail(__FILE__, __LINE__, port.name() + ": " + error);
    rings.clear();
    for (auto* direction : {&found.tx, &found.rx})
      for (guest::Ring& ring : *direction) rings.push_back({ring, port.name(), attachment.get()});
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
    for (GuestRing& ring : rings) {
      ring.gh = reinterpret_cast<guest::CsbGuestToHost*>(ram_) + ring.index;
      ring.hg = reinterpret_cast<guest::CsbHostToGuest*>(ram_ + 4096) + ring.index;
    }
  }
  GuestRing& tx(uint32_t i = 0) { return rings[i]; }
  GuestRing& rx(uint32_t i = 0) { return rings[tx_rings_ + i]; }
  /// Inline policy: serves one ring now.
  bool Sync(GuestRing& ring) { return attachment->Sync(ring.index); }
  int fd() const { return fd_; }
  /// A word of one ring's CSB entry, in the guest's own mapping.
  uint32_t& csb_word(bool host_to_guest, uint32_t ring, uint32_t word) {
    return reinterpret_cast<uint32_t*>(ram_ + (host_to_guest ? 4096 : 0))[16 * ring + word];
  }

  std::vector<GuestRing> rings;
  std::shared_ptr<Attachment> attachment;

 private:
  int fd_;
  uint8_t* ram_;
  std::vector<int> irqs_, other_irqs_;
  uint32_t tx_rings_ = 0;
};

}  // namespace ptnet::test
