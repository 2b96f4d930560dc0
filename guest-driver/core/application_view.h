// What a program of the guest that knows no device sees of a port: netmap_if, and every ring that has an offset in it.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "ring.h"

namespace ptnet::guest {

/// A ring without a place in the CSB: what is published here nobody reads, so what is put in never leaves.
struct UnservedCsb {
  CsbGuestToHost gh = {};
  CsbHostToGuest hg = {};
};

/// netmap's clients map netmap_if and take whatever ring has an offset: they look through indices 0 to
/// tx_rings + host_tx_rings - 1, then through those of rx. The device's own registers say nothing of host rings.
struct ApplicationView {
  Port port;
  uint32_t host_rings = 0;  // those of the port's rings that are host rings
  std::vector<std::unique_ptr<UnservedCsb>> unserved;
};

/// To be called after CREATE. @return an error text, empty when all is well.
inline std::string OpenApplicationView(const PortLayout& at, ApplicationView& view) {
  std::string error = OpenPort(at, view.port);
  if (!error.empty()) return error;
  const uint8_t* nifp = at.region.base + at.nifp_ofs;
  netmap_if header;
  std::memcpy(&header, nifp, sizeof header);
  const auto add = [&](std::vector<Ring>& rings, uint64_t entry, const std::string& name) {
    if (at.nifp_ofs + sizeof(netmap_if) + (entry + 1) * sizeof(int64_t) > at.region.size)
      return name + ": its ring_ofs lies beyond the region";
    int64_t ring_ofs;
    std::memcpy(&ring_ofs, nifp + sizeof(netmap_if) + entry * sizeof ring_ofs, sizeof ring_ofs);
    if (ring_ofs == 0) return std::string();
    const uint64_t offset = at.nifp_ofs + static_cast<uint64_t>(ring_ofs);
    Ring ring;
    std::string why = OpenRing(at.region, offset, name, ring);
    if (!why.empty()) return why;
    netmap_ring shared;
    std::memcpy(&shared, at.region.base + offset, sizeof shared);
    view.unserved.push_back(std::make_unique<UnservedCsb>());
    UnservedCsb& csb = *view.unserved.back();
    csb.gh.head = csb.gh.cur = csb.hg.hwcur = shared.head;
    csb.hg.hwtail = shared.tail;
    ring.gh = &csb.gh;
    ring.hg = &csb.hg;
    ring.CopyState();
    if (ring.bad_index) return name + ": its header holds indices outside the ring";
    rings.push_back(ring);
    ++view.host_rings;
    return std::string();
  };
  const uint64_t tx = header.tx_rings;
  const uint64_t rx = tx + header.host_tx_rings + header.rx_rings;
  for (uint64_t i = 0; i < header.host_tx_rings && error.empty(); ++i)
    error = add(view.port.tx, tx + i, "host tx ring " + std::to_string(i));
  for (uint64_t i = 0; i < header.host_rx_rings && error.empty(); ++i)
    error = add(view.port.rx, rx + i, "host rx ring " + std::to_string(i));
  return error;
}

}  // namespace ptnet::guest
