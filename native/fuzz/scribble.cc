// Serves every kind of port while another thread, the guests, writes into their CSBs and slots all the time. For so
// many seconds.
#include <thread>

#include "datapath/clock.h"
#include "hostile.h"

int main(int argc, char** argv) {
  const uint64_t seconds = argc > 1 ? strtoull(argv[1], nullptr, 10) : 10;
  ptnet::fuzz::Hostile hostile;
  ptnet::test::Random random("scribble");
  std::atomic<bool> over{false};
  std::thread guests([&, writes = random.Split()]() mutable {
    while (!over.load(std::memory_order_relaxed)) {
      const uint32_t ring = writes.Below(hostile.rings());
      const uint64_t value = uint64_t{writes.Below(UINT32_MAX)} << 32 | writes.Below(UINT32_MAX);
      // Mostly what is nearly right: what is plainly wrong is refused at once.
      if (writes.OneIn(8))
        hostile.Write(ring, writes.Below(256), value);
      else if (writes.OneIn(2))
        hostile.WriteGood(ring, writes.Below(256), value);
      else
        hostile.Write(ring, writes.Below(2), value % ptnet::fuzz::Hostile::kSlots);
    }
  });
  for (const uint64_t start = ptnet::NowNs(); ptnet::NowNs() - start < seconds * 1'000'000'000;)
    for (int i = 0; i < 4096; i++) hostile.Serve(random.Below(hostile.rings()));
  over = true;
  guests.join();
  printf("scribble: %llu servings without a finding\n", static_cast<unsigned long long>(hostile.served));
}
