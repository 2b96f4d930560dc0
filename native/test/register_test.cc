// Registers: a netmap_if with the rings that were asked for, extra buffers, and a ring that its last user has scribbled
// over.
#include "forward/register.h"

#include <errno.h>

#include <set>

#include "forward/null_port.h"
#include "forward/pipe.h"
#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

std::shared_ptr<NullPort> MakePort(const std::shared_ptr<Region>& region, const char* name = "null:x") {
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(region, MakeStats(), {name, 2, 3, 8, 16, 0}, &port));
  return port;
}

const int64_t* Offsets(const Region& region, const Register& reg) {
  return reinterpret_cast<NetmapIf*>(region.base() + reg.nifp_ofs())->ring_ofs();
}

void ShowsWhatWasAskedFor() {
  auto region = MakeRegion(7);
  const auto before = region->Available();
  auto port = MakePort(region);
  const auto with_port = region->Available();
  {
    std::shared_ptr<Register> one, all;
    CHECK_OK(Register::Create(port, {{false, true, false, false, true}, 0}, &one));
    CHECK_OK(Register::Create(port, {std::vector<bool>(5, true), 3}, &all));
    CHECK(one->nifp_ofs() != all->nifp_ofs() && one->nifp_ofs() != port->nifp_ofs());
    // NIC tx, host tx, NIC rx, host rx.
    const bool wanted[] = {false, true, false, false, false, true, false};
    const int64_t* offsets = Offsets(*region, *one);
    for (int i = 0; i < 7; i++) CHECK_EQ(offsets[i] != 0, wanted[i]);
    CHECK(reinterpret_cast<uint8_t*>(port->rx(2).ring) == region->base() + one->nifp_ofs() + offsets[5]);
    for (int i = 0; i < 7; i++) CHECK_EQ(Offsets(*region, *all)[i] != 0, i != 2 && i != 6);
    auto* nifp = reinterpret_cast<NetmapIf*>(region->base() + all->nifp_ofs());
    CHECK_EQ(nifp->tx_rings, 2u);
    CHECK_EQ(nifp->rx_rings, 3u);
    CHECK_EQ(all->extra_bufs(), 3u);
    std::set<uint32_t> list;
    for (uint32_t i = nifp->bufs_head; i != 0; i = *reinterpret_cast<uint32_t*>(region->Buf(i)))
      CHECK(i >= kReservedBufs && list.insert(i).second && list.size() <= 3);
    CHECK_EQ(list.size(), 3u);
    CHECK_EQ(Register::Create(port, {std::vector<bool>(4, true), 0}, &one).err, EINVAL);
  }
  CHECK_EQ(region->Available().ifs, with_port.ifs);
  CHECK_EQ(region->Available().bufs, with_port.bufs);
  port.reset();
  CHECK_EQ(region->Available().ifs, before.ifs);
}

void ShowsHostRings() {
  auto region = MakeRegion(7);
  auto port = MakePort(region), host = MakePort(region, "null:host");
  const std::vector<bool> none(5, false), all(5, true);
  std::shared_ptr<Register> both, one, refused;
  CHECK_OK(Register::Create(port, {all, 0, host, all}, &both));
  auto* nifp = reinterpret_cast<NetmapIf*>(region->base() + both->nifp_ofs());
  CHECK_EQ(nifp->tx_rings + nifp->host_tx_rings * 10 + nifp->rx_rings * 100 + nifp->host_rx_rings * 1000, 3322u);
  const auto* at = reinterpret_cast<const uint8_t*>(nifp);
  const int64_t* offsets = Offsets(*region, *both);
  CHECK(reinterpret_cast<uint8_t*>(port->tx(1).ring) == at + offsets[1]);
  CHECK(reinterpret_cast<uint8_t*>(host->tx(0).ring) == at + offsets[2]);
  CHECK(reinterpret_cast<uint8_t*>(port->rx(0).ring) == at + offsets[4]);
  CHECK(reinterpret_cast<uint8_t*>(host->rx(2).ring) == at + offsets[9]);
  CHECK_OK(Register::Create(port, {none, 0, host, {false, true, false, false, false}}, &one));
  for (int i = 0; i < 10; i++) CHECK_EQ(Offsets(*region, *one)[i] != 0, i == 3);
  // Rings that it does not have, none where there is no such port, and one of another region.
  CHECK_EQ(Register::Create(port, {all, 0, host, {true}}, &refused).err, EINVAL);
  CHECK_EQ(Register::Create(port, {all, 0, nullptr, all}, &refused).err, EINVAL);
  CHECK_EQ(Register::Create(port, {all, 0, MakePort(MakeRegion(8)), all}, &refused).err, EINVAL);
}

