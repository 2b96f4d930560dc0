// Observers: a new list is published, the old one is freed when every worker has finished the round that it was in.
#include "forward/observe.h"

#include <memory>

namespace ptnet {
namespace {

void Replace(Engine& engine, Port& port, uint32_t ring, std::unique_ptr<ObserverList> list) {
  Kring& k = port.kring(ring);
  const std::unique_ptr<const ObserverList> old(k.observers.load(std::memory_order_relaxed));
  auto publish = [&] {
    // The lock is for an rx ring of a switch, which any worker may be filling.
    SpinGuard guard(k.lock);
    if (old == nullptr) k.observed = k.ObservedUpTo();
    k.observers.store(list.release(), std::memory_order_release);
  };
  Flow* flow = port.flow(ring);
  flow != nullptr ? engine.WithFlow(flow, publish) : publish();
  engine.Synchronize();
}

}  // namespace

void AddObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer) {
  const ObserverList* old = port.kring(ring).observers.load(std::memory_order_relaxed);
  auto list = old != nullptr ? std::make_unique<ObserverList>(*old) : std::make_unique<ObserverList>();
  list->observers.push_back(observer);
  Replace(engine, port, ring, std::move(list));
}

void RemoveObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer) {
  const ObserverList* old = port.kring(ring).observers.load(std::memory_order_relaxed);
  if (old == nullptr) return;
  auto list = std::make_unique<ObserverList>(*old);
  std::erase(list->observers, observer);
  if (list->observers.empty()) list = nullptr;
  Replace(engine, port, ring, std::move(list));
}

}  // namespace ptnet
