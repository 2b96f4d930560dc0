// The few bytes of the application protocol that the host's threads read by themselves: what every message begins with,
// and the doorbell (docs/application-protocol.md).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ptnet {

inline constexpr uint16_t kApplicationDoorbell = 1;
inline constexpr uint16_t kApplicationRequest = 2;
inline constexpr size_t kApplicationMessageMax = 8192;

/// A register may have rings of two ports, which count them each by itself.
inline constexpr size_t kApplicationParts = 2;
inline constexpr uint32_t kHostRingsFrom = 64;

struct ApplicationDoorbell {
  uint16_t type;
  uint16_t ring;  // as the port counts them, tx rings first; those of its host side from kHostRingsFrom on
};
static_assert(sizeof(ApplicationDoorbell) == 4);

}  // namespace ptnet
