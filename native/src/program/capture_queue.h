// What a capture has seen and not written yet: copies of packets in a ring of bytes, from those who serve the port to
// the thread that writes the file.
#pragma once

#include <atomic>
#include <memory>
#include <new>

#include "forward/onlooker.h"
#include "ring/spinlock.h"

namespace ptnet {

/// A packet in the queue; its bytes follow.
struct CapturedPacket {
  uint32_t size;  // of this and its bytes, a multiple of 8
  uint32_t have;  // bytes that were copied; kSkip: none is here, and the next one is at the beginning
  uint32_t len;   // that it had
  uint32_t outbound;
  uint64_t time_ns;  // since 1970, of its batch

  static constexpr uint32_t kSkip = UINT32_MAX;
  const uint8_t* data() const { return reinterpret_cast<const uint8_t*>(this + 1); }
};
static_assert(sizeof(CapturedPacket) == 24);

class CaptureQueue final : public Onlooker {
 public:
  /// @param bytes a power of two, larger than `most`, the bytes that are copied of a packet.
  CaptureQueue(uint32_t bytes, uint32_t most) : bytes_(new (std::nothrow) uint8_t[bytes]), size_(bytes), most_(most) {}
  /// Whether there was memory for it; else nothing may be brought.
  bool made() const { return bytes_ != nullptr; }

  void OnSlots(const Kring& k, uint32_t first, uint32_t slots) noexcept override;
  void Begin() noexcept override;
  void OnPacket(const Pieces& packet, uint32_t vnet_hdr_len, Way way) noexcept override;
  void End() noexcept override;

  /// The reader's: the oldest packet; null: there is none. It stays until Release() or the next call of Next().
  const CapturedPacket* Next() noexcept;
  /// What Next() has given is free again.
  void Release() noexcept { tail_.store(at_, std::memory_order_release); }
  /// Any thread: what comes from now on is nobody's business.
  void Close() noexcept { closed_.store(true, std::memory_order_relaxed); }

  uint64_t seen() const { return seen_.load(std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void Put(const Pieces& packet, uint32_t vnet_hdr_len, bool outbound) noexcept;
  uint8_t* Reserve(uint32_t have, uint32_t len, bool outbound) noexcept;
  bool HasRoom(uint64_t bytes) noexcept;

  const std::unique_ptr<uint8_t[]> bytes_;
  const uint32_t size_, most_;
  std::atomic<bool> closed_{false};

  // Those who bring packets, under the lock; positions count on and on.
  alignas(kCacheLine) SpinLock lock_;
  uint64_t put_ = 0;
  uint64_t tail_seen_ = 0;
  uint64_t now_ns_ = 0;
  Packet packet_;
  std::atomic<uint64_t> seen_{0}, dropped_{0};
  alignas(kCacheLine) std::atomic<uint64_t> head_{0};

  // The reader's.
  alignas(kCacheLine) std::atomic<uint64_t> tail_{0};
  uint64_t at_ = 0;
};

}  // namespace ptnet
