// Port: allocates netmap_if, rings and buffers in the region and lays them out for the guest.
#include "forward/port.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "datapath/engine.h"
#include "ring/packet.h"

namespace ptnet {
namespace {

constexpr int64_t kNoRing = 0;

}  // namespace

Port::Port(std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats, const PortShape& shape)
    : region_(std::move(region)), stats_(std::move(stats)), shape_(shape), tx_(shape.tx_rings), rx_(shape.rx_rings) {}

Port::~Port() { GiveBack(); }

void Port::GiveBack() {
  for (auto* rings : {&tx_, &rx_})
    for (Kring& k : *rings)
      if (RingCounters* const counters = std::exchange(k.counters, nullptr)) stats_->Free(counters);
  if (const Holder holder = std::exchange(holder_, 0)) region_->Release(holder);
}

Status Port::CheckRetire() {
  if (watchers > 0) return Status::Fail(EBUSY, name() + ": a monitor or a capture looks at it: end it first");
  bool in_use = attached && !retired_;
  for (uint32_t i = 0; i < rings(); i++) in_use |= flow(i) != nullptr && Engine::InUse(*flow(i));
  return in_use ? Status::Fail(EBUSY, name() + ": a client is attached: detach it first") : Status::Ok();
}

Status Port::Retire() {
  if (Status s = CheckRetire(); !s.ok()) return s;
  attached = retired_ = true;
  GiveBack();
  return Status::Ok();
}

PoolNeeds Port::Needs(const PortShape& shape, bool rx_bufs) {
  return {1, shape.tx_rings + shape.rx_rings,
          shape.tx_rings * shape.tx_slots + (rx_bufs ? shape.rx_rings * shape.rx_slots : 0) + shape.extra_bufs};
}

Status Port::CheckShape() const {
  auto fail = [&](const std::string& text) { return Status::Fail(EINVAL, shape_.name + ": " + text); };
  if (shape_.name.size() >= sizeof(NetmapIf::name) * 4) return fail("the name is too long: use up to 63 characters");
  uint32_t most = region_->ring_slots_max();
  for (auto [what, slots] : {std::pair{"tx-slots", shape_.tx_slots}, {"rx-slots", shape_.rx_slots}}) {
    if (slots < 2) return fail(std::string(what) + " " + std::to_string(slots) + " is too few: use 2 or more");
    if (slots > most)
      return fail(std::string(what) + " " + std::to_string(slots) + " does not fit a ring object of " +
                  std::to_string(region_->rings().size()) + " bytes: use up to " + std::to_string(most) +
                  " or a ring-size of " + std::to_string(sizeof(NetmapRing) + uint64_t{slots} * sizeof(NetmapSlot)));
  }
  if (shape_.tx_rings < 1 || shape_.rx_rings < 1) return fail("a port needs at least one ring each way");
  uint32_t offsets = shape_.tx_rings + shape_.rx_rings + 2 * kHostRings;
  uint64_t if_size = sizeof(NetmapIf) + uint64_t{offsets} * sizeof(int64_t);
  if (if_size > region_->ifs().size())
    return fail("its netmap_if takes " + std::to_string(if_size) + " bytes: raise if-size of region " +
                std::to_string(region_->id()) + " above " + std::to_string(region_->ifs().size()));
  return Status::Ok();
}

Status Port::Build(bool rx_bufs) {
  rings_own_bufs_ = rx_bufs;
  if (Status s = CheckShape(); !s.ok()) return s;
  if (shape_.places) return Adopt(*shape_.places);
  if (Status s = region_->Check(shape_.name, Needs(shape_, rx_bufs)); !s.ok()) return s;
  if (stats_->available() < rings()) return Status::Fail(ENOMEM, shape_.name + ": no counters left: fewer rings");
  holder_ = region_->NewHolder();
  nifp_ = region_->AllocIf(holder_);
  strncpy(nifp_->name, shape_.name.c_str(), sizeof nifp_->name - 1);
  nifp_->version = kNetmapApi;
  nifp_->tx_rings = shape_.tx_rings;
  nifp_->rx_rings = shape_.rx_rings;
  nifp_->host_tx_rings = kHostRings;
  nifp_->host_rx_rings = kHostRings;
  int64_t* ofs = nifp_->ring_ofs();
  auto offset = [&](NetmapRing* ring) { return reinterpret_cast<uint8_t*>(ring) - reinterpret_cast<uint8_t*>(nifp_); };
  for (uint32_t i = 0; i < shape_.tx_rings; i++) {
    BuildRing(&tx_[i], Dir::kTx, static_cast<uint16_t>(i), shape_.tx_slots, true);
    *ofs++ = offset(tx_[i].ring);
  }
  for (uint32_t i = 0; i < kHostRings; i++) *ofs++ = kNoRing;
  for (uint32_t i = 0; i < shape_.rx_rings; i++) {
    BuildRing(&rx_[i], Dir::kRx, static_cast<uint16_t>(i), shape_.rx_slots, rx_bufs);
    *ofs++ = offset(rx_[i].ring);
  }
  for (uint32_t i = 0; i < kHostRings; i++) *ofs++ = kNoRing;
  memory_ = std::make_shared<PeerMemory>(*tx_[0].counters);
  // Extra buffers: a list through the first word of each, 0 at the end.
  for (uint32_t i = 0; i < shape_.extra_bufs; i++) {
    uint32_t index = region_->AllocExtraBuf(holder_);
    *reinterpret_cast<uint32_t*>(region_->Buf(index)) = nifp_->bufs_head;
    nifp_->bufs_head = index;
  }
  return Status::Ok();
}

void Port::BuildRing(Kring* k, Dir dir, uint16_t index, uint32_t num_slots, bool bufs) {
  NetmapRing* ring = region_->AllocRing(holder_);
  for (uint32_t i = 0; bufs && i < num_slots; i++) {
    ring->slots()[i].buf_idx = region_->AllocBuf(holder_);
    ring->slots()[i].len = static_cast<uint16_t>(std::min(region_->bufs().size(), 65535u));
  }
  PlaceRing(k, ring, dir, index, num_slots);
  k->counters = stats_->Alloc();
  k->hwcur = 0;
  k->hwtail = dir == Dir::kTx ? num_slots - 1 : 0;
  k->Record();
  WriteHeader(*k);
}

/// What the host has of a ring wherever it comes from.
void Port::PlaceRing(Kring* k, NetmapRing* ring, Dir dir, uint16_t index, uint32_t num_slots) {
  k->slots = ring->slots();
  region_->TrackRing(holder_, k->slots, num_slots);
  k->buf_base = region_->base() + region_->bufs().offset();
  k->num_slots = num_slots;
  k->num_bufs = region_->bufs().num();
  k->SetBufSize(region_->bufs().size());
  k->index = index;
  k->mtu = shape_.mtu;
  k->dir = dir;
  k->ring = ring;
}

void Port::WriteHeader(const Kring& k) const {
  NetmapRing* ring = k.ring;
  const uint8_t* bufs = region_->base() + region_->bufs().offset();
  ring->buf_ofs = bufs - reinterpret_cast<uint8_t*>(ring);
  ring->num_slots = k.num_slots;
  ring->buf_size = k.buf_size;
  ring->ringid = k.index;
  ring->dir = k.dir == Dir::kTx ? 1 : 0;
  ring->head = ring->cur = k.hwcur;
  ring->tail = k.hwtail;
  ring->flags = 0;
  ring->offset_mask = k.offset_mask;
  ring->buf_align = 0;
}

/// Packets that the next client is to get are moved to where it looks for them.
void Port::ForgetOffsets(uint32_t i) {
  Kring& k = kring(i);
  if (!k.has_offsets() || KeepsOffsets()) return;
  // Nobody is attached, so nobody else moves these packets: who delivers here need not wait for all of them.
  for (uint32_t s = k.hwcur; k.dir == Dir::kRx && s != k.hwtail; s = k.Next(s)) {
    const SlotWord w = ReadSlot(k.slots[s]);
    const uint32_t offset = k.OffsetOf(k.slots[s]);
    if (CheckSlot(k, w, k.buf_size - offset) == Drop::kCount)
      memmove(k.Buf(w.buf_idx), k.Buf(w.buf_idx) + offset, w.len);
  }
  {
    SpinGuard guard(k.lock);
    k.SetOffsets(0, 0, k.buf_size);
    k.ShowOffsetMask();
  }
  if (const auto [other, ring] = JoinedTo(i); other != nullptr) other->ForgetOffsets(ring);
}

Status Port::CheckPlain() {
  for (uint32_t i = 0; i < rings(); i++) {
    ForgetOffsets(i);
    if (kring(i).has_offsets())
      return Status::Fail(EBUSY, name() +
                                     ": the other end has offsets (NETMAP_REQ_OPT_OFFSETS), of which this client "
                                     "knows nothing: close it, or open it without");
  }
  return Status::Ok();
}

void Port::RestoreRings() {
  for (uint32_t i = 0; i < rings(); i++) ForgetOffsets(i);
  // The next client of a monitor begins behind what the one before has left: its headers have to say so, too.
  for (Kring& k : rx_)
    if (is_monitor()) {
      k.hwcur = k.hwtail;
      k.Record();
    }
  for (uint32_t i = 0; i < rings(); i++) WriteHeader(kring(i));
  if (rings_own_bufs_) region_->MendSlots(holder_);
}

}  // namespace ptnet
