// Regions and ports: limits, layout, NUMA nodes, what a region too small says, and that nothing given out is lost or
// given twice.
#include <errno.h>

#include <fstream>
#include <sstream>

#include "forward/null_port.h"
#include "forward/pipe.h"
#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

static void LimitsAreChecked() {
  std::shared_ptr<Region> r;
  auto err = [&](uint16_t id, RegionShape shape) { return Region::Create(id, shape, {}, &r).err; };
  const RegionShape fine{{2, 1024}, {4, 20480}, {64, 2048}};
  CHECK_EQ(err(1, fine), 0);
  CHECK_EQ(err(0, fine), EINVAL);
  CHECK_EQ(err(1, {{2, 55}, {4, 20480}, {64, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{2, 4097}, {4, 20480}, {64, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{0, 1024}, {4, 20480}, {64, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{2, 1024}, {1, 20480}, {64, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{2, 1024}, {1025, 20480}, {64, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{2, 1024}, {4, 131073}, {64, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{2, 1024}, {4, 20480}, {3, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{2, 1024}, {4, 20480}, {1000001, 2048}}), EINVAL);
  CHECK_EQ(err(1, {{2, 1024}, {4, 20480}, {64, 63}}), EINVAL);
  CHECK_EQ(err(1, {{2, 1024}, {4, 20480}, {64, 65537}}), EINVAL);
}

static void LayoutIsNetmaps() {
  auto region = MakeRegion(7);
  CHECK_EQ(region->memsize() % 4096, 0u);
  CHECK(region->bar_size() >= region->memsize() && (region->bar_size() & (region->bar_size() - 1)) == 0);
  CHECK_EQ(region->ifs().offset(), 0u);
  CHECK(region->rings().offset() < region->bufs().offset());
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(region, MakeStats(), {"null:x", 2, 3, 64, 128, 5}, &port));
  auto* nifp = reinterpret_cast<guest::netmap_if*>(region->base() + port->nifp_ofs());
  CHECK(strcmp(nifp->name, "null:x") == 0);
  CHECK_EQ(nifp->tx_rings, 2u);
  CHECK_EQ(nifp->rx_rings, 3u);
  CHECK_EQ(nifp->host_tx_rings, 1u);
  CHECK_EQ(nifp->host_rx_rings, 1u);
  const auto* ring_ofs = reinterpret_cast<int64_t*>(nifp + 1);
  for (int i = 0; i < 7; i++) {
    bool tx = i < 3, host = i == 2 || i == 6;
    if (host) {  // nobody serves it: it has a place, and nothing there
      CHECK_EQ(ring_ofs[i], 0);
      continue;
    }
    auto* ring = reinterpret_cast<guest::netmap_ring*>(reinterpret_cast<uint8_t*>(nifp) + ring_ofs[i]);
    CHECK_EQ(ring->dir, tx ? 1 : 0);
    CHECK_EQ(ring->num_slots, tx ? 64u : 128u);
    CHECK_EQ(ring->tail, tx ? ring->num_slots - 1 : 0u);
    CHECK(reinterpret_cast<uint8_t*>(ring) + ring->buf_ofs == region->Buf(0));
    const auto* slots = reinterpret_cast<guest::netmap_slot*>(ring + 1);
    for (uint32_t s = 0; s < ring->num_slots; s++) CHECK(slots[s].buf_idx >= kReservedBufs);
  }
  uint32_t extra = 0;
  for (uint32_t b = nifp->bufs_head; b != 0; b = *reinterpret_cast<uint32_t*>(region->Buf(b))) extra++;
  CHECK_EQ(extra, 5u);
}

/// What the kernel says of the mapping at `base`: the policy, then KEY=VALUE.
static std::string NumaMap(const void* base) {
  std::ostringstream start;
  start << std::hex << reinterpret_cast<uintptr_t>(base) << ' ';
  std::ifstream maps("/proc/self/numa_maps");
  for (std::string line; std::getline(maps, line);)
    if (line.starts_with(start.str())) return line.substr(start.str().size()) + " ";
  return "";
}

static bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

static void MemoryComesFromItsNode() {
  const RegionShape shape{{2, 1024}, {4, 20480}, {64, 2048}};
  std::shared_ptr<Region> region;
  Status s = Region::Create(7, shape, {.numa_node = 0}, &region);
  if (s.err == ENOSYS || s.err == EPERM) {
    std::printf("region: memory on a NUMA node is not tested: %s\n", s.message.c_str());
    return;
  }
  CHECK_OK(s);
  // Nothing is touched before the policy holds.
  CHECK(NumaMap(region->base()).starts_with("prefer:0 "));
  CHECK(!Contains(NumaMap(region->base()), " N0="));
  // A guest touches the file through a mapping of its own, for which it sets no policy.
  auto* guest =
      static_cast<uint8_t*>(mmap(nullptr, region->bar_size(), PROT_READ | PROT_WRITE, MAP_SHARED, region->fd(), 0));
  CHECK(NumaMap(guest).starts_with("prefer:0 "));
  memset(guest, 1, region->memsize() / 2);
  munmap(guest, region->bar_size());
  memset(region->base(), 1, region->memsize());
  CHECK(Contains(NumaMap(region->base()), " N0=" + std::to_string(region->memsize() / 4096) + " "));

  CHECK_OK(Region::Create(7, shape, {}, &region));
  CHECK(NumaMap(region->base()).starts_with("default "));
}

static void ANodeThatIsNotThereIsRefused() {
  std::shared_ptr<Region> region;
  for (uint32_t node : {1023u, 1024u, UINT32_MAX}) {
    Status s = Region::Create(7, {{2, 1024}, {4, 20480}, {64, 2048}}, {.numa_node = node}, &region);
    // The others: a kernel without NUMA, a container that forbids the call.
    CHECK(s.err == EINVAL || s.err == ENOSYS || s.err == EPERM);
    CHECK(s.message == "region 7: NUMA node " + std::to_string(node) + ": mbind: " + strerror(s.err));
    CHECK(region == nullptr);
  }
}

static void TooSmallSaysWhatIsNeeded() {
  auto region = MakeRegion(1, 100);
  std::shared_ptr<NullPort> port;
  Status s = NullPort::Create(region, MakeStats(), {"null:big", 1, 1, 64, 64, 0}, &port);
  CHECK_EQ(s.err, ENOMEM);
  CHECK(s.message.find("null:big: region 1 is too small: needs 128 buffers (98 free)") == 0);
  s = NullPort::Create(region, MakeStats(), {"null:slots", 1, 1, 4096, 64, 0}, &port);
  CHECK_EQ(s.err, EINVAL);
}

static void EverythingComesBack() {
  auto region = MakeRegion();
  auto stats = MakeStats();
  PoolNeeds before = region->Available();
  uint32_t blocks = stats->available();
  for (int round = 0; round < 50; round++) {
    std::shared_ptr<NullPort> port;
    std::shared_ptr<PipePair> pipe;
    CHECK_OK(NullPort::Create(region, stats, {"null:a", 2, 2, 256, 256, 3}, &port));
    CHECK_OK(PipePair::Create(region, stats, {"p{1", 1, 1, 64, 64, 0}, "p}1", &pipe));
    // A guest that writes rubbish into its slots changes nothing about who holds what.
    for (uint32_t i = 0; i < 256; i++) port->tx(0).slots[i].buf_idx = i * 7919 + static_cast<uint32_t>(round);
  }
  CHECK_EQ(region->Available().bufs, before.bufs);
  CHECK_EQ(region->Available().rings, before.rings);
  CHECK_EQ(region->Available().ifs, before.ifs);
  CHECK_EQ(stats->available(), blocks);
}

static void SwappedBuffersSurviveTheirFirstOwner() {
  auto region = MakeRegion();
  auto stats = MakeStats();
  std::shared_ptr<NullPort> a, b;
  CHECK_OK(NullPort::Create(region, stats, {"null:a", 1, 1, 64, 64, 0}, &a));
  CHECK_OK(NullPort::Create(region, stats, {"null:b", 1, 1, 64, 64, 0}, &b));
  // Zero-copy forwarding from a to b swaps the buffers of two slots.
  std::swap(a->rx(0).slots[5].buf_idx, b->tx(0).slots[9].buf_idx);
  uint32_t moved = b->tx(0).slots[9].buf_idx;
  a.reset();
  CHECK(region->bufs().holder(moved) != 0);
  std::shared_ptr<NullPort> c;
  CHECK_OK(NullPort::Create(region, stats, {"null:c", 1, 1, 64, 64, 0}, &c));
  for (uint32_t i = 0; i < 64; i++) CHECK(c->tx(0).slots[i].buf_idx != moved && c->rx(0).slots[i].buf_idx != moved);
}

int main() {
  LimitsAreChecked();
  LayoutIsNetmaps();
  MemoryComesFromItsNode();
  ANodeThatIsNotThereIsRefused();
  TooSmallSaysWhatIsNeeded();
  EverythingComesBack();
  SwappedBuffersSurviveTheirFirstOwner();
}
