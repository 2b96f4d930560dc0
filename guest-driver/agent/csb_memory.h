// Guest memory that the device writes: pages for the CSB and for interrupts, whose physical addresses are known and
// stay.
#pragma once

#include <cstdint>
#include <string>

#include "core/csb.h"

namespace ptnet::agent {

class CsbMemory {
 public:
  CsbMemory() = default;
  ~CsbMemory();
  CsbMemory(const CsbMemory&) = delete;
  CsbMemory& operator=(const CsbMemory&) = delete;

  /// @return an error text, empty when done.
  std::string Allocate();
  /// Whether the kernel has moved one of the pages since.
  bool Moved() const;

  guest::CsbGuestToHost* gh() const { return reinterpret_cast<guest::CsbGuestToHost*>(pages_[0]); }
  guest::CsbHostToGuest* hg() const { return reinterpret_cast<guest::CsbHostToGuest*>(pages_[1]); }
  uint64_t gh_address() const { return addresses_[0]; }
  uint64_t hg_address() const { return addresses_[1]; }
  /// A page of words for messages.
  uint32_t* mailbox() const { return reinterpret_cast<uint32_t*>(pages_[2]); }
  uint64_t mailbox_address() const { return addresses_[2]; }

 private:
  static constexpr uint64_t kPage = 4096;
  static constexpr int kPages = 3;

  uint8_t* base_ = nullptr;
  uint64_t size_ = 0;
  uint8_t* pages_[kPages] = {};
  uint64_t addresses_[kPages] = {};
};

}  // namespace ptnet::agent
