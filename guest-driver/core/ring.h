// A ring from the guest's side: where its slots and buffers are, what is ours of it, how it is published.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "csb.h"
#include "netmap.h"

namespace ptnet::guest {

/// A mapped BAR 1.
struct Region {
  uint8_t* base;
  uint64_t size;
};

/// Both directions look the same from here: [head, tail) is ours, Publish() gives the slots before head to the host.
struct Ring {
  netmap_slot* slots = nullptr;
  uint8_t* buffers = nullptr;
  uint32_t num_slots = 0;
  uint32_t buf_size = 0;
  uint32_t buf_count = 0;
  uint32_t index = 0;  // in the CSB and among the doorbells: TX rings first
  CsbGuestToHost* gh = nullptr;
  CsbHostToGuest* hg = nullptr;
  uint32_t head = 0;
  uint32_t tail = 0;
  uint32_t hwcur = 0;
  bool starved = false;    // the last pass found too little here to go on
  bool bad_index = false;  // the host published an index outside the ring

  std::string BadIndexText() const {
    return "ring " + std::to_string(index) + ": the host published an index that is not below num_slots " +
           std::to_string(num_slots);
  }

  /// Copies the state the host left in the CSB at CREATE, or that an earlier loop left there.
  void CopyState() {
    head = Load(gh->head, std::memory_order_relaxed);
    if (head >= num_slots) bad_index = true;
    tail = head;
    Refresh();
  }

  /// Slots that are ours.
  uint32_t Available() const { return tail >= head ? tail - head : tail + num_slots - head; }

  /// Slots published that the host has not taken yet.
  uint32_t Pending() const { return head >= hwcur ? head - hwcur : head + num_slots - hwcur; }

  /// Looks at the host's indices again. @return whether one of them moved.
  bool Refresh() {
    const HostIndices now = LoadTailThenCur(*hg);
    if (now.hwtail >= num_slots || now.hwcur >= num_slots) [[unlikely]] {
      bad_index = true;
      return false;
    }
    const bool moved = now.hwtail != tail || now.hwcur != hwcur;
    tail = now.hwtail;
    hwcur = now.hwcur;
    return moved;
  }

  /// Available(), asking the host again only when fewer than `wanted` are known of.
  uint32_t AvailableOrRefresh(uint32_t wanted) {
    uint32_t n = Available();
    if (n < wanted) {
      Refresh();
      n = Available();
    }
    starved = n == 0;
    return n;
  }

  void Publish() { StoreCurThenHead(*gh, head); }

  /// To be asked after Publish(): whether the host wants a kick to see it.
  bool HostWantsKick() {
    FullBarrier();
    return Load(hg->kern_need_kick, std::memory_order_relaxed) != 0;
  }

  void AskForInterrupt(bool wanted) { Store(gh->appl_need_kick, wanted ? 1 : 0, std::memory_order_relaxed); }

