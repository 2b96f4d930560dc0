// ZcopyMonitorPort: its creation, and where its lanes stand while its client is there.
#include "forward/zcopy_monitor.h"

#include <errno.h>

#include <algorithm>
#include <utility>

#include "datapath/clock.h"

namespace ptnet {

ZcopyLane::ZcopyLane(ZcopyMonitorPort& owner, SwapRing& to, uint32_t i, bool sent)
    : owner_(owner), ring_(i), sent_(sent), to_(to) {}

void ZcopyLane::OnDone(Kring& k, uint32_t from, uint32_t slots) noexcept { to_.Take(source_, k, from, slots); }

ZcopyLane::Place ZcopyLane::Behind() const { return {&owner_, owner_.shape().tx_rings + ring_, sent_}; }

namespace {

/// Of an rx ring that nobody serves: takes what its client has given back, whose memory `memory` is.
void TakeBack(Kring& k, PeerMemory& memory) noexcept {
  if (memory.paused()) return;
  memory.Touch([&] {
    SpinGuard guard(k.lock);
    uint32_t head = k.hwcur;
    if (k.HasNews() && k.LoadHead(&head)) k.TakeBack(head);
  });
}

}  // namespace

void ZcopyLane::Link(Engine& engine, Port& watched) {
  const uint32_t tx = watched.shape().tx_rings;
  const auto [port, ring] = watched.DoneAt(sent_ ? ring_ : tx + ring_);
  Place place{port, ring, port->kring(ring).dir == Dir::kTx};
  while (const ZcopyLane* before = place.lane()) place = before->Behind();
  StandAt(engine, place);
}

void ZcopyLane::Unlink(Engine& engine) {
  looked_ = nullptr;
  const Place place = std::exchange(at_, {});
  SetTaker(engine, *place.port, place.ring, place.sent, nullptr);
  const Place behind = Behind();
  ZcopyLane* const next = behind.lane();
  if (next == nullptr) return;
  next->looked_ = nullptr;
  SetTaker(engine, *behind.port, behind.ring, behind.sent, nullptr);
  next->StandAt(engine, place);
}

void ZcopyLane::StandAt(Engine& engine, const Place& place) {
  at_ = place;
  to_.Reset(&source_, {.which = place.port->is_monitor() ? WhichSlots(place.sent) : std::nullopt,
                       .flag = static_cast<uint16_t>(sent_ ? NS_TXMON : 0)});
  Kring& k = place.port->kring(place.ring);
  const bool served = k.dir == Dir::kTx || place.port->flow(place.ring) != nullptr;
  // What has been given back before is not for this one.
  if (!served) TakeBack(k, place.port->memory());
  SetTaker(engine, *place.port, place.ring, place.sent, this);
  if (served) return;
  looked_memory_ = &place.port->memory();
  looked_ = &k;
}

void ZcopyLane::LookAgain() noexcept {
  Kring* const k = looked_.load(std::memory_order_acquire);
  if (k != nullptr) TakeBack(*k, *looked_memory_);
}

Used ZcopyTxFlow::Poll(const Budget& budget) noexcept {
  if (k_.attached()) {
    const uint64_t now_ns = NowNs();
    if (now_ns >= due_ns_) {
      port_.LookAgain();
      due_ns_ = now_ns + kLookNs;
    }
  }
  return MonitorTxFlow::Poll(budget);
}

Status ZcopyMonitorPort::Create(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats,
                                const PortShape& shape, std::shared_ptr<Engine> engine, Watchable watched, Ways ways,
                                std::shared_ptr<ZcopyMonitorPort>* out) {
  const auto refuse = [&](const std::string& what) { return Status::Fail(EINVAL, shape.name + ": " + what); };
  if (Status s = CheckWatched(shape.name, watched, ways); !s.ok()) return s;
  if (!watched.port)
    return refuse("'" + watched.name() +
                  "' has no rings whose buffers could be taken: a monitor with copies would be right");
  const Port& port = *watched.port;
  if (&port.region() != region.get())
    return refuse("without copies it has to lie in the region of '" + port.name() + "'");
  const uint32_t rings = std::max(port.shape().tx_rings, port.shape().rx_rings);
  if (shape.rx_rings != rings)
    return refuse("without copies it has as many rx rings as '" + port.name() +
                  "' has pairs: " + std::to_string(rings) + " would be right");
  std::shared_ptr<ZcopyMonitorPort> monitor(new ZcopyMonitorPort(std::move(region), std::move(stats), shape));
  if (Status s = monitor->Build(true); !s.ok()) return s;
  for (uint32_t i = 0; i < shape.tx_rings; i++)
    monitor->tx_flows_.push_back(std::make_unique<ZcopyTxFlow>(monitor->tx(i), *monitor));
  for (uint32_t i = 0; i < rings; i++)
    monitor->swaps_.push_back(std::make_unique<SwapRing>(monitor->rx(i), monitor->memory()));
  for (uint32_t i = 0; ways.tx && i < port.shape().tx_rings; i++)
    monitor->lanes_.push_back(std::make_unique<ZcopyLane>(*monitor, *monitor->swaps_[i], i, true));
  for (uint32_t i = 0; ways.rx && i < port.shape().rx_rings; i++)
    monitor->lanes_.push_back(std::make_unique<ZcopyLane>(*monitor, *monitor->swaps_[i], i, false));
  monitor->engine_ = std::move(engine);
  monitor->watched_ = std::move(watched.port);
  *out = std::move(monitor);
  return Status::Ok();
}

Status ZcopyMonitorPort::CheckVnetHdr(uint8_t len) { return CheckNoVnetHdr(*this, len); }

void ZcopyMonitorPort::OnVnetHdr(uint8_t) noexcept { ForgetReceived(*this); }

void ZcopyMonitorPort::OnServed(bool served) noexcept {
  if (served == std::exchange(linked_, served)) return;
  served ? void(watched_->watchers++) : void(watched_->watchers--);
  for (const auto& lane : lanes_) served ? lane->Link(*engine_, *watched_) : lane->Unlink(*engine_);
}

void ZcopyMonitorPort::LookAgain() noexcept {
  for (const auto& lane : lanes_) lane->LookAgain();
}

}  // namespace ptnet
