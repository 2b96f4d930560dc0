// Sends back what arrived, by swapping buffers between an RX and a TX ring of the same region: nothing is copied.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "receive.h"

namespace ptnet::guest {

/// One RX ring and the TX ring that its packets leave by.
class Echoer {
 public:
  Echoer(Ring& rx, Ring& tx, uint32_t vnet_hdr_len) : rx_(rx), tx_(tx), vnet_hdr_len_(vnet_hdr_len) {}

  Ring& rx() { return rx_; }
  Ring& tx() { return tx_; }
  const std::string& error() const { return error_; }

  /// Moves up to `limit` whole packets from RX to TX, and both heads past them; does not publish. At the levels that
  /// look inside, packets are checked and their MAC addresses change places.
  template <Payload P>
  Traffic Move(Inspector& inspector, uint32_t burst, uint64_t limit) {
    Traffic moved;
    rx_.AvailableOrRefresh(1);
    const uint32_t whole = WholePackets(rx_, burst);
    rx_.starved = whole == 0;
    tx_.starved = false;
    if (whole == 0) return moved;
    uint32_t room = tx_.AvailableOrRefresh(whole);
    uint32_t done = 0;
    while (done < whole && moved.packets < limit) {
      const Inspector::Packet packet = Measure(whole - done);
      if (packet.slots > room) {
        tx_.starved = true;
        break;
      }
      if (!error_.empty()) break;
      if constexpr (P != Payload::kNone) {
        inspector.Inspect<P>(rx_, rx_.head, packet.slots);
        SwapMacs(rx_.slots[rx_.head]);
      }
      for (uint32_t i = 0; i < packet.slots; ++i) MoveSlot();
      room -= packet.slots;
      done += packet.slots;
      ++moved.packets;
      moved.bytes += packet.bytes;
    }
    return moved;
  }

 private:
  /// The packet at the RX head: its slots and its length. Says in error_ what would park our TX ring.
  Inspector::Packet Measure(uint32_t limit) {
    Inspector::Packet packet = {0, 0};
    uint32_t at = rx_.head;
    bool more = true;
    while (more && packet.slots < limit) {
      const netmap_slot& slot = rx_.slots[at];
      const uint32_t buf_idx = slot.buf_idx;
      const uint32_t len = slot.len;
      if (buf_idx == 0 || buf_idx >= rx_.buf_count || len > tx_.buf_size) [[unlikely]]
        error_ = "ring " + std::to_string(rx_.index) + ": the host left buf_idx " + std::to_string(buf_idx) + ", len " +
                 std::to_string(len) + " in slot " + std::to_string(at);
      more = (slot.flags & NS_MOREFRAG) != 0;
      packet.bytes += len;
      ++packet.slots;
      at = rx_.Next(at);
    }
    return packet;
  }

  void MoveSlot() {
    netmap_slot& from = rx_.slots[rx_.head];
    netmap_slot& to = tx_.slots[tx_.head];
    const uint32_t received = from.buf_idx;
    const uint32_t spare = to.buf_idx;
    to.buf_idx = received;
    to.len = from.len;
    to.flags = static_cast<uint16_t>((from.flags & NS_MOREFRAG) | NS_BUF_CHANGED);
    from.buf_idx = spare;
    from.flags = NS_BUF_CHANGED;
    rx_.head = rx_.Next(rx_.head);
    tx_.head = tx_.Next(tx_.head);
  }

  void SwapMacs(const netmap_slot& slot) {
    if (slot.len < vnet_hdr_len_ + 12) return;
    uint8_t* packet = rx_.Buffer(slot.buf_idx) + vnet_hdr_len_;
    uint8_t dst[6];
    std::memcpy(dst, packet, 6);
    std::memcpy(packet, packet + 6, 6);
    std::memcpy(packet + 6, dst, 6);
  }

  Ring& rx_;
  Ring& tx_;
  uint32_t vnet_hdr_len_;
  std::string error_;
};

}  // namespace ptnet::guest
