// Regions, counters and ports that another process has made: what they take over, what they refuse, and that nothing of
// it is written.
#include <errno.h>
#include <fcntl.h>

#include "guest.h"
#include "open_fds.h"
#include "pipe_fixture.h"
#include "vale_net.h"

namespace ptnet::test {
namespace {

const RegionShape kShape{{20, 1024}, {64, 36864}, {8192, 2048}};

std::vector<uint8_t> Copy(const Region& region) { return {region.base(), region.base() + region.memsize()}; }

Status AdoptRegion(const RegionState& state, std::shared_ptr<Region>* out, const RegionShape& shape = kShape) {
  return Region::Adopt(1, shape, {}, state, out);
}

/// The fixture's pipe as it is now, beside it.
std::shared_ptr<PipePair> AdoptPair(PipeFixture& f, std::shared_ptr<Region>* region) {
  std::shared_ptr<StatsArea> stats;
  CHECK_OK(AdoptRegion(f.region->State(), region));
  CHECK_OK(StatsArea::Adopt(1024, f.stats->fd(), &stats));
  PortShape shape{"p{1", 1, 1, 64, 64, 0};
  shape.places = std::make_shared<PortPlaces>(f.pair->master().Places());
  shape.other_places = std::make_shared<PortPlaces>(f.pair->slave().Places());
  std::shared_ptr<PipePair> pair;
  CHECK_OK(PipePair::Create(*region, stats, shape, "p}1", &pair));
  return pair;
}

void ARegionIsTheSame() {
  PipeFixture f;
  f.Put(1);
  f.Send();
  const std::vector<uint8_t> before = Copy(*f.region);
  const uint32_t free_bufs = f.region->bufs().available();
  std::shared_ptr<Region> region;
  const auto pair = AdoptPair(f, &region);
  CHECK(Copy(*f.region) == before);
  CHECK_EQ(region->bufs().available(), free_bufs);
  CHECK_EQ(pair->master().nifp_ofs(), f.pair->master().nifp_ofs());
  CHECK_EQ(pair->master().tx(0).hwcur, f.pair->master().tx(0).hwcur);
  CHECK_EQ(pair->slave().rx(0).hwtail, f.pair->slave().rx(0).hwtail);
  CHECK_EQ(pair->master().tx(0).counters->packets, 1u);
  // Nothing that is in use is given out again.
  const Holder holder = region->NewHolder();
  for (uint32_t i = 0; i < free_bufs; i++) CHECK_EQ(f.region->bufs().holder(region->AllocBuf(holder)), 0u);
  CHECK_EQ(region->bufs().available(), 0u);
}

/// Those that it has, at their places.
void ItsLimitsAreThere() {
  const auto which = [](Port& port) {
    std::string all;
    for (const RateLimit* limit : port.limits()) all += limit == nullptr ? '-' : '+';
    return all;
  };
  constexpr Rate kSome{.per_second = 1000, .burst = 100};
  PipeFixture f;
  CHECK(which(f.pair->master()) == "-----");
  CHECK_OK(f.pair->master().Limit({.tx = kSome}));
  CHECK_OK(f.pair->slave().Limit({.rx = kSome}));
  CHECK(which(f.pair->master()) == "+----");
  CHECK(which(f.pair->slave()) == "-+---");
  Net net;
  Port& port = *net.Add({"", 1, 1, 64, 64, 0}, 2048, false).port;
  CHECK(which(port) == "-----");
  CHECK_OK(port.Limit({.broadcast = kSome, .unknown_unicast = kSome}));
  CHECK(which(port) == "--+-+");
  CHECK_OK(port.Limit({.tx = kSome, .rx = kSome, .multicast = kSome}));
  CHECK(which(port) == "++-+-");
}

/// It was placed while somebody served it, and is where that one has stopped.
void APortIsAdvanced() {
  PipeFixture f;
  std::shared_ptr<Region> region;
  const auto pair = AdoptPair(f, &region);
  f.Put(1);
  f.Send();
  const PortPlaces now = f.pair->master().Places(), other = f.pair->slave().Places();
  CHECK(pair->master().tx(0).hwcur != now.rings[0].hwcur);
  const std::vector<uint8_t> before = Copy(*f.region);
  CHECK_OK(pair->master().Advance(now));
  CHECK_OK(pair->slave().Advance(other));
  CHECK(Copy(*f.region) == before);
  CHECK_EQ(pair->master().tx(0).hwcur, now.rings[0].hwcur);
  CHECK_EQ(pair->slave().rx(0).hwtail, other.rings[1].hwtail);
  auto err = [&](auto change) {
    PortPlaces places = now;
    change(&places);
    return pair->master().Advance(places).err;
  };
  using P = PortPlaces*;
  CHECK_EQ(err([](P p) { p->rings.pop_back(); }), EINVAL);
  CHECK_EQ(err([](P p) { p->rings.push_back(p->rings[0]); }), EINVAL);
  CHECK_EQ(err([](P p) { p->holder++; }), EINVAL);
  CHECK_EQ(err([](P p) { p->nifp_ofs += 64; }), EINVAL);
  CHECK_EQ(err([](P p) { p->rings[1].offset += 64; }), EINVAL);
  CHECK_EQ(err([](P p) { p->rings[1].counters++; }), EINVAL);
  CHECK_EQ(err([](P p) { p->rings[0].hwcur = 64; }), EINVAL);
  CHECK_EQ(err([](P p) { p->rings[1].hwtail = 64; }), EINVAL);
  CHECK_EQ(err([](P p) { p->rings[0].offset_mask = 0xf0; }), EINVAL);
  CHECK_EQ(pair->slave().Advance(now).err, EINVAL);
}

/// Packets that an application has left begin where it has said, whoever looks next.
void OffsetsStay() {
  PipeFixture f;
  f.pair->master().tx(0).SetOffsets(0xff, 128, 1000);
  auto adopt = [&](auto change) {
    std::shared_ptr<Region> region;
    std::shared_ptr<StatsArea> stats;
    CHECK_OK(AdoptRegion(f.region->State(), &region));
    CHECK_OK(StatsArea::Adopt(1024, f.stats->fd(), &stats));
    auto places = std::make_shared<PortPlaces>(f.pair->master().Places());
    change(&places->rings[0]);
    PortShape shape{"p{1", 1, 1, 64, 64, 0};
    shape.places = places;
    shape.other_places = std::make_shared<PortPlaces>(f.pair->slave().Places());
    std::shared_ptr<PipePair> pair;
    const int err = PipePair::Create(region, stats, shape, "p}1", &pair).err;
    CHECK_EQ(err == 0, pair != nullptr);
    if (err != 0) return err;
    const Kring &k = pair->master().tx(0), &other = pair->master().rx(0);
    CHECK_EQ(k.offset_mask, 0xffu);
    CHECK_EQ(k.offset_max, 128u);
    CHECK_EQ(k.room, 1000u);
    CHECK(k.has_offsets() && !other.has_offsets());
    CHECK_EQ(other.room, f.pair->master().rx(0).room);
    return 0;
  };
  using R = PortPlaces::Ring*;
  CHECK_EQ(adopt([](R) {}), 0);
  CHECK_EQ(adopt([](R r) { r->offset_mask = 0xf0; }), EINVAL);
  CHECK_EQ(adopt([](R r) { r->offset_mask = 0x3f; }), EINVAL);  // which the maximum does not fit
  CHECK_EQ(adopt([](R r) { r->offset_mask = 0; }), EINVAL);
  CHECK_EQ(adopt([](R r) { r->offset_mask = 0xffff, r->offset_max = 2049; }), EINVAL);
}

void ARegionThatIsNotSoIsRefused() {
  PipeFixture f;
  const RegionState good = f.region->State();
  std::shared_ptr<Region> region;
  auto err = [&](auto change) {
    RegionState state = good;
    change(&state);
    const int error = AdoptRegion(state, &region).err;
    CHECK(error == 0 || region == nullptr);
    return error;
  };
  CHECK_EQ(err([](RegionState* s) { s->ifs.pop_back(); }), EINVAL);
  CHECK_EQ(err([](RegionState* s) { s->rings.push_back(0); }), EINVAL);
  CHECK_EQ(err([](RegionState* s) { s->bufs.clear(); }), EINVAL);
  CHECK_EQ(err([](RegionState* s) { s->bufs[0] = 1; }), EINVAL);  // one that is nobody's, ever
  CHECK_EQ(err([](RegionState* s) { s->bufs.back() = s->last_holder + 1; }), EINVAL);
  CHECK_EQ(err([](RegionState* s) { s->last_holder = 0; }), EINVAL);
  // The next one would be nobody.
  CHECK_EQ(err([](RegionState* s) { s->last_holder = UINT32_MAX; }), EINVAL);
  CHECK_EQ(err([](RegionState* s) { s->fd = -1; }), EBADF);
  os::UniqueFd pipe_end(open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK_EQ(err([&](RegionState* s) { s->fd = pipe_end.get(); }), EINVAL);
  os::UniqueFd open_ended(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK(ftruncate(open_ended.get(), static_cast<off_t>(f.region->bar_size())) == 0);
  CHECK_EQ(err([&](RegionState* s) { s->fd = open_ended.get(); }), EINVAL);
  os::UniqueFd shorter(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK(ftruncate(shorter.get(), 4096) == 0);
  CHECK(fcntl(shorter.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  CHECK_EQ(err([&](RegionState* s) { s->fd = shorter.get(); }), EINVAL);
  CHECK_EQ(AdoptRegion(good, &region, {{20, 1024}, {64, 36864}, {8191, 2048}}).err, EINVAL);
  CHECK_EQ(AdoptRegion(good, &region, {{0, 1024}, {64, 36864}, {8192, 2048}}).err, EINVAL);
  CHECK_EQ(err([](RegionState*) {}), 0);
}

void CountersGoOn() {
  auto stats = MakeStats();
  RingCounters* counters = stats->Alloc();
  counters->packets = 7;
  const uint32_t block = stats->IndexOf(counters);
  std::shared_ptr<StatsArea> taken, other;
  CHECK_EQ(StatsArea::Adopt(1023, stats->fd(), &other).err, EINVAL);
  os::UniqueFd open_ended(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  CHECK(ftruncate(open_ended.get(), static_cast<off_t>(stats->size())) == 0);
  CHECK_EQ(StatsArea::Adopt(1024, open_ended.get(), &other).err, EINVAL);
  CHECK_EQ(StatsArea::Adopt(1024, -1, &other).err, EBADF);
  CHECK(other == nullptr);
  CHECK_OK(StatsArea::Adopt(1024, stats->fd(), &taken));
  CHECK_EQ(taken->available(), 1024u);
  RingCounters* again = taken->Take(block);
  CHECK(again != nullptr);
  CHECK_EQ(again->packets, 7u);
  CHECK_EQ(taken->available(), 1023u);
  CHECK(taken->Take(block) == nullptr);
  CHECK(taken->Take(1024) == nullptr);
  CHECK(taken->Take(UINT32_MAX) == nullptr);
}

void APortThatIsNotSoIsRefused() {
  PipeFixture f;
  const PortPlaces first = f.pair->master().Places(), second = f.pair->slave().Places();
  bool both = true;
  auto err = [&](auto change) {
    std::shared_ptr<Region> region;
    std::shared_ptr<StatsArea> stats;
    CHECK_OK(AdoptRegion(f.region->State(), &region));
    CHECK_OK(StatsArea::Adopt(1024, f.stats->fd(), &stats));
    auto places = std::make_shared<PortPlaces>(first), other = std::make_shared<PortPlaces>(second);
    change(places.get(), other.get());
    PortShape shape{"p{1", 1, 1, 64, 64, 0};
    shape.places = places;
    shape.other_places = both ? other : nullptr;
    const std::vector<uint8_t> before = Copy(*f.region);
    std::shared_ptr<PipePair> pair;
    const int error = PipePair::Create(region, stats, shape, "p}1", &pair).err;
    CHECK((error == 0) == (pair != nullptr));
    CHECK(Copy(*f.region) == before);
    return error;
  };
  using P = PortPlaces*;
  CHECK_EQ(err([](P, P) {}), 0);
  CHECK_EQ(err([](P a, P) { a->rings.pop_back(); }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings.push_back(a->rings[0]); }), EINVAL);
  CHECK_EQ(err([](P, P b) { b->rings.clear(); }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->holder = 0; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->holder = UINT32_MAX; }), EINVAL);
  CHECK_EQ(err([](P a, P b) { a->holder = b->holder; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->nifp_ofs += 8; }), EINVAL);
  CHECK_EQ(err([](P a, P b) { a->nifp_ofs = b->nifp_ofs; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->nifp_ofs = UINT64_MAX; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->nifp_ofs = a->rings[0].offset; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[0].offset++; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[0].offset = UINT64_MAX - 7; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[0].offset = 0; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[1].offset = a->rings[0].offset; }), EINVAL);
  CHECK_EQ(err([](P a, P b) { a->rings[0].offset = b->rings[0].offset; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[0].hwcur = 64; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[1].hwtail = UINT32_MAX; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[1].counters = a->rings[0].counters; }), EINVAL);
  CHECK_EQ(err([](P a, P b) { b->rings[0].counters = a->rings[0].counters; }), EINVAL);
  CHECK_EQ(err([](P a, P) { a->rings[0].counters = 1024; }), EINVAL);
  both = false;
  CHECK_EQ(err([](P, P) {}), EINVAL);
}

void Main() {
  const size_t before = OpenFds();
  ItsLimitsAreThere();
  ARegionIsTheSame();
  APortIsAdvanced();
  OffsetsStay();
  ARegionThatIsNotSoIsRefused();
  CountersGoOn();
  APortThatIsNotSoIsRefused();
  CHECK_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ptnet::test

int main() { ptnet::test::Main(); }
