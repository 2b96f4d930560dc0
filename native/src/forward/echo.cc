// EchoPort: its creation, and a batch from the tx ring to the rx ring.
#include "forward/echo.h"

#include <errno.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "ring/rx_writer.h"

namespace ptnet {
namespace {

constexpr uint32_t kAddresses = 12;  // destination, then source

void ExchangeAddresses(uint8_t* packet) {
  std::array<uint8_t, kAddresses / 2> destination, source;
  memcpy(&destination, packet, sizeof destination);
  memcpy(&source, packet + sizeof destination, sizeof source);
  memcpy(packet, &source, sizeof source);
  memcpy(packet + sizeof source, &destination, sizeof destination);
}

Pieces PiecesOf(const Packet& packet) { return {packet.frags, packet.slots, packet.len}; }

}  // namespace

Status EchoPort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape,
                        std::shared_ptr<EchoPort>* out) {
  std::shared_ptr<EchoPort> port(new EchoPort(std::move(region), std::move(stats), shape));
  if (shape.tx_rings != shape.rx_rings)
    return Status::Fail(EINVAL, shape.name + ": " + std::to_string(shape.tx_rings) + " tx and " +
                                    std::to_string(shape.rx_rings) + " rx rings: an echo port has as many of each");
  if (Status s = port->Build(true); !s.ok()) return s;
  for (uint32_t i = 0; i < shape.tx_rings; i++)
    port->flows_.push_back(std::make_unique<EchoFlow>(port->tx(i), port->rx(i)));
  *out = std::move(port);
  return Status::Ok();
}

Used EchoFlow::Poll(const Budget& budget) noexcept {
  TxReader from(k_);
  RxWriter to(rx_);
  if (!from.Open() || rx_.blocked || !to.Open()) return {};
  // The addresses are exchanged in one piece, here and there.
  HeldDrops not_in;
  const uint32_t in_one = k_.vnet_hdr_len + kAddresses, shortest = rx_.room >= in_one ? in_one : UINT32_MAX;
  while (from.slots() < budget.slots && from.bytes() < budget.bytes && from.Peek(&packet_)) {
    if (packet_.frags[0].len < shortest) {
      from.Drop(Drop::kBadLen);
      continue;
    }
    const Drop cause = to.Put(PiecesOf(packet_));
    if (cause == Drop::kFull) break;
    from.Take(packet_);
    if (cause == Drop::kCount) {
      ExchangeAddresses(to.last().data + k_.vnet_hdr_len);
    } else {
      not_in.Count(cause);
    }
  }
  const Used used{.moved = from.slots() > 0, .slots = from.slots(), .bytes = static_cast<uint32_t>(to.bytes())};
  // Once at most: who goes on does not put into the ring what it has already.
  from.RecordTaken();
  not_in.CountIn(*rx_.counters);
  to.Close();
  from.Close();
  return used;
}

/// A whole packet, and room for it.
bool EchoFlow::HasWork() noexcept {
  RxWriter to(rx_);
  return TxFlow::HasWork() && !rx_.blocked && to.Open() &&
         (!packet_.good() || to.Room(std::min(to.SlotsFor(PiecesOf(packet_)), rx_.num_slots - 1)));
}

bool EchoFlow::Arm() noexcept {
  // The receiver's kick matters only while it holds slots that a packet may be waiting for.
  if (rx_.attached() && (rx_.hwcur != rx_.hwtail || rx_.blocked)) StoreRelaxed(rx_.ktoa->kern_need_kick, 1);
  return TxFlow::Arm();
}

void EchoFlow::Disarm() noexcept {
  k_.DisableKicks();
  rx_.DisableKicks();
}

void EchoFlow::Unblock() noexcept {
  k_.Unblock();
  rx_.Unblock();
}

void EchoFlow::EndRx() noexcept {
  uint32_t head = rx_.hwcur;
  if (rx_.LoadHead(&head)) rx_.TakeBack(head);
}

}  // namespace ptnet
