// Pipes: who is told, and who is asked to tell: interrupts only when asked for, kicks only from who has slots.
#include "pipe_fixture.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

using Fixture = PipeFixture;

/// The sender may be told of room by an interrupt, the receiver of packets; neither without having asked.
void InterruptsOnlyWhenAskedFor() {
  Fixture f;
  f.a.EnableInterrupts();
  f.b.EnableInterrupts();
  auto fired = [](GuestRing& ring) {
    uint64_t count = 0;
    return read(ring.irq, &count, sizeof count) > 0 && count > 0;
  };
  f.Put(0);
  f.Send();
  CHECK(!fired(f.b.rx()));
  f.b.rx().AskForInterrupt(true);
  f.Sync();
  CHECK(!fired(f.b.rx()));  // nothing moved
  f.Put(1);
  f.Send();
  CHECK(fired(f.b.rx()) && !fired(f.a.tx()));
  f.a.tx().AskForInterrupt(true);
  f.Expect(0);
  f.Release();
  CHECK(fired(f.a.tx()) && !fired(f.b.rx()));
  CHECK_EQ(f.rx().interrupts, 1u);
  CHECK_EQ(f.tx().interrupts, 1u);
}

/// A sender whose ring is full has nothing to announce, and a receiver whose ring is empty nothing to give back; both
/// may look again and again, and kick each time when they are asked to.
void WhoHasNoSlotsIsNotAskedForKicks() {
  Fixture f;
  auto wants = [&] { return (f.a.tx().HostWantsKick() ? 10 : 0) + (f.b.rx().HostWantsKick() ? 1 : 0); };
  f.Sync();
  CHECK_EQ(wants(), 10u);
  for (uint64_t seq = 0; seq < 63; seq++) {
    CHECK(seq == 0 || wants() == 11u);
    f.Put(seq);
    f.Send();
  }
  CHECK_EQ(f.a.tx().Mine(), 0u);
  CHECK_EQ(wants(), 1u);
  for (uint64_t seq = 0; seq < 63; seq++) {
    f.Expect(seq);
    f.Release();
    CHECK_EQ(wants(), seq < 62 ? 11u : 10u);
  }
  // A sender who has stopped for a bad index is waited for, whatever the room.
  for (uint64_t seq = 0; seq < 63; seq++) f.Put(seq);
  f.Send();
  f.a.tx().WriteHead(UINT32_MAX);
  f.Sync();
  CHECK_EQ(wants(), 11u);
}

}  // namespace

int main() {
  InterruptsOnlyWhenAskedFor();
  WhoHasNoSlotsIsNotAskedForKicks();
}
