// The tests' host half: builds the region, serves the rings by the protocol, parks when idle.
#include "fake_host.h"

#include <sched.h>

#include <cstdlib>
#include <cstring>

namespace ptnet::guest::test {
namespace {

constexpr uint64_t kRingsAt = 4096;

/// Writes an eventfd. It fails only when the counter is full, and then the reader wakes anyway.
void Signal(int fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(fd, &one, sizeof one);
}

uint64_t RingBytes(uint32_t slots) { return (sizeof(netmap_ring) + slots * sizeof(netmap_slot) + 4095) / 4096 * 4096; }

}  // namespace

FakeHost::FakeHost(const HostOptions& options) : options_(options), memory_(nullptr, std::free) {
  const uint32_t rings = options.rings;
  buf_pool_ = kRingsAt + rings * (RingBytes(options.tx_slots) + RingBytes(options.rx_slots));
  size_ = buf_pool_ + (2 + static_cast<uint64_t>(rings) * (options.tx_slots + options.rx_slots)) * options.buf_size;
  memory_.reset(static_cast<uint8_t*>(std::aligned_alloc(4096, (size_ + 4095) / 4096 * 4096)));
  std::memset(memory_.get(), 0, size_);
  gh_.resize(2 * rings);
  hg_.resize(2 * rings);
  netmap_if nifp = {};
  nifp.version = 15;
  nifp.tx_rings = nifp.rx_rings = rings;
  nifp.host_tx_rings = nifp.host_rx_rings = 1;  // there, but with ring_ofs 0
  std::memcpy(memory_.get(), &nifp, sizeof nifp);
  uint64_t at = kRingsAt;
  for (uint32_t r = 0; r < rings; ++r) BuildRing(r, r, options.tx_slots, at);
  for (uint32_t r = 0; r < rings; ++r) BuildRing(rings + 1 + r, rings + r, options.rx_slots, at);
  for (uint32_t i = 0; i < 2 * rings; ++i) {
    HostRing& ring = rings_[i];
    if (i < rings) ring.hwtail = ring.num_slots - 1;
    hg_[i] = {0, ring.hwtail, 1};
    gh_[i] = {0, 0, i < rings ? 0u : 1u, 0};
    interrupts_.push_back(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  }
  kick_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void FakeHost::BuildRing(uint32_t entry, uint32_t index, uint32_t slots, uint64_t& at) {
  const int64_t ring_ofs = static_cast<int64_t>(at);
  std::memcpy(memory_.get() + sizeof(netmap_if) + entry * sizeof ring_ofs, &ring_ofs, sizeof ring_ofs);
  netmap_ring header = {};
  header.buf_ofs = static_cast<int64_t>(buf_pool_ - at);
  header.num_slots = slots;
  header.buf_size = options_.buf_size;
  header.ringid = static_cast<uint16_t>(index);
  std::memcpy(memory_.get() + at, &header, sizeof header);
  rings_.push_back({reinterpret_cast<netmap_slot*>(memory_.get() + at + sizeof header), slots});
  for (uint32_t i = 0; i < slots; ++i) rings_.back().slots[i] = {next_buf_++, 0, 0, 0};
  at += RingBytes(slots);
}

PortLayout FakeHost::layout() {
  return {{memory_.get(), size_}, 0, gh_.data(), hg_.data(), options_.rings, options_.rings};
}

netmap_ring& FakeHost::ring_header(uint32_t index) {
  return *reinterpret_cast<netmap_ring*>(reinterpret_cast<uint8_t*>(rings_[index].slots) - sizeof(netmap_ring));
}

bool FakeHost::Kick(uint32_t index) {
  if (Load(hg_[index].kern_need_kick, std::memory_order_relaxed) == 0) ++spurious_;
  Signal(kick_fd_);
  return true;
}

void FakeHost::Start() {
  thread_ = std::thread([this] { Run(); });
}

void FakeHost::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  Signal(kick_fd_);
  thread_.join();
  close(kick_fd_);
  for (const int fd : interrupts_) close(fd);
}

uint32_t FakeHost::LoadHead(uint32_t index) { return Load(gh_[index].head, std::memory_order_acquire); }

void FakeHost::Publish(uint32_t index, HostRing& ring) {
  Store(hg_[index].hwcur, ring.hwcur, std::memory_order_relaxed);
  // hwcur and the slots before hwtail: pairs with LoadTailThenCur() in the guest.
  Store(hg_[index].hwtail, ring.hwtail, std::memory_order_release);
  FullBarrier();
  if (Load(gh_[index].appl_need_kick, std::memory_order_relaxed) == 0) return;
  ++raised_;
  Signal(interrupts_[index]);
}

/// Slots of the packet at `at`, 0 when its end is not there yet.
uint32_t FakeHost::PacketAt(const HostRing& tx, uint32_t at, uint32_t head) {
  uint32_t n = 0;
  while (at != head) {
    ++n;
    if ((tx.slots[at].flags & NS_MOREFRAG) == 0) return n;
    at = at + 1 == tx.num_slots ? 0 : at + 1;
  }
  return 0;
}

/// Puts a packet into the RX ring: swaps buffers, or copies when the packet is needed again.
bool FakeHost::Deliver(uint32_t r, uint32_t at, uint32_t slots, bool swap) {
  HostRing& tx = rings_[r];
  HostRing& rx = rings_[options_.rings + r];
  const uint32_t rx_head = LoadHead(options_.rings + r);
  const uint32_t used = rx.hwtail >= rx_head ? rx.hwtail - rx_head : rx.hwtail + rx.num_slots - rx_head;
  if (rx.num_slots - 1 - used < slots) return false;
  for (uint32_t i = 0; i < slots; ++i) {
    netmap_slot& from = tx.slots[at];
    netmap_slot& to = rx.slots[rx.hwtail];
    if (swap)
      std::swap(from.buf_idx, to.buf_idx);
    else
      std::memcpy(memory_.get() + buf_pool_ + static_cast<uint64_t>(to.buf_idx) * options_.buf_size,
                  memory_.get() + buf_pool_ + static_cast<uint64_t>(from.buf_idx) * options_.buf_size,
                  options_.buf_size);
    to.len = from.len;
    to.flags = from.flags & NS_MOREFRAG;
    at = at + 1 == tx.num_slots ? 0 : at + 1;
    rx.hwtail = rx.hwtail + 1 == rx.num_slots ? 0 : rx.hwtail + 1;
  }
  return true;
}

bool FakeHost::Loopback(uint32_t r) {
  HostRing& tx = rings_[r];
  HostRing& rx = rings_[options_.rings + r];
  const uint32_t head = LoadHead(r);
  const uint32_t old_tail = rx.hwtail;
  bool moved = false;
  while (tx.hwcur != head) {
    const uint32_t slots = PacketAt(tx, tx.hwcur, head);
    if (slots == 0) break;
    const Fate what = fate ? fate(packet_) : Fate::kPass;
    // Room for both copies or none, so that a packet is never half done.
    if (what == Fate::kTwice) {
      const uint32_t before = rx.hwtail;
      if (!Deliver(r, tx.hwcur, slots, false) || !Deliver(r, tx.hwcur, slots, false)) {
        rx.hwtail = before;
        break;
      }
    } else if (what == Fate::kPass) {
      if (tamper) tamper(packet_, memory_.get() + buf_pool_ + uint64_t{tx.slots[tx.hwcur].buf_idx} * options_.buf_size);
      if (!Deliver(r, tx.hwcur, slots, true)) break;
    }
    ++packet_;
    moved = true;
    tx.hwcur = tx.hwcur + slots >= tx.num_slots ? tx.hwcur + slots - tx.num_slots : tx.hwcur + slots;
  }
  rx.hwcur = LoadHead(options_.rings + r);
  if (rx.hwtail != old_tail) Publish(options_.rings + r, rx);
  if (!moved) return false;
  tx.hwtail = tx.hwcur == 0 ? tx.num_slots - 1 : tx.hwcur - 1;
  Publish(r, tx);
  return true;
}

bool FakeHost::Sink(uint32_t r) {
  HostRing& tx = rings_[r];
  const uint32_t head = LoadHead(r);
  if (head == tx.hwcur) return false;
  // Every slot is read, as an engine would.
  uint64_t bytes = 0;
  for (uint32_t at = tx.hwcur; at != head; at = at + 1 == tx.num_slots ? 0 : at + 1) bytes += tx.slots[at].len;
  packet_ += bytes;
  tx.hwcur = head;
  tx.hwtail = head == 0 ? tx.num_slots - 1 : head - 1;
  Publish(r, tx);
  return true;
}

bool FakeHost::Source(uint32_t r) {
  HostRing& rx = rings_[options_.rings + r];
  const uint32_t head = LoadHead(options_.rings + r);
  const uint32_t tail = head == 0 ? rx.num_slots - 1 : head - 1;
  rx.hwcur = head;
  if (tail == rx.hwtail) return false;
  for (; rx.hwtail != tail; rx.hwtail = rx.hwtail + 1 == rx.num_slots ? 0 : rx.hwtail + 1)
    if (rx.slots[rx.hwtail].len != 60) rx.slots[rx.hwtail].len = 60;
  Publish(options_.rings + r, rx);
  return true;
}

bool FakeHost::Serve(uint32_t r) {
  switch (options_.join) {
    case HostOptions::Join::kSink:
      return Sink(r);
    case HostOptions::Join::kSource:
      return Source(r);
    case HostOptions::Join::kLoopback:
      break;
  }
  return Loopback(r);
}

void FakeHost::Run() {
  uint32_t fruitless = 0;
  for (CsbHostToGuest& entry : hg_) Store(entry.kern_need_kick, 0, std::memory_order_relaxed);
  while (!stop_.load(std::memory_order_relaxed)) {
    bool moved = false;
    for (uint32_t r = 0; r < options_.rings; ++r) moved = Serve(r) || moved;
    if (moved) {
      fruitless = 0;
    } else if (++fruitless > options_.spins_before_parking) {
      Park();
      fruitless = 0;
    } else if (options_.yields && fruitless > 64) {
      sched_yield();
    }
  }
}

void FakeHost::Park() {
  for (CsbHostToGuest& entry : hg_) Store(entry.kern_need_kick, 1, std::memory_order_relaxed);
  // Our kern_need_kick before the guest's head: pairs with Ring::HostWantsKick().
  FullBarrier();
  bool moved = false;
  for (uint32_t r = 0; r < options_.rings; ++r) moved = Serve(r) || moved;
  if (!moved && !stop_) {
    pollfd entry = {kick_fd_, POLLIN, 0};
    poll(&entry, 1, -1);
    uint64_t count;
    while (read(kick_fd_, &count, sizeof count) == sizeof count) {
    }
  }
  for (CsbHostToGuest& entry : hg_) Store(entry.kern_need_kick, 0, std::memory_order_relaxed);
}

}  // namespace ptnet::guest::test
