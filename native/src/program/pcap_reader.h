// Reads capture files, pcap and pcapng of either byte order, packet by packet. What the file says is checked: it may
// come from anybody.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "memory/status.h"
#include "os/unique_fd.h"

namespace ptnet {

struct FilePacket {
  uint64_t time_ns = 0;
  const uint8_t* data = nullptr;  // until the next one is read
  uint32_t have = 0;              // bytes that are in the file
  uint32_t len = 0;               // that the packet had
};

class PcapReader {
 public:
  /// Bytes of a packet or of a block, at most.
  static constexpr uint32_t kMost = 1 << 20;

  /// As read(2), which it is unless somebody else waits for the file's bytes.
  using ReadFile = std::function<ssize_t(int fd, void* to, size_t most)>;

  /// Reads the header of a file; `path` is its name in messages. EINVAL for one that is none, or not of Ethernet
  /// frames, or ENOMEM, or what the file cannot be read for.
  static Status Open(const std::string& path, os::UniqueFd fd, ReadFile read, std::unique_ptr<PcapReader>* out);

  enum class Next : uint8_t { kPacket, kEnd, kBad };
  /// kBad: error() says where, and what.
  Next Read(FilePacket* packet);
  /// From the first packet again. False when the file cannot be read twice.
  bool Rewind();
  const std::string& error() const { return error_; }

 private:
  struct Interface {
    uint32_t linktype = 0;
    bool binary = false;   // times are in powers of two
    uint8_t exponent = 6;  // of a second
    int64_t offset_s = 0;
  };

  PcapReader(std::string path, os::UniqueFd fd, ReadFile read);
  Status ReadHeader();
  bool Fill(size_t bytes);
  const uint8_t* Take(size_t bytes);
  Next ReadPcap(FilePacket* packet);
  Next ReadBlock(FilePacket* packet, bool* found);
  bool ReadInterface(const uint8_t* body, uint32_t length);
  Next ReadEnhanced(const uint8_t* body, uint32_t length, FilePacket* packet);
  Next ReadSimple(const uint8_t* body, uint32_t length, FilePacket* packet);
  Next Bad(const std::string& text);
  uint16_t Get16(const uint8_t* at) const;
  uint32_t Get32(const uint8_t* at) const;

  const std::string path_;
  const os::UniqueFd fd_;
  const ReadFile read_;
  const std::unique_ptr<uint8_t[]> buffer_;
  size_t at_ = 0, end_ = 0;  // what is in the buffer and has not been taken
  uint64_t offset_ = 0;      // in the file, of what is taken next
  bool over_ = false;        // the file has no more
  bool pcapng_ = false, swapped_ = false;
  bool nanoseconds_ = false;  // of pcap
  uint32_t simple_most_ = 0;  // snaplen of interface 0, for simple packets
  std::vector<Interface> interfaces_;
  std::string error_;
};

}  // namespace ptnet
