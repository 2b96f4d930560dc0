// PcapngWriter: blocks of the format, and the system calls that write them.
#include "program/pcapng_writer.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <cstring>

namespace ptnet {
namespace {

enum Block : uint32_t {
  kSection = 0x0a0d0d0a,
  kInterface = 1,
  kStatistics = 5,
  kEnhancedPacket = 6,
};
constexpr uint32_t kByteOrder = 0x1a2b3c4d;
constexpr uint32_t kVersion = 1;  // 1.0: major in the lower half
constexpr uint32_t kEthernet = 1;

enum Option : uint16_t {
  kEnd = 0,
  kUserApplication = 4,  // of a section
  kName = 2,             // of an interface
  kTimeResolution = 9,
  kFilter = 11,
  kFlags = 2,  // of a packet
  kStart = 2,  // of statistics
  kStop = 3,
  kReceived = 4,
  kDropped = 5,
  kAccepted = 6,
  kDelivered = 8,
};
constexpr uint8_t kNanoseconds = 9;
constexpr uint32_t kInbound = 1, kOutbound = 2;
constexpr size_t kEnough = size_t{256} << 10;  // bytes, written at once

}  // namespace

void PcapngWriter::PutBytes(const void* bytes, size_t length) {
  const auto* from = static_cast<const uint8_t*>(bytes);
  buffer_.insert(buffer_.end(), from, from + length);
}

void PcapngWriter::Pad() {
  while (buffer_.size() % 4 != 0) buffer_.push_back(0);
}

size_t PcapngWriter::BeginBlock(uint32_t type) {
  const size_t at = buffer_.size();
  Put32(type);
  Put32(0);
  return at;
}

/// A block's length stands at both its ends.
void PcapngWriter::EndBlock(size_t at) {
  const auto length = static_cast<uint32_t>(buffer_.size() - at + 4);
  Put32(length);
  memcpy(&buffer_[at + 4], &length, sizeof length);
  if (buffer_.size() >= kEnough) Flush();
}

void PcapngWriter::PutOption(uint16_t code, const void* value, size_t length) {
  Put32(code | static_cast<uint32_t>(length) << 16);
  if (length > 0) PutBytes(value, length);
  Pad();
}

/// Times have their upper half first, counts are numbers of 64 bits.
void PcapngWriter::PutOption64(uint16_t code, uint64_t value, bool high_first) {
  if (high_first) value = value >> 32 | value << 32;
  PutOption(code, &value, sizeof value);
}

void PcapngWriter::Put64High(uint64_t value) {
  Put32(static_cast<uint32_t>(value >> 32));
  Put32(static_cast<uint32_t>(value));
}

void PcapngWriter::Begin(os::UniqueFd fd, const PcapngInterface& interface) {
  Flush();
  fd_ = std::move(fd);
  bytes_ = 0;
  const size_t section = BeginBlock(kSection);
  Put32(kByteOrder);
  Put32(kVersion);
  const uint64_t unknown = UINT64_MAX;  // how long the section is
  PutBytes(&unknown, sizeof unknown);
  constexpr char kProgram[] = "ptnet";
  PutOption(kUserApplication, kProgram, strlen(kProgram));
  PutOption(kEnd, nullptr, 0);
  EndBlock(section);
  const size_t at = BeginBlock(kInterface);
  Put32(kEthernet);
  Put32(interface.snaplen);
  PutOption(kName, interface.name.data(), interface.name.size());
  PutOption(kTimeResolution, &kNanoseconds, sizeof kNanoseconds);
  if (!interface.filter.empty()) {
    const std::string text = '\0' + interface.filter;  // 0: as libpcap writes it
    PutOption(kFilter, text.data(), text.size());
  }
  PutOption(kEnd, nullptr, 0);
  EndBlock(at);
}

void PcapngWriter::Add(const PcapngPacket& packet) {
  const size_t at = BeginBlock(kEnhancedPacket);
  Put32(0);  // the interface
  Put64High(packet.time_ns);
  Put32(packet.have);
  Put32(packet.len);
  PutBytes(packet.data, packet.have);
  Pad();
  const uint32_t flags = packet.outbound ? kOutbound : kInbound;
  PutOption(kFlags, &flags, sizeof flags);
  PutOption(kEnd, nullptr, 0);
  EndBlock(at);
}

void PcapngWriter::Add(const PcapngStatistics& statistics) {
  const size_t at = BeginBlock(kStatistics);
  Put32(0);  // the interface
  Put64High(statistics.end_ns);
  PutOption64(kStart, statistics.start_ns, true);
  PutOption64(kStop, statistics.end_ns, true);
  PutOption64(kReceived, statistics.received);
  PutOption64(kDropped, statistics.dropped);
  PutOption64(kAccepted, statistics.accepted);
  PutOption64(kDelivered, statistics.written);
  PutOption(kEnd, nullptr, 0);
  EndBlock(at);
}

void PcapngWriter::Flush() {
  for (size_t at = 0; at < buffer_.size() && !error_;) {
    const ssize_t n = write(fd_.get(), &buffer_[at], buffer_.size() - at);
    if (n >= 0) {
      at += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      // A pipe that somebody else has made non-blocking.
      pollfd room{fd_.get(), POLLOUT, 0};
      (void)poll(&room, 1, -1);
    } else if (errno != EINTR) {
      error_ = {errno, "write"};
    }
  }
  bytes_ += buffer_.size();
  buffer_.clear();
}

}  // namespace ptnet
