// Two threads serve every kind of port, as two workers would, while a third one, the guests, writes into their CSBs and
// slots all the time. For so many seconds.
#include <thread>

#include "datapath/clock.h"
#include "hostile.h"

namespace {

using namespace ptnet;
using namespace ptnet::fuzz;

/// Small random numbers at the cost of a few instructions (xorshift64*).
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed | 1) {}
  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1Du;
  }

 private:
  uint64_t state_;
};

/// Mostly what is right or nearly right: what is plainly wrong is refused at once.
void WriteSomething(Hostile& hostile, uint64_t victim, uint64_t random, uint64_t value) {
  const auto ring = static_cast<uint32_t>(victim % hostile.rings());
  const auto where = static_cast<uint32_t>(random >> 8 & 255);
  switch (random & 15) {
    case 0:
      return hostile.WriteCsb(ring, where & 3, static_cast<uint32_t>(value));
    case 1:
    case 2:
      return hostile.WriteIndex(ring, where, static_cast<int8_t>(value));
    case 3:
      return hostile.WriteAnySlot(ring, where, value);
    case 4:
    case 5:
    case 6:
      return hostile.WriteAnySlot(ring, where, value & 0x003f'01ff'0000'00ff);
    case 7:
    case 8:
    case 9:
    case 10:
      return hostile.Publish(ring, where);
    default:
      return hostile.Send(ring, {static_cast<uint32_t>(value & 31), static_cast<uint16_t>(where * 2),
                                 static_cast<uint16_t>(value & 0x700 ? 0 : value >> 16 & 0x3f),
                                 static_cast<uint8_t>(value >> 24 & 0x87), static_cast<uint8_t>(value >> 32 & 7),
                                 static_cast<uint32_t>(value >> 40 & 3)});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t seconds = argc > 1 ? strtoull(argv[1], nullptr, 10) : 10;
  auto* const hostile = new Hostile;
  test::Random seeds("scribble");
  hostile->SetOffsets(static_cast<uint8_t>(seeds.Below(256)));
  auto number = [&] { return Numbers(uint64_t{seeds.Below(UINT32_MAX)} << 32 | seeds.Below(UINT32_MAX)); };
  std::atomic<bool> over{false};
  Servings servings[2];
  const auto serve = [&](uint32_t half, Numbers numbers) {
    std::vector<uint32_t> rings;
    for (uint32_t ring = 0; ring < hostile->rings(); ring++)
      if (hostile->WorkerOf(ring) == half) rings.push_back(ring);
    Servings mine;
    while (!over.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 64; i++) {
        // Its guests write here too, or most servings would find nothing while their thread waits for a CPU.
        const uint64_t random = numbers.Next();
        const uint32_t ring = rings[(random >> 32) % rings.size()];
        WriteSomething(*hostile, random & 16 ? ring : random >> 40, random, numbers.Next());
        if ((random & 0xfff'0000) == 0) hostile->ToggleAttachment(ring);
        hostile->Serve(ring, random & 7 ? kRoundBudget : kKickBudget, &mine);
      }
    }
    servings[half] = mine;
  };
  std::thread guests([&, numbers = number()]() mutable {
    while (!over.load(std::memory_order_relaxed)) {
      const uint64_t random = numbers.Next();
      WriteSomething(*hostile, random >> 32, random, numbers.Next());
    }
  });
  std::thread workers[] = {std::thread(serve, 0, number()), std::thread(serve, 1, number())};
  const uint64_t start = NowNs();
  while (NowNs() - start < seconds * 1'000'000'000) {
    usleep(1000);
    hostile->PassSecond();
  }
  over = true;
  guests.join();
  for (std::thread& worker : workers) worker.join();
  PrintServings({servings[0].all + servings[1].all, servings[0].moved + servings[1].moved});
  fflush(stdout);
  _exit(0);  // what the ports hold is not taken down: it is in no state to be
}