  uint8_t* Buffer(uint32_t buf_idx) const { return buffers + static_cast<uint64_t>(buf_idx) * buf_size; }
  uint32_t Next(uint32_t i) const { return i + 1 == num_slots ? 0 : i + 1; }
  uint32_t Advance(uint32_t i, uint32_t n) const { return i + n >= num_slots ? i + n - num_slots : i + n; }
};

/// The NIC rings of one port, as its netmap_if names them.
struct Port {
  std::vector<Ring> tx;
  std::vector<Ring> rx;
};

struct PortLayout {
  Region region;
  uint64_t nifp_ofs;
  CsbGuestToHost* gh;
  CsbHostToGuest* hg;
  uint32_t num_tx_rings;
  uint32_t num_rx_rings;
};

/// Fills in `ring` from the header at `offset`. @return an error text, empty when all is well.
inline std::string OpenRing(const Region& region, uint64_t offset, const std::string& name, Ring& ring) {
  if (offset % 8 != 0 || offset > region.size || region.size - offset < sizeof(netmap_ring))
    return name + ": offset " + std::to_string(offset) + " is no place for a ring in a region of " +
           std::to_string(region.size) + " bytes";
  uint8_t* base = region.base + offset;
  netmap_ring header;
  std::memcpy(&header, base, sizeof header);
  const uint64_t end = offset + sizeof(netmap_ring) + static_cast<uint64_t>(header.num_slots) * sizeof(netmap_slot);
  if (header.num_slots < 2 || end > region.size)
    return name + ": " + std::to_string(header.num_slots) + " slots do not fit the region";
  const uint64_t pool = offset + static_cast<uint64_t>(header.buf_ofs);
  if (header.buf_size < 64 || header.buf_size > 65536 || header.buf_ofs <= 0 || pool >= region.size)
    return name + ": buf_ofs " + std::to_string(header.buf_ofs) + " with buf_size " + std::to_string(header.buf_size) +
           " names no buffers in the region";
  ring.slots = reinterpret_cast<netmap_slot*>(base + sizeof(netmap_ring));
  ring.buffers = region.base + pool;
  ring.num_slots = header.num_slots;
  ring.buf_size = header.buf_size;
  ring.buf_count = static_cast<uint32_t>(std::min<uint64_t>((region.size - pool) / header.buf_size, UINT32_MAX));
  return {};
}

/// Opens every NIC ring of a port through ring_ofs and copies the rings' state from the CSB: to be called after CREATE.
inline std::string OpenPort(const PortLayout& at, Port& port) {
  if (at.nifp_ofs > at.region.size || at.region.size - at.nifp_ofs < sizeof(netmap_if) || at.nifp_ofs % 8 != 0)
    return "nifpOfs " + std::to_string(at.nifp_ofs) + ": outside the region or not a multiple of 8";
  netmap_if header;
  std::memcpy(&header, at.region.base + at.nifp_ofs, sizeof header);
  if (header.tx_rings != at.num_tx_rings || header.rx_rings != at.num_rx_rings)
    return "netmap_if at " + std::to_string(at.nifp_ofs) + ": has " + std::to_string(header.tx_rings) + " tx and " +
           std::to_string(header.rx_rings) + " rx rings, the device says " + std::to_string(at.num_tx_rings) + " and " +
           std::to_string(at.num_rx_rings);
  // ring_ofs holds NIC tx, host tx, NIC rx, host rx, in this order.
  const uint64_t rx_first = static_cast<uint64_t>(header.tx_rings) + header.host_tx_rings;
  const uint64_t offsets = at.nifp_ofs + sizeof(netmap_if);
  if (offsets + (rx_first + header.rx_rings) * sizeof(int64_t) > at.region.size)
    return "netmap_if at " + std::to_string(at.nifp_ofs) + ": its ring_ofs reaches beyond the region";
  const auto open = [&](uint64_t entry, uint32_t csb_index, const std::string& name, Ring& ring) {
    int64_t ring_ofs;
    std::memcpy(&ring_ofs, at.region.base + offsets + entry * sizeof ring_ofs, sizeof ring_ofs);
    if (ring_ofs <= 0) return name + ": ring_ofs " + std::to_string(ring_ofs) + ": the ring is not there";
    std::string error = OpenRing(at.region, at.nifp_ofs + static_cast<uint64_t>(ring_ofs), name, ring);
    if (!error.empty()) return error;
    ring.index = csb_index;
    ring.gh = &at.gh[csb_index];
    ring.hg = &at.hg[csb_index];
    ring.CopyState();
    if (ring.bad_index) return name + ": the CSB holds indices outside the ring: was CREATE done?";
    return std::string();
  };
  port.tx.resize(at.num_tx_rings);
  port.rx.resize(at.num_rx_rings);
  for (uint32_t i = 0; i < at.num_tx_rings; ++i) {
    std::string error = open(i, i, "tx ring " + std::to_string(i), port.tx[i]);
    if (!error.empty()) return error;
  }
  for (uint32_t i = 0; i < at.num_rx_rings; ++i) {
    std::string error = open(rx_first + i, at.num_tx_rings + i, "rx ring " + std::to_string(i), port.rx[i]);
    if (!error.empty()) return error;
  }
  return {};
}

}  // namespace ptnet::guest
