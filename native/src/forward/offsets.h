// Offsets (NETMAP_REQ_OPT_OFFSETS): an application says how far into its buffer a packet may begin, and from then on
// the `ptr` of each slot of its rings says where it does.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "datapath/engine.h"
#include "forward/port.h"

namespace ptnet {

/// What was found right: max + 1 has no more bits than `bits`, initial is not beyond max, and max not beyond a buffer.
struct OffsetsAsked {
  uint32_t max = 0;
  uint32_t bits = 64;    // of `ptr`, from the lowest on
  uint32_t initial = 0;  // of each slot
  uint32_t gap = 0;      // what a packet that is received may take of a buffer; 0: what there is
};

/// Rings of one port.
struct OffsetRings {
  std::shared_ptr<Port> port;
  std::vector<bool> rings;   // those that are asked for, by ring of the port
  std::vector<bool> shared;  // those that somebody else has: their slots stay as they are
};

/// What is in force then: what rings had before stays.
struct OffsetsGiven {
  uint32_t max = 0;
  uint32_t bits = 0;
};

/// The control plane's. EBUSY when a ring has offsets already and its slots have not so many bits, or not so great a
/// maximum, and when somebody else has it without any; EOPNOTSUPP when the other end of a pipe has a client that looks
/// for packets where buffers begin. Nothing was done then.
Status SetOffsets(Engine& engine, const std::vector<OffsetRings>& parts, const OffsetsAsked& asked,
                  OffsetsGiven* given);

}  // namespace ptnet
