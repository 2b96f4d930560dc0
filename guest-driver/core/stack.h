// A guest that is a kernel: what the host gives goes to a tap, and what a tap gives goes to the host, so that a network
// stack with all of its protocols uses the device as its interface.
#pragma once

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "config.h"
#include "policy.h"

namespace ptnet::guest {

/// Ring pair i has tap i. The taps, non-blocking, have a virtio-net header exactly as long as the device's packets
/// have. What the kernel refuses as no packet is counted as corrupt, what it does not take for another reason as lost.
template <Kicker K, Waiter W>
class StackLoop {
 public:
  /// `config` must have passed Check(). All references must outlive the loop. `waiter` wakes for the taps too.
  StackLoop(LoopConfig& config, LoopControl& control, K& kicker, W& waiter)
      : config_(config), control_(control), kicker_(kicker), waiter_(waiter) {}

  LoopResult Run() {
    const int64_t start = NowNs();
    AskForInterrupts(false);
    while (!control_.stop.load(std::memory_order_relaxed) && result_.error.empty()) {
      if (!Pass()) Wait();
      control_.sent.store(result_.sent.packets, std::memory_order_relaxed);
      control_.received.store(result_.received.packets, std::memory_order_relaxed);
    }
    if (!result_.error.empty()) result_.stopped = Stopped::kError;
    for (Ring& ring : config_.rx) ring.AskForInterrupt(true);
    result_.interrupts = waiter_.interrupts();
    result_.seconds = static_cast<double>(NowNs() - start) / kNsPerSecond;
    return std::move(result_);
  }

 private:
  static constexpr uint32_t kLongest = 12 + 14 + 2 * 4 + 65535;  // of all that a tap gives

  /// Serves every ring and every tap once. @return whether a packet moved.
  bool Pass() {
    bool moved = false;
    for (size_t i = 0; i < config_.taps.size(); ++i) {
      moved = Receive(config_.rx[i], config_.taps[i]) || moved;
      moved = Send(config_.tx[i], config_.taps[i]) || moved;
    }
    fruitless_ = moved ? 0 : fruitless_ + 1;
    return moved;
  }

  bool Receive(Ring& ring, int tap) {
    uint32_t packets = 0;
    ring.AvailableOrRefresh(1);
    while (packets < config_.burst && WriteOne(ring, tap)) ++packets;
    if (packets > 0) Publish(ring);
    return packets > 0;
  }

  /// Gives the packet at head to the tap. @return false when there is no whole one.
  bool WriteOne(Ring& ring, int tap) {
    iovec pieces[kMaxFrags];
    uint32_t n = 0, at = ring.head;
    bool more = true;
    for (const uint32_t available = ring.Available(); more; at = ring.Next(at), ++n) {
      if (n == available) return Check(ring);
      const netmap_slot& slot = ring.slots[at];
      if (n == kMaxFrags || slot.buf_idx >= ring.buf_count || slot.len > ring.buf_size)
        return Fail("ring " + std::to_string(ring.index) + ": the host left a bad slot " + std::to_string(at));
      pieces[n] = {ring.Buffer(slot.buf_idx), slot.len};
      more = (slot.flags & NS_MOREFRAG) != 0;
    }
    if (config_.capture >= 0) Capture(pieces, n);
    const ssize_t written = writev(tap, pieces, static_cast<int>(n));
    ++result_.received.packets;
    if (written > 0) result_.received.bytes += static_cast<uint64_t>(written);
    if (written < 0) ++(errno == EINVAL ? result_.corrupt : result_.lost);
    ring.head = at;
    return true;
  }

  /// A record of a pcap file, whose header is the caller's.
  void Capture(const iovec* pieces, uint32_t n) {
    uint32_t record[4] = {};  // seconds, microseconds, bytes here, bytes of the packet
    iovec whole[1 + kMaxFrags] = {{record, sizeof record}};
    std::copy_n(pieces, n, &whole[1]);
    for (uint32_t i = 0; i < n; ++i) record[2] += static_cast<uint32_t>(pieces[i].iov_len);
    record[3] = record[2];
    if (writev(config_.capture, whole, static_cast<int>(1 + n)) < 0) Fail(std::string("capture: ") + strerror(errno));
  }

  bool Send(Ring& ring, int tap) {
    uint32_t packets = 0;
    while (packets < config_.burst && ReadOne(ring, tap)) ++packets;
    if (packets > 0) Publish(ring);
    return packets > 0;
  }

  /// Takes a packet from the tap. @return false when there is none, or no room for the longest.
  bool ReadOne(Ring& ring, int tap) {
    const uint32_t wanted = std::min({kLongest / ring.buf_size + 1, kMaxFrags, ring.num_slots - 1});
    ring.starved = ring.AvailableOrRefresh(wanted) < wanted;
    if (ring.starved) return Check(ring);
    iovec pieces[kMaxFrags];
    for (uint32_t n = 0, at = ring.head; n < wanted; ++n, at = ring.Next(at)) {
      const uint32_t buf_idx = ring.slots[at].buf_idx;
      if (buf_idx == 0 || buf_idx >= ring.buf_count)
        return Fail("ring " + std::to_string(ring.index) + ": the host left a bad slot " + std::to_string(at));
      pieces[n] = {ring.Buffer(buf_idx), ring.buf_size};
    }
    const ssize_t got = readv(tap, pieces, static_cast<int>(wanted));
    if (got <= 0) return false;
    ++result_.sent.packets;
    result_.sent.bytes += static_cast<uint64_t>(got);
    for (auto left = static_cast<uint32_t>(got); left > 0; ring.head = ring.Next(ring.head)) {
      netmap_slot& slot = ring.slots[ring.head];
      slot.len = static_cast<uint16_t>(std::min(left, ring.buf_size));
      left -= slot.len;
      slot.flags = left > 0 ? NS_MOREFRAG : 0;
    }
    return true;
  }

  void Publish(Ring& ring) {
    ring.Publish();
    ++result_.syncs;
    if (!ring.HostWantsKick()) return;
    ++result_.kicks;
    if (!kicker_.Kick(ring.index)) Fail("doorbell " + std::to_string(ring.index) + ": " + kicker_.error());
  }

  void Wait() {
    if (fruitless_ % W::kClockEvery != 0) return waiter_.Spin(fruitless_);
    AskForInterrupts(true);
    // Our appl_need_kick before the host's indices: pairs with the host's barrier between hwtail and its look at
    // appl_need_kick.
    FullBarrier();
    bool moved = false;
    for (Ring& ring : config_.rx) moved = ring.Refresh() || moved;
    for (size_t i = 0; i < config_.taps.size(); ++i) {
      Ring& ring = config_.tx[i];
      moved = (ring.starved && ring.Refresh()) || moved;
      waiter_.Watch(i, !ring.starved);
    }
    if (!moved) waiter_.Sleep(-1);
    AskForInterrupts(false);
  }

  void AskForInterrupts(bool wanted) {
    for (Ring& ring : config_.rx) ring.AskForInterrupt(wanted);
    for (Ring& ring : config_.tx) ring.AskForInterrupt(wanted && ring.starved);
  }

  bool Check(const Ring& ring) { return ring.bad_index ? Fail(ring.BadIndexText()) : false; }
  bool Fail(const std::string& text) {
    if (result_.error.empty()) result_.error = text;
    return false;
  }

  LoopConfig& config_;
  LoopControl& control_;
  K& kicker_;
  W& waiter_;
  LoopResult result_;
  uint64_t fruitless_ = 0;  // passes in a row in which nothing moved
};

}  // namespace ptnet::guest
