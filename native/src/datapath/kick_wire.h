// The few bytes of vfio-user that the kick thread reads by itself: the header and REGION_WRITE.
#pragma once

#include <cstdint>

namespace ptnet {

struct VfioUserHeader {
  uint16_t msg_id;
  uint16_t command;
  uint32_t size;
  uint32_t flags;
  uint32_t error;
};
static_assert(sizeof(VfioUserHeader) == 16);

/** REGION_WRITE without its data; also the whole reply to it. */
struct VfioUserRegionAccess {
  VfioUserHeader header;
  uint64_t offset;
  uint32_t region;
  uint32_t count;
};
static_assert(sizeof(VfioUserRegionAccess) == 32);

inline constexpr uint16_t kVfioUserRegionWrite = 10;
inline constexpr uint32_t kVfioUserReply = 0x1;
inline constexpr uint32_t kVfioUserNoReply = 0x10;

}  // namespace ptnet
