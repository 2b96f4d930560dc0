// A packet on its way between two of whom one at least has a virtio-net header: the header is checked and passed on,
// added, or taken away, and then what it had asked for is done on the way, while the payload is copied.
#pragma once

#include <cstdint>

#include "packet/checksum.h"
#include "packet/offload.h"
#include "ring/rx_writer.h"

namespace ptnet {

class VnetPacket {
 public:
  /// Looks at a packet whose sender has a header of `from` bytes; its receiver has one of `to`: 0, 10 or 12 each.
  /// @param mtu as in CheckOffload, for a receiver without one: with one he takes any.
  /// @return kCount, or why there is nothing to be made of it: kBadVnet, kTooLong, kBadLen for less than a frame. What
  /// Make() takes from the header was read here once, and does not change any more.
  Drop Open(const Pieces& packet, uint32_t from, uint32_t to, uint32_t mtu) noexcept;

  /// Bytes of the packet that is made next; 0 when all are made.
  uint32_t NextLen() const noexcept;
  /// How many are to be made still.
  uint32_t CountLeft() const noexcept;
  /// Makes the next packet, into places for NextLen() bytes.
  void Make(const Places& to) noexcept;

 private:
  void Take(uint8_t* to, uint32_t n) noexcept;
  void BeginSegments() noexcept;
  void SetSegment(uint32_t payload) noexcept;
  void SetNextSegment(uint32_t payload) noexcept;
  void SetChecksum(uint16_t sum) noexcept;
  template <bool summed>
  void Pass(const Places& to, uint32_t n, InternetSum* sum) noexcept;

  bool segments() const noexcept { return offload_.work == Offload::Work::kSegment; }

  Pieces packet_{};
  uint32_t piece_ = 0, piece_at_ = 0;  // behind what has been taken of the packet
  uint32_t left_ = 0;                  // bytes of payload that are still to be taken
  bool done_ = true;
  Offload offload_;
  uint64_t pseudo_sum_ = 0;  // of segments, without the length
  uint8_t last_flags_ = 0;   // of TCP, that only the last segment has
  uint32_t head_len_ = 0;    // of what every packet that is made begins with
  uint8_t head_[VirtioNetHdr::kVnetHdrLong + kHeadMax];
};

/// What became of a packet: `packets` were not put in, for `cause`.
struct NotPut {
  Drop cause = Drop::kCount;
  uint32_t packets = 0;
};

/// Opens `packet` and puts all that is made of it into the receiver's ring; one of the two headers is not 0.
NotPut PutVnetPacket(RxWriter& to, const Pieces& packet, uint32_t from_hdr, uint32_t to_hdr, uint32_t mtu) noexcept;

}  // namespace ptnet
