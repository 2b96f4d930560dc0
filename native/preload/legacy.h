// The older control requests, NIOCREGIF and NIOCGINFO: each is one of the newer ones in another form.
#pragma once

#include <sys/ioctl.h>

#include "abi.h"

namespace ptnet::preload {

struct nmreq {
  char nr_name[16];
  uint32_t nr_version;
  uint32_t nr_offset;
  uint32_t nr_memsize;
  uint32_t nr_tx_slots;
  uint32_t nr_rx_slots;
  uint16_t nr_tx_rings;
  uint16_t nr_rx_rings;
  uint16_t nr_ringid;
  uint16_t nr_cmd;
  uint16_t nr_arg1;
  uint16_t nr_arg2;
  uint32_t nr_arg3;
  uint32_t nr_flags;
  uint32_t spare2;
};
static_assert(sizeof(nmreq) == 60 && offsetof(nmreq, nr_flags) == 52);

inline constexpr unsigned long NIOCGINFO = _IOWR('i', 145, nmreq);
inline constexpr unsigned long NIOCREGIF = _IOWR('i', 146, nmreq);

/// A newer request; its body is as long as any.
struct NewRequest {
  nmreq_header header;
  alignas(8) uint8_t body[64];
};

/// 0 or an errno.
int FromLegacy(const nmreq& from, unsigned long request, NewRequest* to);
/// What the newer request's answer says, in the older form.
void ToLegacy(const NewRequest& from, nmreq* to);

}  // namespace ptnet::preload
