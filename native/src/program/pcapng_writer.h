// Writes pcapng (draft-ietf-opsawg-pcapng): one section with one interface, its packets, and at the end what it
// counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/error.h"
#include "os/unique_fd.h"

namespace ptnet {

struct PcapngInterface {
  std::string name;    // if_name
  std::string filter;  // if_filter; empty: none
  uint32_t snaplen = 0;
};

struct PcapngPacket {
  uint64_t time_ns;  // since 1970
  const uint8_t* data;
  uint32_t have;  // bytes that are written
  uint32_t len;   // that the packet had
  bool outbound;
};

struct PcapngStatistics {
  uint64_t start_ns, end_ns;
  uint64_t received;  // isb_ifrecv
  uint64_t dropped;   // isb_ifdrop
  uint64_t accepted;  // isb_filteraccept
  uint64_t written;   // isb_usrdeliv
};

/// Collects bytes and writes them in large pieces. The first error stays, and nothing is written any more.
class PcapngWriter {
 public:
  /// Begins a file with its section and its interface; what was written before has been flushed.
  void Begin(os::UniqueFd fd, const PcapngInterface& interface);
  void Add(const PcapngPacket& packet);
  void Add(const PcapngStatistics& statistics);
  /// What has been collected is in the file.
  void Flush();

  os::Error error() const { return error_; }
  /// Of the file so far, with what is not flushed.
  uint64_t bytes() const { return bytes_ + buffer_.size(); }

 private:
  size_t BeginBlock(uint32_t type);
  void EndBlock(size_t at);
  void Put32(uint32_t value) { PutBytes(&value, sizeof value); }
  void Put64High(uint64_t value);
  void PutOption(uint16_t code, const void* value, size_t length);
  void PutOption64(uint16_t code, uint64_t value, bool high_first = false);
  void PutBytes(const void* bytes, size_t length);
  void Pad();

  os::UniqueFd fd_;
  std::vector<uint8_t> buffer_;
  uint64_t bytes_ = 0;  // written
  os::Error error_;
};

}  // namespace ptnet
