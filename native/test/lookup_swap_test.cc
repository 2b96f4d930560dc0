// A lookup function is replaced while packets pass: none is lost, all arrive as they were sent, and who was replaced is
// gone.
#include <thread>

#include "forward/lookup.h"
#include "plugin_files.h"
#include "plugins/recorder.h"
#include "traffic.h"
#include "vale_net.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

/// Two guests that ask and answer, with no more on its way than their rings hold: what is not dropped by a function
/// arrives.
void NothingIsLost(Random& random, uint32_t workers, uint64_t packets) {
  auto engine = MakeEngine(workers);
  auto sw = std::make_shared<ValeSwitch>("vale0", engine);
  // Names of ports are those of ValeRig: both are on the switch by one.
  ValeRig a(engine, sw, 64, AnyService(random, *engine)), b(engine, sw, 64, AnyService(random, *engine));
  std::atomic<int> running{2};
  std::thread answerer([&, r = random.Split()]() mutable {
    Answer(b.guest, packets, r, {1, 1, 2});
    running--;
  });
  std::thread asker([&, r = random.Split()]() mutable {
    Ask(a.guest, packets, r, {0, 2, 1});
    running--;
  });
  record r{};
  uint64_t swaps = 0;
  for (; running > 0; swaps++) {
    char options[64];
    const uint32_t verdict = random.OneIn(2) ? PTNET_LOOKUP_LEARNED : PTNET_LOOKUP_FLOOD;
    snprintf(options, sizeof options, "%p %u", static_cast<void*>(&r), verdict);
    switch (random.Below(5)) {
      case 0:
        sw->SetLookup(nullptr);
        break;
      case 1:
        sw->SetLookup(std::make_unique<HubLookup>());
        break;
      case 2:
        sw->SetLookup(std::make_unique<StaticLookup>(std::vector<StaticLookup::Station>{}, PTNET_LOOKUP_FLOOD));
        break;
      case 3:
        sw->SetLookup(std::make_unique<IsolatedLookup>(std::vector<std::string>{"vale0:t"},
                                                       std::vector<std::vector<std::string>>{}));
        break;
      default:
        sw->SetLookup(LoadPlugin("recorder", options));
    }
    MaybeNap(random);
  }
  answerer.join();
  asker.join();
  sw->SetLookup(nullptr);
  CHECK(swaps > 0 && r.created == r.destroyed);
  CHECK_EQ(a.tx().packets, packets);
  CHECK_EQ(b.tx().packets, packets);
  for (ValeRig* rig : {&a, &b})
    for (RingCounters* counters : {&rig->tx(), &rig->rx()})
      for (uint64_t drops : counters->drops) CHECK_EQ(drops, 0u);
}

}  // namespace

int main() {
  Random random("lookup_swap_test");
#ifdef __SANITIZE_THREAD__
  constexpr uint64_t kPackets = 20'000;
#else
  constexpr uint64_t kPackets = 100'000;
#endif
  for (uint32_t workers : {1u, 2u}) NothingIsLost(random, workers, kPackets);
}
