// Null and echo ports whose process is killed behind any instruction: no number of a source comes twice, nothing that a
// sink has got is counted twice, and nothing comes back twice.
#include "forward/echo.h"
#include "forward/null_port.h"
#include "guest.h"
#include "killed.h"

namespace ptnet::test {
namespace {

constexpr RegionShape kShape{{4, 1024}, {8, 1024}, {64, 128}};
constexpr uint32_t kSlots = 16, kLen = 60;

/// One port of its own memory, whose guest is the test.
template <class Kind>
struct Killed {
  std::shared_ptr<Engine> engine = MakeEngine();
  std::shared_ptr<Region> region;
  std::shared_ptr<StatsArea> stats;
  std::shared_ptr<Kind> port, first;
  Guest guest;
  Shared shared;

  Killed() {
    CHECK_OK(Region::Create(1, kShape, {}, &region));
    CHECK_OK(StatsArea::Create(2, &stats));
    CHECK_OK(Kind::Create(region, stats, {"port", 1, 1, kSlots, kSlots, 0}, &port));
    first = port;
    guest.Attach(engine, *port);
    shared.Add(region->base(), region->memsize());
    shared.Add(stats->base(), stats->size());
    shared.Add(&guest.csb_word(false, 0, 0), Guest::kSize);
  }
  RingCounters& tx() { return *first->tx(0).counters; }
  RingCounters& rx() { return *first->rx(0).counters; }
  void Serve() { PollUntilQuiet({port->flow(0)}); }
  /// A process that has nothing of the one before but what lies in shared memory.
  void Follow() {
    std::shared_ptr<Region> same;
    std::shared_ptr<StatsArea> counters;
    CHECK_OK(Region::Adopt(1, kShape, {}, region->State(), &same));
    CHECK_OK(StatsArea::Adopt(2, stats->fd(), &counters));
    PortShape shape{"port", 1, 1, kSlots, kSlots, 0};
    shape.places = RecordedPlaces(*first);
    CHECK_OK(Kind::Create(same, counters, shape, &port));
    ServeClientsOf(*first, *port);
  }
};

/// Packets of a source, from number `next` on; which comes next.
uint64_t TakeNumbers(GuestRing& rx, Payload payload, uint64_t next) {
  for (auto packet = rx.Take(); !packet.empty(); packet = rx.Take()) {
    const uint64_t seq = SeqOf(packet);
    CHECK(seq >= next && seq < next + kSlots);
    const auto made = Probe(seq, kLen, 0, 0xff, 0);
    CHECK_EQ(packet.size(), kLen);
    CHECK(memcmp(packet.data(), made.data(), payload == Payload::kFull ? kLen : probe::kHeaderLen) == 0);
    next = seq + 1;
  }
  return next;
}

void NoNumberTwice(uint32_t before, Payload payload, uint32_t polls) {
  Killed<NullPort> f;
  const SourceConfig config{.packets = SourceConfig::kUnlimited, .size = kLen, .payload = payload};
  f.port->source(0).Configure(config);
  CHECK_EQ(f.rx().sent, 0u);
  GuestRing rx = f.guest.rx();
  Budget budget = kSyncBudget;
  budget.slots = 4;
  Flow& dead = *f.port->flow(1);
  uint64_t next = 0;
  for (uint32_t i = 0; i < before; i++) {
    dead.Poll(budget);
    next = TakeNumbers(rx, payload, next);
    rx.Show();
  }
  const auto check = [&] {
    for (const bool acts : {false, true}) {
      f.shared.Restore();
      GuestRing now = rx;
      uint64_t seen = next;
      if (acts) seen = TakeNumbers(now, payload, seen);
      if (acts) now.Show();
      const uint64_t sent = f.rx().sent;
      CHECK(f.rx().packets <= sent);
      f.Follow();
      NullPort& port = *f.port;
      port.source(0).Configure(config);
      // It is another process's until here.
      CHECK_EQ(f.rx().sent, sent);
      port.source(0).GoOn(sent);
      for (uint32_t i = 0; i < 12; i++) {
        port.flow(1)->Poll(budget);
        seen = TakeNumbers(now, payload, seen);
        now.Show();
      }
      CHECK(seen - next >= 12);
      CHECK_EQ(f.rx().sent, seen);
      CHECK(f.rx().packets <= seen);
    }
  };
  const auto turn = [&] {
    for (uint32_t i = 0; i < polls; i++) dead.Poll(budget);
  };
  const uint32_t states = AtEachInstant(f.shared, turn, check);
  printf("source, %u turns before: %u states\n", before, states);
  CHECK(states > 8);
  // Who configures it anew begins anew, and so does who goes on when that one is killed.
  f.port->source(0).Configure(config);
  CHECK_EQ(f.rx().sent, 0u);
}

/// Some with a slot that shows no buffer: those are dropped, and counted as such.
uint32_t PutSome(GuestRing& tx, uint32_t most) {
  uint32_t n = 0;
  for (; n < most && tx.Put(Probe(n, kLen)); n++)
    if (n % 4 == 3) tx.LastPut().flags = guest::NS_INDIRECT;
  tx.Show();
  return n;
}

void NothingCountedTwice(Payload verify) {
  Killed<NullPort> f;
  f.port->sink(0).set_verify(verify);
  GuestRing tx = f.guest.tx();
  uint32_t sent = PutSome(tx, 11);
  f.Serve();
  sent += PutSome(tx, 9);
  const auto counted = [&] { return f.tx().packets + f.tx().drops[static_cast<int>(Drop::kBadFlags)]; };
  const uint64_t before = counted();
  CHECK_EQ(before, 11u);
  Flow& dead = *f.port->flow(0);
  const auto check = [&] {
    GuestRing now = tx;
    f.Follow();
    f.Serve();
    CHECK(counted() >= before && counted() <= sent);
    CHECK_EQ(now.Mine(), kSlots - 1);
    const uint64_t late = counted();
    const uint32_t more = PutSome(now, 13);
    f.Serve();
    CHECK_EQ(counted(), late + more);
  };
  const uint32_t states = AtEachInstant(
      f.shared, [&] { dead.Poll(kSyncBudget); }, check);
  CHECK_EQ(counted(), sent);
  printf("sink: %u states\n", states);
  CHECK(states > 4);
}

void NothingComesBackTwice(uint32_t before, uint32_t unread) {
  Killed<EchoPort> f;
  GuestRing tx = f.guest.tx(), rx = f.guest.rx();
  // What was sent from `*next` on, in its order; how many.
  const auto take = [](GuestRing& ring, uint64_t* next) {
    uint32_t packets = 0;
    for (auto packet = ring.Take(); !packet.empty(); packet = ring.Take(), packets++) {
      const uint64_t seq = SeqOf(packet);
      CHECK(seq >= *next);
      *next = seq + 1;
      auto sent = Probe(seq, kLen);
      std::swap_ranges(sent.begin(), sent.begin() + 6, sent.begin() + 6);
      CHECK(packet == sent);
    }
    return packets;
  };
  const auto put = [](GuestRing& ring, uint64_t* seq, uint32_t most) {
    for (; most > 0 && ring.Put(Probe(*seq, kLen)); most--) ++*seq;
    ring.Show();
  };
  uint64_t seq = 0, next = 0;
  for (uint32_t i = 0; i < before; i++) {
    put(tx, &seq, 1);
    f.Serve();
    take(rx, &next);
    if (i + unread < before) rx.Show();
  }
  const uint64_t first = next;
  put(tx, &seq, 9);
  Flow& dead = *f.port->flow(0);
  const auto check = [&] {
    for (const bool acts : {false, true}) {
      f.shared.Restore();
      GuestRing to = tx, from = rx;
      uint64_t sent = seq, at = first;
      if (acts) take(from, &at);
      const auto [done, taken] = PlaceRecord::Of(f.tx());
      const uint32_t lost_most = to.Distance(done, taken);
      uint32_t got = acts ? static_cast<uint32_t>(at - first) : 0;
      f.Follow();
      for (uint32_t i = 0; i < 4; i++) {
        f.Serve();
        got += take(from, &at);
        from.Show();
      }
      CHECK(got + lost_most >= seq - first);
      CHECK(f.tx().packets <= seq && f.rx().packets <= seq);
      put(to, &sent, 12);
      f.Serve();
      CHECK_EQ(take(from, &at), 12u);
      CHECK_EQ(at, sent);
    }
  };
  const uint32_t states = AtEachInstant(
      f.shared, [&] { dead.Poll(kSyncBudget); }, check);
  printf("echo, %u before, %u of them unread: %u states\n", before, unread, states);
  CHECK(states > 8);
}

void Main() {
  for (const Payload payload : {Payload::kStamp, Payload::kFull})
    for (const uint32_t before : {0, 6}) NoNumberTwice(before, payload, 2);
  for (const Payload verify : {Payload::kNone, Payload::kFull}) NothingCountedTwice(verify);
  NothingComesBackTwice(0, 0);
  NothingComesBackTwice(13, 9);
}

}  // namespace
}  // namespace ptnet::test

int main() { ptnet::test::Main(); }
