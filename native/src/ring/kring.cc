// Kring: what is off the fast path, the observers.
#include "ring/kring.h"

#include "ring/observer.h"

namespace ptnet {

void Kring::ShowTo(const ObserverList& list) noexcept {
  const uint32_t from = observed, slots = Distance(from, ObservedUpTo());
  if (slots == 0) return;
  observed = ObservedUpTo();
  for (RingObserver* observer : list.observers) observer->OnBatch(*this, from, slots);
}

}  // namespace ptnet
