// The processor that this runs on: whether it is one that QEMU emulates.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstring>

namespace ptnet::guest {

/// Whether QEMU emulates this processor (TCG), which says so where hypervisors give their name, CPUID leaf 0x40000000.
inline bool IsEmulated() {
#if defined(__x86_64__)
  constexpr unsigned kHypervisorBit = 1u << 31, kNameLeaf = 0x40000000;
  unsigned highest, name[3], features, unused;
  __cpuid(1, unused, unused, features, unused);
  if ((features & kHypervisorBit) == 0) return false;
  __cpuid(kNameLeaf, highest, name[0], name[1], name[2]);
  return std::memcmp(name, "TCGTCGTCGTCG", sizeof name) == 0;
#else
  return false;
#endif
}

}  // namespace ptnet::guest
