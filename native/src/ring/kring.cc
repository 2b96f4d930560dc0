// Kring: what is off the fast path, the observers.
#include "ring/kring.h"

#include <utility>

#include "ring/observer.h"

namespace ptnet {

void Kring::ShowTo(const ObserverList& list) noexcept {
  const uint32_t from = observed, slots = Distance(from, ObservedUpTo());
  if (slots == 0) return;
  observed = ObservedUpTo();
  // A packet takes a slot at least, and is counted before it is shown.
  alone = counters->packets - std::exchange(observed_packets, counters->packets) == slots;
  for (RingObserver* observer : list.observers) observer->OnBatch(*this, from, slots);
  if (dir == Dir::kTx) TellTakers(list, from, slots);
}

bool Kring::TellTakers(const ObserverList& list, uint32_t from, uint32_t slots) noexcept {
  const auto [received, sent] = list.takers;
  if (received == nullptr && sent == nullptr) return false;
  // In the order in which they lie there, when each of the two is somebody's.
  for (uint32_t i = from; slots > 0;) {
    uint32_t run = slots;
    SlotTaker* taker = received != nullptr ? received : sent;
    if (received != nullptr && sent != nullptr) {
      const auto is_sent = [this](uint32_t slot) { return (ReadSlot(this->slots[slot]).flags & NS_TXMON) != 0; };
      taker = is_sent(i) ? sent : received;
      for (run = 1; run < slots && is_sent(Advance(i, run)) == (taker == sent);) run++;
    }
    taker->OnDone(*this, i, run);
    i = Advance(i, run);
    slots -= run;
  }
  return true;
}

}  // namespace ptnet
