// engine: creation of the workers and the movement of flows between them.
#include "datapath/engine.h"

#include <errno.h>

#include <algorithm>

namespace ptnet {

Status Engine::Create(const std::vector<CpuList>& cpus, std::shared_ptr<Engine>* out) {
  std::shared_ptr<Engine> engine(new Engine());
  for (uint32_t i = 0; i < cpus.size(); i++) {
    engine->workers_.push_back(std::make_unique<Worker>());
    if (Status s = engine->workers_.back()->Start(i, cpus[i], &engine->watch_errors_); !s.ok()) return s;
  }
  // Who answers has opened what it needs: no descriptor of a worker's own comes later.
  for (const auto& worker : engine->workers_) worker->Call([] {});
  *out = std::move(engine);
  return Status::Ok();
}

void Engine::Tick(uint64_t now_ns) noexcept {
  for (Ticked* each : ticked_) each->Tick(now_ns);
}

std::shared_ptr<InterruptPeer> Engine::PeerOf(const std::string& port) {
  ForgetPeers();
  KnownPeer& known = peers_[port];
  if (!known.peer) known.peer = std::make_shared<InterruptPeer>(lanes_);
  known.attached = ++attachments_;
  return known.peer;
}

/// Names of ports come and go for as long as a host runs: those that nobody has now are kept only when there is
/// something against them, and of those the last.
void Engine::ForgetPeers() {
  std::erase_if(peers_,
                [](const auto& entry) { return entry.second.peer.use_count() == 1 && !entry.second.peer->suspect(); });
  std::vector<uint64_t> idle;
  for (const auto& [name, known] : peers_)
    if (known.peer.use_count() == 1) idle.push_back(known.attached);
  if (idle.size() <= kSlowPeersKept) return;
  const auto oldest_kept = idle.end() - kSlowPeersKept;
  std::nth_element(idle.begin(), oldest_kept, idle.end());
  std::erase_if(peers_, [least = *oldest_kept](const auto& entry) {
    return entry.second.peer.use_count() == 1 && entry.second.attached < least;
  });
}

void Engine::Synchronize() {
  for (auto& worker : workers_) worker->Call([] {});
}

void Engine::ForgetReleased() {
  // A kick may be on its way from a worker that a flow has left to the one that it went to. After one pass over the
  // workers nobody hands it on any more, after another no worker's list holds it.
  Synchronize();
  Synchronize();
}

void Engine::WithFlow(Flow* flow, const std::function<void()>& fn) {
  Worker* worker = flow->worker_.load(std::memory_order_acquire);
  worker != nullptr ? worker->Call(fn) : fn();
}

void Engine::Acquire(Flow* flow, std::shared_ptr<DeviceActivity> device, Policy policy, uint64_t spin_ns,
                     uint32_t worker) {
  if (flow->users_++ > 0) return;
  flow->device_ = std::move(device);
  if (policy == Policy::kInline) {
    flow->policy_ = policy;
    return;
  }
  Worker& w = *workers_[worker];
  w.Call([&] { w.Add(flow, policy, spin_ns); });
}

void Engine::ReleaseFlow(Flow* flow) {
  if (--flow->users_ > 0) return;
  Worker* worker = flow->worker_.load(std::memory_order_acquire);
  if (worker != nullptr) worker->Call([&] { worker->Remove(flow); });
  flow->device_.reset();
}

void Engine::Move(Flow* flow, Policy policy, uint64_t spin_ns, uint32_t to) {
  Worker* from = flow->worker_.load(std::memory_order_acquire);
  Worker& target = *workers_[to];
  if (from == &target) return target.Call([&] { target.Configure(flow, policy, spin_ns); });
  from->Call([&] { from->Remove(flow); });
  target.Call([&] { target.Add(flow, policy, spin_ns); });
}

void Engine::WatchHere(Flow* flow, WatchSet* set, bool add) {
  for (const auto& watch : flow->watches_) add ? void(set->Add(watch.get())) : set->Remove(watch.get());
}

void Engine::WatchAnew(Flow* flow) {
  WithFlow(flow, [&] {
    for (const auto& watch : flow->watches_) watch->SetEvents(watch->events);
  });
}

void Engine::Kick(Flow* flow) noexcept {
  if (Worker* worker = Mark(flow)) worker->Wake();
}

Worker* Engine::Mark(Flow* flow) noexcept {
  Worker* worker = flow->worker_.load(std::memory_order_acquire);
  return worker != nullptr && worker->Mark(flow) ? worker : nullptr;
}

}  // namespace ptnet
