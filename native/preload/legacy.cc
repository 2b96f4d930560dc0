// Translating the older requests: what was in a ring number and a command is in a mode, flags and a request type.
#include "legacy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

namespace ptnet::preload {
namespace {

constexpr uint32_t kOldestApi = 11;  // a newer one has the same form
constexpr uint16_t kApi = 15;

enum RingId : uint16_t {
  kRingMask = 0x0fff,
  kNoTxPoll = 0x1000,
  kSoftwareRing = 0x2000,
  kHardwareRing = 0x4000,
  kDoRxPoll = 0x8000,
};
enum Command : uint16_t {
  kAttach = 1,
  kDetach = 2,
  kList = 4,
  kHeaderSet = 5,
  kNewInterface = 6,
  kDeleteInterface = 7,
  kPollingOn = 10,
  kPollingOff = 11,
  kHeaderGet = 12,
};
constexpr uint16_t kWithHostRings = 1;  // in nr_arg1 of an attach
constexpr uint32_t kModeMask = 0xf;
enum Mode : uint32_t { kAllNic = 1, kSw = 2, kNicSw = 3, kOneNic = 4, kPipeMaster = 5, kPipeSlave = 6 };

struct RegisterBody {
  uint64_t offset, memsize;
  uint32_t tx_slots, rx_slots;
  uint16_t tx_rings, rx_rings, host_tx_rings, host_rx_rings, mem_id, ringid;
  uint32_t mode, extra_bufs;
  uint64_t flags;
};
static_assert(sizeof(RegisterBody) == 56);
struct PortInfoBody {
  uint64_t memsize;
  uint32_t tx_slots, rx_slots;
  uint16_t tx_rings, rx_rings, host_tx_rings, host_rx_rings, mem_id, pad[3];
};
static_assert(sizeof(PortInfoBody) == 32);
struct NewInterfaceBody {
  uint32_t tx_slots, rx_slots;
  uint16_t tx_rings, rx_rings, mem_id, pad;
};
static_assert(sizeof(NewInterfaceBody) == 16);
struct ListBody {
  uint16_t bridge, pad;
  uint32_t port;
};
struct HeaderBody {
  uint32_t length, pad;
};
struct PollingBody {
  uint32_t mode, first_cpu, cpus, pad;
};

template <class Body>
Body Get(const NewRequest& from) {
  Body body;
  memcpy(&body, from.body, sizeof body);
  return body;
}

template <class Body>
void Put(NewRequest* to, Request type, const Body& body) {
  to->header.nr_reqtype = type;
  memcpy(to->body, &body, sizeof body);
}

uint32_t ModeOf(const nmreq& from) {
  if (const uint32_t mode = from.nr_flags & kModeMask; mode != 0) return mode;
  if ((from.nr_ringid & kSoftwareRing) != 0) return kSw;
  return (from.nr_ringid & kHardwareRing) != 0 ? kOneNic : kAllNic;
}

RegisterBody RegisterOf(const nmreq& from, NewRequest* to) {
  RegisterBody body = {};
  body.tx_slots = from.nr_tx_slots;
  body.rx_slots = from.nr_rx_slots;
  body.tx_rings = from.nr_tx_rings;
  body.rx_rings = from.nr_rx_rings;
  body.mem_id = from.nr_arg2;
  body.extra_bufs = from.nr_arg3;
  body.ringid = from.nr_ringid & kRingMask;
  body.mode = ModeOf(from);
  body.flags = from.nr_flags & ~kModeMask;
  if ((from.nr_ringid & kNoTxPoll) != 0) body.flags |= NR_NO_TX_POLL;
  if ((from.nr_ringid & kDoRxPoll) != 0) body.flags |= NR_DO_RX_POLL;
  // The number of a pipe was the ring's, and is in the name now.
  if (body.mode == kPipeMaster || body.mode == kPipeSlave) {
    char* end = to->header.nr_name + strlen(to->header.nr_name);
    snprintf(end, 16, "%c%u", body.mode == kPipeMaster ? '{' : '}', body.ringid);
    body.mode = kAllNic;
    body.ringid = 0;
  }
  return body;
}

int FromRegister(const nmreq& from, NewRequest* to) {
  switch (from.nr_cmd) {
    case 0:
      Put(to, NETMAP_REQ_REGISTER, RegisterOf(from, to));
      return 0;
    case kAttach: {
      RegisterBody body = RegisterOf(from, to);
      body.mode = (from.nr_arg1 & kWithHostRings) != 0 ? kNicSw : kAllNic;
      Put(to, NETMAP_REQ_VALE_ATTACH, body);
      return 0;
    }
    case kDetach:
      to->header.nr_reqtype = NETMAP_REQ_VALE_DETACH;
      return 0;
    case kHeaderSet:
    case kHeaderGet:
      Put(to, from.nr_cmd == kHeaderSet ? NETMAP_REQ_PORT_HDR_SET : NETMAP_REQ_PORT_HDR_GET,
          HeaderBody{from.nr_arg1, 0});
      return 0;
    case kNewInterface:
      Put(to, NETMAP_REQ_VALE_NEWIF,
          NewInterfaceBody{from.nr_tx_slots, from.nr_rx_slots, from.nr_tx_rings, from.nr_rx_rings, from.nr_arg2, 0});
      return 0;
    case kDeleteInterface:
      to->header.nr_reqtype = NETMAP_REQ_VALE_DELIF;
      return 0;
    case kPollingOn:
    case kPollingOff: {
      const uint32_t mode = from.nr_flags & kModeMask;
      const PollingBody body = {mode == kAllNic   ? 1u
                                : mode == kOneNic ? 2u
                                                  : 0u,
                                from.nr_ringid & uint32_t{kRingMask}, from.nr_arg1, 0};
      Put(to, from.nr_cmd == kPollingOn ? NETMAP_REQ_VALE_POLLING_ENABLE : NETMAP_REQ_VALE_POLLING_DISABLE, body);
      return 0;
    }
    default:
      return EINVAL;
  }
}

void FromInfo(const nmreq& from, NewRequest* to) {
  if (from.nr_cmd == kList) {
    Put(to, NETMAP_REQ_VALE_LIST, ListBody{from.nr_arg1, 0, from.nr_arg2});
    return;
  }
  PortInfoBody body = {};
  body.mem_id = from.nr_arg2;
  Put(to, NETMAP_REQ_PORT_INFO_GET, body);
}

/// Of a register and of an attach, whose body begins with one.
void PutRegister(const NewRequest& from, nmreq* to) {
  const auto body = Get<RegisterBody>(from);
  to->nr_offset = static_cast<uint32_t>(body.offset);
  to->nr_memsize = static_cast<uint32_t>(body.memsize);
  to->nr_tx_slots = body.tx_slots;
  to->nr_rx_slots = body.rx_slots;
  to->nr_tx_rings = body.tx_rings;
  to->nr_rx_rings = body.rx_rings;
  to->nr_arg2 = body.mem_id;
  to->nr_arg3 = body.extra_bufs;
}

}  // namespace

int FromLegacy(const nmreq& from, unsigned long request, NewRequest* to) {
  if (from.nr_version < kOldestApi) return EINVAL;
  memset(to, 0, sizeof *to);
  to->header.nr_version = kApi;
  memcpy(to->header.nr_name, from.nr_name, sizeof from.nr_name - 1);
  if (request == NIOCGINFO)
    FromInfo(from, to);
  else if (int error = FromRegister(from, to))
    return error;
  if (BodySize(to->header.nr_reqtype) > 0) to->header.nr_body = reinterpret_cast<uint64_t>(to->body);
  return 0;
}

void ToLegacy(const NewRequest& from, nmreq* to) {
  switch (from.header.nr_reqtype) {
    case NETMAP_REQ_REGISTER:
    case NETMAP_REQ_VALE_ATTACH:
      PutRegister(from, to);
      return;
    case NETMAP_REQ_PORT_INFO_GET: {
      const auto body = Get<PortInfoBody>(from);
      to->nr_memsize = static_cast<uint32_t>(body.memsize);
      to->nr_tx_slots = body.tx_slots;
      to->nr_rx_slots = body.rx_slots;
      to->nr_tx_rings = body.tx_rings;
      to->nr_rx_rings = body.rx_rings;
      to->nr_arg2 = body.mem_id;
      return;
    }
    case NETMAP_REQ_VALE_LIST: {
      const auto body = Get<ListBody>(from);
      memcpy(to->nr_name, from.header.nr_name, sizeof to->nr_name - 1);
      to->nr_arg1 = body.bridge;
      to->nr_arg2 = static_cast<uint16_t>(body.port);
      return;
    }
    case NETMAP_REQ_PORT_HDR_GET:
      to->nr_arg1 = static_cast<uint16_t>(Get<HeaderBody>(from).length);
      return;
    case NETMAP_REQ_VALE_NEWIF: {
      const auto body = Get<NewInterfaceBody>(from);
      to->nr_tx_slots = body.tx_slots;
      to->nr_rx_slots = body.rx_slots;
      to->nr_tx_rings = body.tx_rings;
      to->nr_rx_rings = body.rx_rings;
      to->nr_arg2 = body.mem_id;
      return;
    }
    default:
      return;
  }
}

}  // namespace ptnet::preload
