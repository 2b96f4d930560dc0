// Observers: a new list is published, the old one is freed when every worker has finished the round that it was in.
#include "forward/observe.h"

#include <algorithm>
#include <memory>

namespace ptnet {
namespace {

std::unique_ptr<ObserverList> Copy(Port& port, uint32_t ring) {
  const ObserverList* now = port.kring(ring).observers.load(std::memory_order_relaxed);
  return now != nullptr ? std::make_unique<ObserverList>(*now) : std::make_unique<ObserverList>();
}

void Replace(Engine& engine, Port& port, uint32_t ring, std::unique_ptr<ObserverList> list) {
  if (list->observers.empty() && std::ranges::all_of(list->takers, [](auto* taker) { return taker == nullptr; }))
    list = nullptr;
  Kring& k = port.kring(ring);
  const std::unique_ptr<const ObserverList> old(k.observers.load(std::memory_order_relaxed));
  auto publish = [&] {
    // The lock is for an rx ring of a switch, which any worker may be filling.
    SpinGuard guard(k.lock);
    if (old == nullptr) k.observed = k.ObservedUpTo(), k.observed_packets = k.counters->packets;
    k.observers.store(list.release(), std::memory_order_release);
  };
  Flow* flow = port.flow(ring);
  flow != nullptr ? engine.WithFlow(flow, publish) : publish();
  engine.Synchronize();
}

std::atomic<const MemberObservers*>& ListOf(InterfaceMember& member, bool sent) {
  return sent ? member.sent_to : member.received_by;
}

void Replace(Engine& engine, std::atomic<const MemberObservers*>& at, std::unique_ptr<MemberObservers> list) {
  const std::unique_ptr<const MemberObservers> old(at.exchange(list.release(), std::memory_order_acq_rel));
  engine.Synchronize();
}

}  // namespace

void AddObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer) {
  auto list = Copy(port, ring);
  list->observers.push_back(observer);
  Replace(engine, port, ring, std::move(list));
}

void RemoveObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer) {
  auto list = Copy(port, ring);
  std::erase(list->observers, observer);
  Replace(engine, port, ring, std::move(list));
}

void SetTaker(Engine& engine, Port& port, uint32_t ring, bool sent, SlotTaker* taker) {
  auto list = Copy(port, ring);
  list->takers[sent] = taker;
  Replace(engine, port, ring, std::move(list));
}

SlotTaker* TakerOf(Port& port, uint32_t ring, bool sent) {
  const ObserverList* list = port.kring(ring).observers.load(std::memory_order_relaxed);
  return list != nullptr ? list->takers[sent] : nullptr;
}

void AddObserver(Engine& engine, InterfaceMember& member, bool sent, MemberObserver* observer) {
  std::atomic<const MemberObservers*>& at = ListOf(member, sent);
  const MemberObservers* old = at.load(std::memory_order_relaxed);
  auto list = old != nullptr ? std::make_unique<MemberObservers>(*old) : std::make_unique<MemberObservers>();
  list->observers.push_back(observer);
  Replace(engine, at, std::move(list));
}

void RemoveObserver(Engine& engine, InterfaceMember& member, bool sent, MemberObserver* observer) {
  std::atomic<const MemberObservers*>& at = ListOf(member, sent);
  const MemberObservers* old = at.load(std::memory_order_relaxed);
  if (old == nullptr) return;
  auto list = std::make_unique<MemberObservers>(*old);
  std::erase(list->observers, observer);
  if (list->observers.empty()) list = nullptr;
  Replace(engine, at, std::move(list));
}

}  // namespace ptnet
