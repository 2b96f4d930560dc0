// PcapReader: the two formats (draft-ietf-opsawg-pcap and -pcapng), and a buffer before the file.
#include "program/pcap_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <new>

namespace ptnet {
namespace {

constexpr size_t kBuffer = size_t{2} << 20;
static_assert(kBuffer > PcapReader::kMost + 4096);

// As they are in a file of this machine's byte order.
constexpr uint32_t kMicroseconds = 0xa1b2c3d4, kNanoseconds = 0xa1b23c4d;
constexpr uint32_t kSection = 0x0a0d0d0a, kByteOrder = 0x1a2b3c4d;
constexpr uint32_t kInterface = 1, kSimplePacket = 3, kEnhancedPacket = 6;
constexpr uint16_t kTimeResolution = 9, kTimeOffset = 14;
constexpr uint32_t kEthernet = 1;
constexpr uint32_t kPcapHeader = 24, kPcapRecord = 16, kBlockHeader = 8;
constexpr uint32_t kInterfacesMost = 4096;

uint32_t Load32(const uint8_t* at) {
  uint32_t v;
  memcpy(&v, at, sizeof v);
  return v;
}

/// So many units of 10^-exponent, or 2^-exponent, seconds.
uint64_t ToNs(uint64_t time, bool binary, uint8_t exponent) {
  if (binary) return static_cast<uint64_t>(static_cast<unsigned __int128>(time) * 1'000'000'000 >> exponent);
  uint64_t scale = 1;
  for (uint8_t e = exponent; e < 9; e++) scale *= 10;
  time *= scale;
  for (uint8_t e = 9; e < exponent; e++) time /= 10;
  return time;
}

}  // namespace

uint16_t PcapReader::Get16(const uint8_t* at) const {
  uint16_t v;
  memcpy(&v, at, sizeof v);
  return swapped_ ? __builtin_bswap16(v) : v;
}

uint32_t PcapReader::Get32(const uint8_t* at) const { return swapped_ ? __builtin_bswap32(Load32(at)) : Load32(at); }

PcapReader::Next PcapReader::Bad(const std::string& text) {
  error_ = path_ + ": byte " + std::to_string(offset_) + ": " + text;
  return Next::kBad;
}

PcapReader::PcapReader(std::string path, os::UniqueFd fd, ReadFile read)
    : path_(std::move(path)),
      fd_(std::move(fd)),
      read_(std::move(read)),
      buffer_(new (std::nothrow) uint8_t[kBuffer]) {}

Status PcapReader::Open(const std::string& path, os::UniqueFd fd, ReadFile read, std::unique_ptr<PcapReader>* out) {
  std::unique_ptr<PcapReader> reader(new PcapReader(path, std::move(fd), std::move(read)));
  if (!reader->buffer_) return Status::Fail(ENOMEM, path + ": no memory to read it");
  if (Status s = reader->ReadHeader(); !s.ok()) return s;
  *out = std::move(reader);
  return Status::Ok();
}

/// Whether so many bytes are in the buffer, after reading more of the file if need be.
bool PcapReader::Fill(size_t bytes) {
  if (end_ - at_ >= bytes) return true;
  memmove(buffer_.get(), &buffer_[at_], end_ - at_);
  end_ -= at_;
  at_ = 0;
  while (!over_ && end_ < bytes) {
    const ssize_t n = read_(fd_.get(), &buffer_[end_], kBuffer - end_);
    if (n > 0) {
      end_ += static_cast<size_t>(n);
    } else if (n == 0) {
      over_ = true;
    } else if (errno != EINTR) {
      (void)Bad(strerror(errno));
      return false;
    }
  }
  return end_ >= bytes;
}

const uint8_t* PcapReader::Take(size_t bytes) {
  const uint8_t* const at = &buffer_[at_];
  at_ += bytes;
  offset_ += bytes;
  return at;
}

Status PcapReader::ReadHeader() {
  const auto fail = [&](const std::string& text) { return Status::Fail(EINVAL, path_ + ": " + text); };
  if (!Fill(4) && !error_.empty()) return Status::Fail(EIO, error_);
  constexpr const char* kNeither = "neither pcap nor pcapng: what tcpdump or Wireshark has written would be right";
  if (end_ < 4) return fail(kNeither);
  const uint32_t magic = Load32(buffer_.get());
  pcapng_ = magic == kSection;
  if (pcapng_) return Status::Ok();
  for (const bool swapped : {false, true}) {
    const uint32_t m = swapped ? __builtin_bswap32(magic) : magic;
    if (m != kMicroseconds && m != kNanoseconds) continue;
    swapped_ = swapped;
    nanoseconds_ = m == kNanoseconds;
    if (!Fill(kPcapHeader)) return fail("it ends within its header");
    const uint32_t linktype = Get32(Take(kPcapHeader) + 20) & 0xfffffff;
    return linktype == kEthernet ? Status::Ok()
                                 : fail("link type " + std::to_string(linktype) + ": Ethernet (1) would be right");
  }
  return fail(kNeither);
}

bool PcapReader::Rewind() {
  if (lseek(fd_.get(), 0, SEEK_SET) != 0) return false;
  at_ = end_ = 0;
  offset_ = 0;
  over_ = false;
  interfaces_.clear();
  swapped_ = false;
  return ReadHeader().ok();
}

PcapReader::Next PcapReader::Read(FilePacket* packet) {
  if (!error_.empty()) return Next::kBad;
  if (!pcapng_) return ReadPcap(packet);
  for (bool found = false;;) {
    const Next next = ReadBlock(packet, &found);
    if (next != Next::kPacket || found) return next;
  }
}

PcapReader::Next PcapReader::ReadPcap(FilePacket* packet) {
  if (!Fill(kPcapRecord)) {
    if (!error_.empty()) return Next::kBad;
    return end_ == at_ ? Next::kEnd : Bad("it ends within a packet's header");
  }
  const uint8_t* const header = Take(kPcapRecord);
  const uint32_t seconds = Get32(header), fraction = Get32(header + 4), have = Get32(header + 8),
                 len = Get32(header + 12);
  if (have > kMost) return Bad("a packet of " + std::to_string(have) + " bytes");
  if (!Fill(have)) return error_.empty() ? Bad("it ends within a packet") : Next::kBad;
  packet->time_ns = uint64_t{seconds} * 1'000'000'000 + uint64_t{fraction} * (nanoseconds_ ? 1 : 1000);
  packet->have = have;
  packet->len = len;
  packet->data = Take(have);
  return Next::kPacket;
}

/// One block; `*found`: it was a packet.
PcapReader::Next PcapReader::ReadBlock(FilePacket* packet, bool* found) {
  if (!Fill(kBlockHeader)) {
    if (!error_.empty()) return Next::kBad;
    return end_ == at_ ? Next::kEnd : Bad("it ends within a block's header");
  }
  const uint8_t* header = &buffer_[at_];
  const bool section = Load32(header) == kSection;
  if (section) {
    // Its byte order stands behind its length.
    if (!Fill(kBlockHeader + 4)) return Bad("it ends within a section's header");
    header = &buffer_[at_];
    const uint32_t order = Load32(header + kBlockHeader);
    if (order != kByteOrder && __builtin_bswap32(order) != kByteOrder) return Bad("a section without a byte order");
    swapped_ = order != kByteOrder;
  } else if (interfaces_.empty() && offset_ == 0) {
    return Bad("it does not begin with a section");
  }
  const uint32_t type = Get32(header), length = Get32(header + 4);
  if (length < kBlockHeader + 4 || length % 4 != 0 || length > kMost)
    return Bad("a block of " + std::to_string(length) + " bytes");
  if (!Fill(length)) return error_.empty() ? Bad("it ends within a block") : Next::kBad;
  const uint8_t* const body = &buffer_[at_] + kBlockHeader;
  const uint32_t room = length - kBlockHeader - 4;
  if (Get32(body + room) != length) return Bad("a block's two lengths differ");
  Next next = Next::kPacket;
  if (section) {
    interfaces_.clear();
  } else if (type == kInterface) {
    if (!ReadInterface(body, room)) next = Bad("an interface that is none");
  } else if (type == kEnhancedPacket) {
    *found = true;
    next = ReadEnhanced(body, room, packet);
  } else if (type == kSimplePacket) {
    *found = true;
    next = ReadSimple(body, room, packet);
  }
  if (next == Next::kPacket) (void)Take(length);
  return next;
}

bool PcapReader::ReadInterface(const uint8_t* body, uint32_t length) {
  if (length < 8 || interfaces_.size() >= kInterfacesMost) return false;
  Interface interface;
  interface.linktype = Get16(body);
  if (interfaces_.empty()) simple_most_ = Get32(body + 4);
  for (uint32_t at = 8; at + 4 <= length;) {
    const uint16_t code = Get16(body + at), size = Get16(body + at + 2);
    if (code == 0) break;
    if (size > length - at - 4) return false;
    const uint8_t* const value = body + at + 4;
    if (code == kTimeResolution && size >= 1) {
      interface.binary = (value[0] & 0x80) != 0;
      interface.exponent = value[0] & 0x7f;
      if (interface.exponent > (interface.binary ? 63 : 18)) return false;
    } else if (code == kTimeOffset && size >= 8) {
      const uint32_t low = Get32(value + (swapped_ ? 4 : 0)), high = Get32(value + (swapped_ ? 0 : 4));
      interface.offset_s = static_cast<int64_t>(uint64_t{high} << 32 | low);
    }
    at += 4 + (size + 3u) / 4 * 4;
  }
  interfaces_.push_back(interface);
  return true;
}

PcapReader::Next PcapReader::ReadEnhanced(const uint8_t* body, uint32_t length, FilePacket* packet) {
  if (length < 20) return Bad("a packet without a header");
  const uint32_t number = Get32(body), have = Get32(body + 12);
  if (number >= interfaces_.size())
    return Bad("a packet of interface " + std::to_string(number) + ", which is not there");
  const Interface& interface = interfaces_[number];
  if (interface.linktype != kEthernet)
    return Bad("a packet of link type " + std::to_string(interface.linktype) + ": Ethernet (1) would be right");
  if (have > length - 20) return Bad("a packet that is longer than its block");
  const uint64_t time = uint64_t{Get32(body + 4)} << 32 | Get32(body + 8);
  packet->time_ns =
      ToNs(time, interface.binary, interface.exponent) + static_cast<uint64_t>(interface.offset_s) * 1'000'000'000;
  packet->have = have;
  packet->len = Get32(body + 16);
  packet->data = body + 20;
  return Next::kPacket;
}

/// Of interface 0, without a time.
PcapReader::Next PcapReader::ReadSimple(const uint8_t* body, uint32_t length, FilePacket* packet) {
  if (length < 4 || interfaces_.empty()) return Bad("a simple packet without an interface");
  if (interfaces_[0].linktype != kEthernet)
    return Bad("a packet of link type " + std::to_string(interfaces_[0].linktype) + ": Ethernet (1) would be right");
  packet->len = Get32(body);
  packet->have = std::min(packet->len, length - 4);
  if (simple_most_ != 0) packet->have = std::min(packet->have, simple_most_);
  packet->data = body + 4;
  return Next::kPacket;
}

}  // namespace ptnet
