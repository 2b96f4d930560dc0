// A guest that mends its indices just while the host finds them wrong: between the host's two looks it has not been
// asked for a kick yet, and so does not give one. A ring that was mended then is not blocked.
#include <thread>

#include "forward/null_port.h"
#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

int main() {
  auto engine = MakeEngine();
  std::shared_ptr<NullPort> port;
  CHECK_OK(NullPort::Create(MakeRegion(), MakeStats(), {"null:t", 1, 1, 16, 16, 0}, &port));
  Guest guest;
  guest.Attach(engine, *port);
  Kring& k = port->tx(0);
  k.DisableKicks();
  guest.tx().WriteHead(1);
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    GuestRing tx = guest.tx();
    while (!stop.load(std::memory_order_relaxed)) {
      tx.WriteHead(UINT32_MAX);
      tx.WriteHead(1);
    }
  });
  int mended = 0;
  for (int look = 0; look < 5'000'000 && mended < 100; look++) {
    const uint64_t before = k.counters->bad_index;
    uint32_t head = k.hwcur;
    const bool fine = k.LoadHead(&head);
    CHECK_EQ(head, fine ? 1u : 0u);
    CHECK_EQ(k.blocked, !fine);
    CHECK_EQ(fine || k.counters->bad_index == before + 1, true);
    if (fine && k.counters->bad_index != before) {
      mended++;
      // Asked for meanwhile, and left so: the flow may be about to park.
      CHECK_EQ(LoadRelaxed(k.ktoa->kern_need_kick), 1u);
      k.DisableKicks();
    }
    k.Unblock();
    CHECK_EQ(LoadRelaxed(k.ktoa->kern_need_kick), 0u);
  }
  stop.store(true);
  scribbler.join();
  std::printf("mended_index: mended between two looks %d times\n", mended);
}
