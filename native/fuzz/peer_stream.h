// What a peer may send: doorbells, other messages, and what is neither, one after the other in memory.
#pragma once

#include <algorithm>

#include "datapath/kick_framer.h"
#include "input.h"

namespace ptnet::fuzz {

class PeerStream {
 public:
  static constexpr size_t kBytes = 64 << 10;

  explicit PeerStream(const KickLimits& limits) : limits_(limits) {}

  /// The next frame, or piece of one; the lower three bits of `what`, 0 to 5, say of which kind.
  void Put(Input& input, uint8_t what, const DoorbellWindow& window) {
    switch (what & 7) {
      case 3:
        return PutMessage(16 + (what >> 3), input.Byte());
      case 4:
        return PutMessage(input.Take<uint16_t>() % (limits_.max_message_bytes + 16), input.Byte());
      case 5:
        return PutRaw(input);
      default:
        return PutDoorbell(input, window);
    }
  }
  const uint8_t* at(size_t position) const { return bytes_ + position; }
  size_t size() const { return size_; }
  bool full() const { return size_ + limits_.max_message_bytes + 256 > kBytes; }
  void Clear() { size_ = 0; }

 private:
  /// A doorbell as drivers write it, or nearly.
  void PutDoorbell(Input& input, const DoorbellWindow& window) {
    const uint8_t what = input.Byte(), odd = input.Byte();
    VfioUserRegionAccess access{};
    access.header.msg_id = static_cast<uint16_t>(size_);
    access.header.command = kVfioUserRegionWrite;
    access.header.flags = what & 0x80 ? kVfioUserNoReply : 0;
    access.region = window.region;
    access.offset = window.offset + uint64_t{window.stride} * (what & 7);
    access.count = 1u << (what >> 3 & 3);
    if (odd & 1) access.header.flags = input.Byte();
    if (odd & 2) access.region = input.Byte();
    if (odd & 4) access.offset += static_cast<uint64_t>(static_cast<int8_t>(input.Byte()));
    if (odd & 8) access.offset = input.Take<uint64_t>();
    if (odd & 16) access.count = input.Byte();
    if (odd & 32) access.header.command = input.Byte();
    access.header.size = sizeof access + access.count;
    if (odd & 64) access.header.size += input.Byte() - 128u;
    Copy(&access, sizeof access);
    size_ += std::min(access.header.size > sizeof access ? access.header.size - sizeof access : 0, size_t{256});
  }
  void PutMessage(uint32_t size, uint16_t command) {
    const VfioUserHeader header{static_cast<uint16_t>(size_), command, size, 0, 0};
    Copy(&header, sizeof header);
    if (size > sizeof header && size <= limits_.max_message_bytes) size_ += size - sizeof header;
  }
  void PutRaw(Input& input) {
    const size_t n = std::min<size_t>(input.Byte() & 63, input.left);
    Copy(input.data, n);
    input.data += n, input.left -= n;
  }
  /// What nobody reads stays what it was: bytes of earlier frames.
  void Copy(const void* bytes, size_t n) {
    memcpy(bytes_ + size_, bytes, n);
    size_ += n;
  }

  static inline uint8_t bytes_[kBytes];
  const KickLimits limits_;
  size_t size_ = 0;
};

}  // namespace ptnet::fuzz
