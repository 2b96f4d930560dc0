// Filters of packets: programs of classic BPF, as libpcap compiles them, checked once and then run on each packet.
#pragma once

#include <cstdint>
#include <vector>

#include "memory/status.h"

namespace ptnet {

/// An instruction, as the kernel's sock_filter and libpcap's bpf_insn have it.
struct BpfInsn {
  uint16_t code;
  uint8_t jt, jf;
  uint32_t k;
};
static_assert(sizeof(BpfInsn) == 8);

class BpfProgram {
 public:
  static constexpr uint32_t kMost = 4096;
  static constexpr uint32_t kMemory = 16;  // words

  /// Accepts everything.
  BpfProgram() = default;
  /// EINVAL unless every path ends with a return, jumps go forward to an instruction that is there, and no instruction
  /// is unknown, divides by a constant 0 or names a word of memory that there is none of.
  static Status Create(std::vector<BpfInsn> code, BpfProgram* out);

  /// @param have bytes of a packet of `len`. @return how many of its bytes are wanted; 0: none.
  uint32_t Run(const uint8_t* packet, uint32_t have, uint32_t len) const noexcept;
  bool accepts_all() const { return code_.empty(); }

 private:
  std::vector<BpfInsn> code_;
};

}  // namespace ptnet
