// A thread that runs one loop, or two that take turns, and tells JavaScript when it is done.
#pragma once

#include <napi.h>

#include <memory>
#include <thread>
#include <vector>

#include "loop_state.h"
#include "options.h"

namespace ptnet::guest {

class LoopThread {
 public:
  /// @param options one loop's, or those of a ping and an echo.
  /// @return nullptr with a JavaScript exception pending when the rings cannot be opened.
  static std::shared_ptr<LoopThread> Start(Napi::Env env, const std::vector<StartOptions>& options);

  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  const LoopState& loop(size_t i) const { return *loops_[i]; }
  /// Ends what runs soon, wherever it is waiting; may be called any number of times.
  void Stop();

 private:
  static void CallJs(Napi::Env env, Napi::Function callback, LoopThread* self, void* data);
  using Finished = Napi::TypedThreadSafeFunction<LoopThread, void, CallJs>;

  LoopThread() = default;
  void Run();
  void RunLoop(LoopState& loop);
  template <Kicker K, Waiter W>
  void RunWith(LoopState& loop, K& kicker, W& waiter);
  void RunDuo(LoopState& ping, LoopState& echo);

  std::vector<std::unique_ptr<LoopState>> loops_;
  Finished finished_;
  std::thread thread_;
};

}  // namespace ptnet::guest
