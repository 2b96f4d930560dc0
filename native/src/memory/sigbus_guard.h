// Mappings whose pages a peer can take away: what would end the host turns them into private zero pages.
#pragma once

#include <cstdint>

namespace ptnet {

/// A file that is truncated, a huge page that is punched out of one when no other is free, memory with an error: an
/// access then raises SIGBUS. In memory that is watched it finds zeros instead, and the memory is lost: the peer no
/// longer shares it.
class SigbusGuard {
 public:
  SigbusGuard() = default;
  ~SigbusGuard();
  SigbusGuard(const SigbusGuard&) = delete;
  SigbusGuard& operator=(const SigbusGuard&) = delete;

  /// Whole pages of its file. False when there is no place left: there are 4096 in a process.
  bool Watch(void* address, uint64_t size);
  /// Before it is unmapped.
  void Release();
  bool lost() const;

 private:
  int slot_ = -1;  // in the table that the signal handler reads
};

}  // namespace ptnet
