// CaptureQueue: copying in, and taking out.
#include "program/capture_queue.h"

#include <time.h>

#include <algorithm>
#include <cstring>

namespace ptnet {
namespace {

constexpr uint32_t kAhead = 8;  // slots between asking for a buffer and reading it

uint64_t WallNs() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return static_cast<uint64_t>(ts.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(ts.tv_nsec);
}

void Count(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

void CaptureQueue::Begin() noexcept {
  lock_.Lock();
  now_ns_ = WallNs();
}

void CaptureQueue::End() noexcept {
  // Release: the copies before head; pairs with Next().
  head_.store(put_, std::memory_order_release);
  lock_.Unlock();
}

void CaptureQueue::OnPacket(const Pieces& packet, uint32_t vnet_hdr_len, Way way) noexcept {
  Put(packet, vnet_hdr_len, way == Way::kTx);
}

void CaptureQueue::OnSlots(const Kring& k, uint32_t first, uint32_t slots) noexcept {
  if (closed_.load(std::memory_order_relaxed)) return;
  Begin();
  const bool outbound = k.dir == Dir::kTx;
  const uint32_t end = k.Advance(first, slots);
  for (uint32_t n = 0; n < std::min(slots, kAhead); n++) __builtin_prefetch(k.BufAhead(k.Advance(first, n)));
  for (uint32_t i = first; slots > 0 && ReadPacket(k, i, end, &packet_);) {
    if (slots > kAhead) __builtin_prefetch(k.BufAhead(k.Advance(i, kAhead)));
    if (packet_.good()) Put({packet_.frags, packet_.slots, packet_.len}, k.vnet_hdr_len, outbound);
    slots -= packet_.slots;
    i = k.Advance(i, packet_.slots);
  }
  End();
}

/// Whether so many bytes can be put behind each other.
bool CaptureQueue::HasRoom(uint64_t bytes) noexcept {
  if (put_ + bytes - tail_seen_ <= size_) return true;
  tail_seen_ = tail_.load(std::memory_order_acquire);
  return put_ + bytes - tail_seen_ <= size_;
}

/// Where the packet's bytes go; null, and counted: nowhere.
uint8_t* CaptureQueue::Reserve(uint32_t have, uint32_t len, bool outbound) noexcept {
  Count(seen_);
  const auto size = static_cast<uint32_t>((sizeof(CapturedPacket) + have + 7) / 8 * 8);
  const auto at = static_cast<uint32_t>(put_ % size_), left = size_ - at;
  const uint32_t skipped = left < size ? left : 0;
  if (!HasRoom(uint64_t{skipped} + size)) {
    Count(dropped_);
    return nullptr;
  }
  if (skipped > 0) {
    const uint32_t skip[] = {skipped, CapturedPacket::kSkip};
    memcpy(&bytes_[at], skip, sizeof skip);
    put_ += skipped;
  }
  const CapturedPacket packet{size, have, len, outbound, now_ns_};
  uint8_t* const to = &bytes_[put_ % size_];
  memcpy(to, &packet, sizeof packet);
  put_ += size;
  return to + sizeof packet;
}

void CaptureQueue::Put(const Pieces& packet, uint32_t vnet_hdr_len, bool outbound) noexcept {
  if (packet.len <= vnet_hdr_len || closed_.load(std::memory_order_relaxed)) return;
  const uint32_t len = packet.len - vnet_hdr_len, have = std::min(len, most_);
  uint8_t* to = Reserve(have, len, outbound);
  if (to == nullptr) return;
  uint32_t skip = vnet_hdr_len, left = have;
  for (const Frag* frag = packet.frags; left > 0; frag++) {
    if (skip >= frag->len) {
      skip -= frag->len;
      continue;
    }
    const uint32_t n = std::min(frag->len - skip, left);
    memcpy(to, frag->data + skip, n);
    to += n, left -= n;
    skip = 0;
  }
}

const CapturedPacket* CaptureQueue::Next() noexcept {
  for (;;) {
    // Acquire: the copies behind head; pairs with End().
    if (at_ == head_.load(std::memory_order_acquire)) return nullptr;
    const auto* packet = reinterpret_cast<const CapturedPacket*>(&bytes_[at_ % size_]);
    at_ += packet->size;
    if (packet->have != CapturedPacket::kSkip) return packet;
  }
}

}  // namespace ptnet
