// Attachments that are not served for a while, and go on: here, or as another process would go on with them.
#include <errno.h>

#include "eventually.h"
#include "open_fds.h"
#include "pipe_fixture.h"
#include "vale_net.h"

namespace ptnet::test {
namespace {

uint64_t Load(uint64_t& counter) { return std::atomic_ref<uint64_t>(counter).load(std::memory_order_relaxed); }

constexpr AttachOptions kByWorker{.policy = Policy::kNotify};

struct Suspended : PipeFixture {
  Suspended() {
    a.Detach();
    b.Detach();
    a.Attach(engine, pair->master(), kByWorker);
    b.Attach(engine, pair->slave(), kByWorker);
    a.EnableInterrupts();
    b.EnableInterrupts();
  }
  void Suspend() {
    a.attachment->Suspend();
    b.attachment->Suspend();
  }
  void Resume() {
    a.attachment->Resume();
    b.attachment->Resume();
  }
  void Exchange(uint64_t first, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
      Put(first + i);
      a.tx().Publish();
      b.rx().Await();
      Expect(first + i);
      b.rx().Publish();
    }
  }
};

void NothingIsServedMeanwhile() {
  Suspended f;
  f.Exchange(0, 200);
  f.Suspend();
  f.Suspend();
  for (uint64_t seq = 200; seq < 230; seq++) f.Put(seq);
  f.a.tx().Publish();
  const uint64_t syncs = Load(f.tx().syncs);
  usleep(20'000);
  CHECK_EQ(f.b.rx().Mine(), 0u);
  CHECK_EQ(Load(f.tx().syncs), syncs);
  f.Resume();
  f.Resume();
  // Nobody rings: what was rung is looked at by itself, and who sleeps is woken.
  for (uint64_t seq = 200; seq < 230; seq++) {
    f.b.rx().Await();
    f.Expect(seq);
    f.b.rx().Publish();
  }
  f.Exchange(230, 200);
}

void WhoSleepsIsWoken() {
  Suspended f;
  f.Suspend();
  f.Resume();
  for (Guest* guest : {&f.a, &f.b})
    for (const GuestRing& ring : guest->rings) {
      pollfd entry{ring.irq, POLLIN, 0};
      // Not at once where the guest has not asked for it.
      (void)poll(&entry, 1, 0);
    }
  f.Exchange(0, 50);
}

/// As the one before has left it that was killed between a ring's record and what shows it.
void WhatWasRecordedIsShown() {
  Suspended f;
  f.Exchange(0, 30);
  f.Suspend();
  const Kring &tx = f.pair->master().tx(0), &rx = f.pair->slave().rx(0);
  // hwcur and hwtail, as each guest is shown them.
  f.a.csb_word(true, f.a.tx().index, 0) = f.a.csb_word(true, f.a.tx().index, 1) = 0;
  f.b.csb_word(true, f.b.rx().index, 0) = f.b.csb_word(true, f.b.rx().index, 1) = 0;
  PlaceRecord{1, 2}.Store(*tx.counters);
  f.Resume();
  CHECK_EQ(f.a.csb_word(true, f.a.tx().index, 0), 30u);
  CHECK_EQ(f.b.csb_word(true, f.b.rx().index, 1), 30u);
  // What it was dealing with is not counted as lost once more.
  CHECK_EQ(PlaceRecord::Of(*tx.counters).first, 30u);
  CHECK_EQ(PlaceRecord::Of(*tx.counters).second, 30u);
  CHECK_EQ(PlaceRecord::Of(*rx.counters).second, 30u);
  f.Exchange(30, 100);
}

void ItMayEndMeanwhile() {
  Suspended f;
  f.Exchange(0, 10);
  f.Suspend();
  f.Put(10);
  f.a.tx().Publish();
  f.a.Detach();
  f.b.attachment->Resume();
  f.b.Detach();
  // And begin anew.
  f.a.Attach(f.engine, f.pair->master(), kByWorker);
  f.b.Attach(f.engine, f.pair->slave(), kByWorker);
  f.a.EnableInterrupts();
  f.b.EnableInterrupts();
  // What was published before it ended has been taken, as at every end.
  f.b.rx().Await();
  f.Expect(10);
  f.b.rx().Publish();
  f.Exchange(20, 100);
}

void ItsWorkerMayBeAnotherOne() {
  Suspended f;
  f.Exchange(0, 10);
  f.Suspend();
  CHECK_EQ(f.a.attachment->SetPolicy({.policy = Policy::kInline}).err, EINVAL);
  CHECK_EQ(f.a.attachment->SetPolicy({.policy = Policy::kPoll, .worker = 1}).err, EINVAL);
  for (Guest* guest : {&f.a, &f.b}) CHECK_OK(guest->attachment->SetPolicy({.policy = Policy::kPoll}));
  f.Resume();
  f.Exchange(10, 100);
}

/// What a guest writes into its CSB meanwhile is looked at as always.
void NonsenseIsOne() {
  Suspended f;
  f.Exchange(0, 10);
  f.Suspend();
  f.a.tx().WriteHead(64);
  f.a.tx().WriteCur(UINT32_MAX);
  f.b.rx().WriteHead(UINT32_MAX);
  f.Resume();
  Eventually("bad indices", [&] { return Load(f.tx().bad_index) != 0 && Load(f.rx().bad_index) != 0; });
  f.a.tx().Show();
  f.b.rx().Show();
}

/// The same rings, CSB and counters by mappings, an engine and attachments of their own.
void AnotherProcessGoesOn() {
  Suspended f;
  f.Exchange(0, 100);
  f.Suspend();
  for (uint64_t seq = 100; seq < 140; seq++) f.Put(seq);
  f.a.tx().Publish();
  std::shared_ptr<Region> region;
  std::shared_ptr<StatsArea> stats;
  CHECK_OK(Region::Adopt(1, {{20, 1024}, {64, 36864}, {8192, 2048}}, {}, f.region->State(), &region));
  CHECK_OK(StatsArea::Adopt(1024, f.stats->fd(), &stats));
  PortShape shape{"p{1", 1, 1, 64, 64, 0};
  shape.places = std::make_shared<PortPlaces>(f.pair->master().Places());
  shape.other_places = std::make_shared<PortPlaces>(f.pair->slave().Places());
  std::shared_ptr<PipePair> pair;
  CHECK_OK(PipePair::Create(region, stats, shape, "p}1", &pair));
  auto engine = MakeEngine();
  std::vector<std::shared_ptr<Attachment>> attachments;
  AttachOptions options = kByWorker;
  options.resumes = true;
  std::shared_ptr<Attachment> refused;
  options.policy = Policy::kInline;
  CHECK_EQ(Attachment::Create(engine, &pair->master(), {f.a.fd(), 0}, {f.a.fd(), 4096}, options, &refused).err, EINVAL);
  options.policy = Policy::kNotify;
  for (auto [guest, port] : {std::pair{&f.a, &pair->master()}, {&f.b, &pair->slave()}}) {
    CHECK_OK(
        Attachment::Create(engine, port, {guest->fd(), 0}, {guest->fd(), 4096}, options, &attachments.emplace_back()));
    CHECK_OK(attachments.back()->SetInterrupts(0, guest->irqs()));
  }
  usleep(20'000);
  CHECK_EQ(f.b.rx().Mine(), 0u);
  for (auto& attachment : attachments) attachment->Resume();
  for (Guest* guest : {&f.a, &f.b})
    for (GuestRing& ring : guest->rings) ring.attachment = attachments[guest == &f.a ? 0 : 1].get();
  for (uint64_t seq = 100; seq < 140; seq++) {
    f.b.rx().Await();
    f.Expect(seq);
    f.b.rx().Publish();
  }
  f.Exchange(140, 100);
  CHECK_EQ(Load(f.tx().packets), 240u);
  // The first one leaves everything as it is: its process would end now, at once.
  for (auto& attachment : attachments) attachment->Detach();
}

/// In the middle of batches for two receivers, one of which has no room: what the others got, and what was dropped, is
/// counted once and comes once.
void BatchesEndBeforeIt() {
  Net net(2'000'000);
  Station &from = net.Add({"", 1, 1, 64, 64, 0}, 2048, false), &to = net.Add({"", 1, 1, 64, 64, 0}, 2048, false),
          &full = net.Add({"", 1, 1, 64, 64, 0}, 2048, false);
  for (Station* station : {&from, &to, &full}) station->guest.Attach(net.engine, *station->port, kByWorker);
  uint64_t sent = 0, taken = 0;
  for (int round = 0; round < 200; round++) {
    for (int i = 0; i < 10 && from.guest.tx().Mine() > 0; i++, sent++)
      CHECK(from.guest.tx().Put(std::vector<uint8_t>(60, 0xff)));
    from.guest.tx().Publish();
    usleep(round % 7 * 100);
    from.guest.attachment->Suspend();
    CHECK_EQ(Load(to.rx().packets) + to.rx_drops(Drop::kFull), Load(full.rx().packets) + full.rx_drops(Drop::kFull));
    for (; !to.guest.rx().Take().empty(); taken++) {
    }
    to.guest.rx().Publish();
    from.guest.attachment->Resume();
  }
  Eventually("all of it", [&] { return from.guest.tx().Drained(); });
  for (; !to.guest.rx().Take().empty(); taken++) {
  }
  CHECK_EQ(Load(from.tx().packets), sent);
  CHECK_EQ(Load(to.rx().packets), taken);
  CHECK_EQ(taken + to.rx_drops(Drop::kFull), sent);
  CHECK_EQ(Load(full.rx().packets) + full.rx_drops(Drop::kFull), sent);
}

void Main() {
  const size_t before = OpenFds();
  NothingIsServedMeanwhile();
  WhoSleepsIsWoken();
  WhatWasRecordedIsShown();
  ItMayEndMeanwhile();
  ItsWorkerMayBeAnotherOne();
  NonsenseIsOne();
  AnotherProcessGoesOn();
  BatchesEndBeforeIt();
  CHECK_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ptnet::test

int main() { ptnet::test::Main(); }
