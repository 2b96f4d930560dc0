// Port: where it lies, for another process, and going on with one that lies there.
#include <errno.h>

#include "forward/port.h"
#include "forward/switch_member.h"

namespace ptnet {

PortPlaces Port::Places() {
  PortPlaces places{holder_, nifp_ofs(), {}};
  for (uint32_t i = 0; i < rings(); i++) {
    const Kring& k = kring(i);
    places.rings.push_back({.offset = region_->OffsetOf(k.ring),
                            .counters = stats_->IndexOf(k.counters),
                            .hwcur = k.hwcur,
                            .hwtail = k.hwtail,
                            .vnet_hdr_len = k.vnet_hdr_len,
                            .room = k.room,
                            .offset_max = k.offset_max,
                            .offset_mask = k.offset_mask});
  }
  return places;
}

LimitPointers Port::limits() {
  const SwitchMember* const member = on_switch();
  return member == nullptr ? LimitPointers{tx_limit_.get(), rx_limit_.get()} : LimitsOf(tx_limit_.get(), *member);
}

/// Nothing is written to the region or the counters: another process may still use them.
Status Port::Adopt(const PortPlaces& places) {
  auto fail = [&](const std::string& what) { return Status::Fail(EINVAL, name() + ": taken over: " + what); };
  if (places.rings.size() != rings()) return fail("it has other rings");
  // Before anything is given to it: the region is not to take back what it has not got.
  NetmapIf* const nifp = region_->AdoptIf(places.holder, places.nifp_ofs);
  if (nifp == nullptr) return fail("its netmap_if is not there, or somebody else's");
  nifp_ = nifp;
  holder_ = places.holder;
  for (uint32_t i = 0; i < rings(); i++) {
    const bool tx = i < shape_.tx_rings;
    const uint32_t index = tx ? i : i - shape_.tx_rings;
    if (!AdoptRing(&kring(i), tx ? Dir::kTx : Dir::kRx, static_cast<uint16_t>(index),
                   tx ? shape_.tx_slots : shape_.rx_slots, places.rings[i]))
      return fail("ring " + std::to_string(i) + " is not there, or somebody else's, or its indices are none");
  }
  memory_ = std::make_shared<PeerMemory>(*tx_[0].counters);
  return Status::Ok();
}

Status Port::Advance(const PortPlaces& places) {
  const PortPlaces mine = Places();
  bool same = places.holder == mine.holder && places.nifp_ofs == mine.nifp_ofs && places.rings.size() == rings();
  for (uint32_t i = 0; same && i < rings(); i++)
    same = places.rings[i].offset == mine.rings[i].offset && places.rings[i].counters == mine.rings[i].counters &&
           SetPlace(&kring(i), places.rings[i]);
  return same ? Status::Ok() : Status::Fail(EINVAL, name() + ": taken over: its rings are others, or its indices none");
}

bool Port::SetPlace(Kring* k, const PortPlaces::Ring& place) const {
  const uint64_t mask = place.offset_mask;
  if (place.hwcur >= k->num_slots || place.hwtail >= k->num_slots || (mask & (mask + 1)) != 0 ||
      place.offset_max > mask || place.offset_max > region_->bufs().size())
    return false;
  k->hwcur = place.hwcur;
  k->hwtail = place.hwtail;
  k->vnet_hdr_len = place.vnet_hdr_len;
  k->SetOffsets(mask, place.offset_max, place.room);
  return true;
}

bool Port::AdoptRing(Kring* k, Dir dir, uint16_t index, uint32_t num_slots, const PortPlaces::Ring& place) {
  NetmapRing* const ring = region_->AdoptRing(holder_, place.offset);
  if (ring == nullptr) return false;
  k->counters = stats_->Take(place.counters);
  if (k->counters == nullptr) return false;
  PlaceRing(k, ring, dir, index, num_slots);
  return SetPlace(k, place);
}

}  // namespace ptnet
