// Starts threads that run loops, hands their results to JavaScript, and ends them when the environment goes away.
#include "loop_thread.h"

#include "core/duo.h"
#include "core/loop.h"
#include "core/ping.h"
#include "core/stack.h"
#include "native/src/os/short_slice.h"

namespace ptnet::guest {

std::shared_ptr<LoopThread> LoopThread::Start(Napi::Env env, const std::vector<StartOptions>& options) {
  std::shared_ptr<LoopThread> self(new LoopThread());
  for (const StartOptions& each : options) {
    self->loops_.push_back(std::make_unique<LoopState>(env));
    const std::string error = self->loops_.back()->Open(each);
    if (error.empty()) continue;
    Napi::Error::New(env, each.name + ": " + error).ThrowAsJavaScriptException();
    return nullptr;
  }
  // The finalizer runs when the thread has released the function, or when the environment ends before that: then
  // the loops must be stopped first. It holds the last reference but JavaScript's.
  auto* keep = new std::shared_ptr<LoopThread>(self);
  self->finished_ = Finished::New(
      env, "ptnetguest.loop", 1, 1, self.get(),
      [](Napi::Env, std::shared_ptr<LoopThread>* kept, LoopThread*) {
        (*kept)->Stop();
        (*kept)->thread_.join();
        delete kept;
      },
      keep);
  self->thread_ = std::thread([raw = self.get()] { raw->Run(); });
  return self;
}

void LoopThread::Stop() {
  for (const std::unique_ptr<LoopState>& loop : loops_) loop->Stop();
}

void LoopThread::Run() {
  os::KeepToShortSlices();
  if (loops_.size() == 1)
    RunLoop(*loops_[0]);
  else
    RunDuo(*loops_[0], *loops_[1]);
  for (const std::unique_ptr<LoopState>& loop : loops_) loop->CloseDescriptors();
  // When the environment is closing the function is no longer ours to release.
  if (finished_.BlockingCall() == napi_ok) finished_.Release();
}

void LoopThread::RunLoop(LoopState& loop) {
  if (loop.in_netmap()) {
    NetmapRings rings = loop.MakeNetmapRings();
    NetmapKicker kicker(rings);
    NetmapWaiter waiter = loop.MakeNetmapWaiter(rings);
    RunWith(loop, kicker, waiter);
    return;
  }
  VfioUserDoorbell doorbell = loop.MakeDoorbell();
  EventfdWaiter waiter = loop.MakeWaiter();
  if (loop.config.op == Op::kStack) {
    loop.result = StackLoop(loop.config, loop.control, doorbell, waiter).Run();
    return;
  }
  RunWith(loop, doorbell, waiter);
}

template <Kicker K, Waiter W>
void LoopThread::RunWith(LoopState& loop, K& kicker, W& waiter) {
  loop.result = loop.timed() ? PingLoop(loop.config, loop.control, kicker, waiter).Run()
                             : Loop(loop.config, loop.control, kicker, waiter).Run();
}

void LoopThread::RunDuo(LoopState& ping, LoopState& echo) {
  VfioUserDoorbell ping_doorbell = ping.MakeDoorbell();
  VfioUserDoorbell echo_doorbell = echo.MakeDoorbell();
  EventfdWaiter ping_waiter = ping.MakeWaiter();
  EventfdWaiter echo_waiter = echo.MakeWaiter();
  using NativeDuo = Duo<VfioUserDoorbell, EventfdWaiter>;
  NativeDuo duo({ping.config, ping.control, ping_doorbell, ping_waiter},
                {echo.config, echo.control, echo_doorbell, echo_waiter});
  NativeDuo::Results results = duo.Run();
  ping.result = std::move(results.ping);
  echo.result = std::move(results.echo);
}

void LoopThread::CallJs(Napi::Env env, Napi::Function, LoopThread* self, void*) {
  if (static_cast<napi_env>(env) == nullptr) return;
  for (const std::unique_ptr<LoopState>& loop : self->loops_) loop->Resolve(env);
}

}  // namespace ptnet::guest
