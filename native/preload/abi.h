// netmap's control ABI (net/netmap.h, API 15) as a program passes it to ioctl.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

namespace ptnet::preload {

struct nmreq_header {
  uint16_t nr_version;
  uint16_t nr_reqtype;
  uint32_t nr_reserved;
  char nr_name[64];
  uint64_t nr_options;
  uint64_t nr_body;
};
static_assert(sizeof(nmreq_header) == 88 && offsetof(nmreq_header, nr_body) == 80);

struct nmreq_option {
  uint64_t nro_next;
  uint32_t nro_reqtype;
  uint32_t nro_status;
  uint64_t nro_size;
};
static_assert(sizeof(nmreq_option) == 24);

/// What nr_version may be.
inline constexpr uint16_t kApiMin = 14, kApiMax = 15;

inline constexpr unsigned long NIOCCTRL = _IOWR('i', 151, nmreq_header);
inline constexpr unsigned long NIOCTXSYNC = _IO('i', 148);
inline constexpr unsigned long NIOCRXSYNC = _IO('i', 149);

enum Request : uint16_t {
  NETMAP_REQ_REGISTER = 1,
  NETMAP_REQ_PORT_INFO_GET,
  NETMAP_REQ_VALE_ATTACH,
  NETMAP_REQ_VALE_DETACH,
  NETMAP_REQ_VALE_LIST,
  NETMAP_REQ_PORT_HDR_SET,
  NETMAP_REQ_PORT_HDR_GET,
  NETMAP_REQ_VALE_NEWIF,
  NETMAP_REQ_VALE_DELIF,
  NETMAP_REQ_VALE_POLLING_ENABLE,
  NETMAP_REQ_VALE_POLLING_DISABLE,
  NETMAP_REQ_POOLS_INFO_GET,
  NETMAP_REQ_SYNC_KLOOP_START,
  NETMAP_REQ_SYNC_KLOOP_STOP,
  NETMAP_REQ_CSB_ENABLE,
};

/// Bytes of a request's body; 0: it has none. -1: there is no such request.
constexpr int BodySize(uint16_t reqtype) {
  constexpr int kSizes[] = {-1, 56, 32, 64, 8, 8, 8, 8, 16, 0, 16, 16, 64, 8, 0, 0};
  return reqtype < sizeof kSizes / sizeof *kSizes ? kSizes[reqtype] : -1;
}

enum Option : uint32_t {
  NETMAP_REQ_OPT_EXTMEM = 1,
  NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
  NETMAP_REQ_OPT_CSB,
  NETMAP_REQ_OPT_SYNC_KLOOP_MODE,
  NETMAP_REQ_OPT_OFFSETS,
};
inline constexpr uint32_t kKnownOptions = NETMAP_REQ_OPT_OFFSETS;  // from 1 up

/// Bytes of an option behind its header; one that is not known has none.
constexpr uint64_t OptionSize(uint32_t type, uint64_t nro_size) {
  constexpr uint64_t kSizes[] = {0, 72, 0, 16, 8, 32};
  if (type == NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS)
    return nro_size > sizeof(nmreq_option) ? nro_size - sizeof(nmreq_option) : 0;
  return type < sizeof kSizes / sizeof *kSizes ? kSizes[type] : 0;
}

/// What follows the header of NETMAP_REQ_OPT_CSB: where the program's arrays lie.
struct CsbOption {
  uint64_t csb_atok;
  uint64_t csb_ktoa;
};
static_assert(sizeof(CsbOption) == 16);

/// Of each ring in NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS; negative: none.
struct KloopEventfds {
  int32_t ioeventfd;
  int32_t irqfd;
};

/// Of NETMAP_REQ_OPT_SYNC_KLOOP_MODE.
enum KloopMode : uint32_t {
  NM_OPT_SYNC_KLOOP_DIRECT_TX = 1,
  NM_OPT_SYNC_KLOOP_DIRECT_RX = 2,
};

enum RegisterFlag : uint32_t {
  NR_EXCLUSIVE = 0x800,
  NR_DO_RX_POLL = 0x10000,
  NR_NO_TX_POLL = 0x20000,
};

}  // namespace ptnet::preload
