// The application protocol (docs/application-protocol.md), version 3, from the application's side.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace ptnet::preload {

inline constexpr uint16_t kVersion = 3;
inline constexpr uint16_t kDoorbell = 1;
inline constexpr uint16_t kRequest = 2;
inline constexpr size_t kMessageMax = 8192;
inline constexpr size_t kBodyMax = 64;
inline constexpr size_t kNameBytes = 64;
inline constexpr size_t kRingsMax = 64;
inline constexpr size_t kCsbsMax = 2;
inline constexpr size_t kOptionsMax = 170;  // of 24 bytes each in 4096
inline constexpr size_t kOptionBytesMax = 4096;
inline constexpr size_t kContentsMax = 256;

enum class Operation : uint32_t { kControl = 1, kRegion = 2, kBinding = 3, kUnbind = 4 };

struct DoorbellMessage {
  uint16_t type;
  uint16_t ring;
};
static_assert(sizeof(DoorbellMessage) == 4);

struct RequestHeader {
  uint16_t type;
  uint16_t version;
  uint32_t operation;
};
static_assert(sizeof(RequestHeader) == 8);

/// Then the body, and the options: each a type, a length and so many bytes.
struct ControlHeader {
  uint16_t api;
  uint16_t reqtype;
  uint32_t body_bytes;
  uint32_t options;
  char name[kNameBytes];
};
static_assert(sizeof(ControlHeader) == 76);

/// Then the body, the statuses of the options, the contents of some, and the binding.
struct ReplyHeader {
  uint16_t type;
  uint16_t version;
  uint32_t error;
  uint32_t body_bytes;
  uint32_t statuses;
  uint32_t binding_bytes;
  uint32_t content_bytes;
  char name[kNameBytes];
};
static_assert(sizeof(ReplyHeader) == 88);

/// Then so many bytes, for behind the option's header.
struct ContentHeader {
  uint32_t option;  // which one of the request
  uint32_t bytes;
};
static_assert(sizeof(ContentHeader) == 8);

struct WireRing {
  uint64_t offset;  // of the netmap_ring in the region
  uint32_t index;   // in the CSB
  uint32_t is_rx;
  uint32_t num_slots;
  uint16_t csb;  // which of the CSBs that came
  uint16_t doorbell;
};
static_assert(sizeof(WireRing) == 24);

struct WireBinding {
  uint64_t memsize;
  uint64_t host_to_guest;  // where the second CSB array begins
  uint32_t flags;
  uint32_t csb_entries;
  uint32_t rings;
  uint32_t mem_id;
  uint64_t pad;
};
static_assert(sizeof(WireBinding) == 40);

/// A reply as it was received; `fds` are the receiver's.
struct Reply {
  ReplyHeader header;
  uint8_t body[kBodyMax];
  uint32_t statuses[kOptionsMax];
  uint8_t contents[kContentsMax];
  WireBinding binding;
  WireRing rings[kRingsMax];
  bool bound;
  int fds[1 + kCsbsMax];  // the region's and the CSBs'; -1: none
};

/// Whether what a socket call failed with says that the host has hung up.
bool IsHangUp(int error);
/// Sends a request by `fd` and waits for the answer. 0, or the errno of why there is none: ENXIO when the host is gone.
/// What the host says is in reply->header.error.
int Ask(int fd, const uint8_t* request, size_t bytes, Reply* reply);
int Ask(int fd, Operation operation, Reply* reply);
void CloseFds(Reply* reply);

}  // namespace ptnet::preload