void GivesWhatThereIs() {
  auto region = MakeRegion(7);
  auto port = MakePort(region);
  std::shared_ptr<Register> greedy;
  const uint32_t left = region->Available().bufs;
  CHECK_OK(Register::Create(port, {std::vector<bool>(5, false), 1'000'000}, &greedy));
  CHECK_EQ(greedy->extra_bufs(), left);
  std::vector<std::shared_ptr<Register>> all;
  Status s = Status::Ok();
  while (s.ok()) s = Register::Create(port, {std::vector<bool>(5, false), 0}, &all.emplace_back());
  CHECK_EQ(s.err, ENOMEM);
}

/// A buffer that was swapped from a list of extra ones into a ring stays there when the register ends.
void LeavesABufferInARing() {
  auto region = MakeRegion(7);
  auto port = MakePort(region);
  std::shared_ptr<Register> reg;
  CHECK_OK(Register::Create(port, {std::vector<bool>(5, true), 1}, &reg));
  auto* nifp = reinterpret_cast<NetmapIf*>(region->base() + reg->nifp_ofs());
  const uint32_t extra = nifp->bufs_head, mine = port->tx(0).slots[3].buf_idx;
  port->tx(0).slots[3].buf_idx = extra;
  reg.reset();
  CHECK(region->bufs().holder(extra) != 0);
  // The other one is in nobody's list or ring now.
  CHECK_EQ(region->bufs().holder(mine), 0u);
}

void RestoresWhatWasScribbledOver() {
  auto region = MakeRegion(7);
  auto port = MakePort(region);
  auto other = MakePort(region, "null:y");
  Random random("register_test");
  for (int round = 0; round < 200; round++) {
    for (uint32_t i = 0; i < port->rings(); i++) {
      Kring& k = port->kring(i);
      k.hwcur = random.Below(k.num_slots);
      k.hwtail = random.Below(k.num_slots);
      for (uint32_t word = 0; word < sizeof(NetmapRing) / 4; word++)
        reinterpret_cast<uint32_t*>(k.ring)[word] = random.Below(UINT32_MAX);
      for (uint32_t slot = 0; slot < k.num_slots; slot++)
        if (random.OneIn(2)) k.slots[slot].buf_idx = random.OneIn(2) ? random.Below(UINT32_MAX) : random.Below(100);
    }
    port->RestoreRings();
    std::set<uint32_t> shown;
    for (uint32_t i = 0; i < port->rings(); i++) {
      const Kring& k = port->kring(i);
      CHECK_EQ(k.ring->head, k.hwcur);
      CHECK_EQ(k.ring->cur, k.hwcur);
      CHECK_EQ(k.ring->tail, k.hwtail);
      CHECK_EQ(k.ring->num_slots, k.num_slots);
      CHECK_EQ(k.ring->ringid, k.index);
      CHECK_EQ(k.ring->buf_size, region->bufs().size());
      CHECK(reinterpret_cast<uint8_t*>(k.ring) + k.ring->buf_ofs == region->Buf(0));
      for (uint32_t slot = 0; slot < k.num_slots; slot++) {
        const uint32_t buf = k.slots[slot].buf_idx;
        CHECK(k.ValidBuf(buf) && region->bufs().holder(buf) != 0 && shown.insert(buf).second);
      }
    }
  }
}

}  // namespace

int main() {
  ShowsWhatWasAskedFor();
  ShowsHostRings();
  GivesWhatThereIs();
  LeavesABufferInARing();
  RestoresWhatWasScribbledOver();
  return 0;
}
