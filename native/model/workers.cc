// No wake-up is lost between a worker that goes to sleep and those who ring it, or serve in its place.
#include "datapath/worker.h"
#include "litmus.h"

namespace ptnet::model {
namespace {

/// Work that somebody announces and the worker does.
class Counted final : public Flow {
 public:
  Counted() { device_ = std::make_shared<DeviceActivity>(); }
  Used Poll(const Budget&) noexcept override {
    const uint32_t wanted = wanted_.load(std::memory_order_acquire);
    if (wanted == done_) return {};
    done_ = wanted;
    return {.moved = true, .slots = 1};
  }
  /// Everything is announced with a kick; but an announcement on top of one that is being taken is not.
  bool Arm() noexcept override {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return wanted_.load(std::memory_order_acquire) != done_;
  }
  void Disarm() noexcept override {}

  void Announce() { wanted_.fetch_add(1, std::memory_order_release); }
  uint32_t done() const { return done_; }

 private:
  std::atomic<uint32_t> wanted_{0};
  uint32_t done_ = 0;
};

constexpr uint64_t kSample = 30'000;  // of three threads

enum class How { kWake, kServe };

/// `ringers` threads announce one thing each, the first of them two.
void Rung(const std::vector<How>& ringers) {
  WatchErrors errors;
  Worker worker;
  Counted flow;
  if (!worker.Start(0, {}, &errors).ok()) abort();
  worker.Add(&flow, Policy::kNotify, 0);
  std::vector<std::thread> threads;
  for (How how : ringers)
    threads.emplace_back([&worker, &flow, how] {
      flow.Announce();
      if (!worker.Mark(&flow)) return;
      if (how == How::kWake || !worker.ServeHere()) worker.Wake();
    });
  Execute([&] { return flow.done() == ringers.size(); });
  for (auto& thread : threads) thread.join();
}

void OneWakes() { Rung({How::kWake}); }
void OneServes() { Rung({How::kServe}); }
void OneServesAndOneWakes() { Rung({How::kServe, How::kWake}); }
void TwoServe() { Rung({How::kServe, How::kServe}); }

/// The control plane's call is heard by a worker that falls asleep.
void OneCalls() {
  WatchErrors errors;
  Worker worker;
  if (!worker.Start(0, {}, &errors).ok()) abort();
  bool called = false;
  std::thread caller([&] { worker.Call([&] { called = true; }); });
  Execute([&] { return called; });
  caller.join();
}

}  // namespace

std::vector<Scenario> WorkerScenarios() {
  return {{"a worker that is woken", OneWakes},
          {"a worker in whose place somebody serves", OneServes},
          {"a worker that is woken while somebody serves", OneServesAndOneWakes, kSample},
          {"a worker in whose place two want to serve", TwoServe, kSample},
          {"a worker that is called", OneCalls}};
}

}  // namespace ptnet::model
