// The addon's entry: startLoop(options) -> { done, stop(), progress() }, startDuo(ping, echo) -> two of them,
// openNetmap and openTap.
#include <napi.h>

#include "loop_thread.h"
#include "netmap_port.h"
#include "tap.h"

namespace ptnet::guest {

static Napi::Object ProgressToJs(Napi::Env env, const LoopControl& control) {
  Napi::Object now = Napi::Object::New(env);
  const auto set = [&](const char* name, const std::atomic<uint64_t>& from) {
    now.Set(name, Napi::BigInt::New(env, from.load(std::memory_order_relaxed)));
  };
  set("sent", control.sent);
  set("received", control.received);
  return now;
}

/// The i-th loop of a thread. Its functions keep the thread's object.
static Napi::Object RunningLoop(Napi::Env env, const std::shared_ptr<LoopThread>& thread, size_t i) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("done", thread->loop(i).done());
  const auto stop = [thread](const Napi::CallbackInfo&) { thread->Stop(); };
  object.Set("stop", Napi::Function::New(env, stop, "stop"));
  const auto progress = [thread, i](const Napi::CallbackInfo& call) {
    return ProgressToJs(call.Env(), thread->loop(i).control);
  };
  object.Set("progress", Napi::Function::New(env, progress, "progress"));
  return object;
}

static Napi::Value StartLoop(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<StartOptions> options(1);
  if (!ReadOptions(env, info[0], options[0])) return env.Undefined();
  const std::shared_ptr<LoopThread> thread = LoopThread::Start(env, options);
  if (!thread) return env.Undefined();
  return RunningLoop(env, thread, 0);
}

static Napi::Value StartDuo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<StartOptions> options;
  if (!ReadDuo(env, info[0], info[1], options)) return env.Undefined();
  const std::shared_ptr<LoopThread> thread = LoopThread::Start(env, options);
  if (!thread) return env.Undefined();
  Napi::Array loops = Napi::Array::New(env, options.size());
  for (uint32_t i = 0; i < options.size(); ++i) loops.Set(i, RunningLoop(env, thread, i));
  return loops;
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("startLoop", Napi::Function::New(env, StartLoop, "startLoop"));
  exports.Set("startDuo", Napi::Function::New(env, StartDuo, "startDuo"));
  exports.Set("openNetmap", Napi::Function::New(env, OpenNetmap, "openNetmap"));
  exports.Set("openTap", Napi::Function::New(env, OpenTap, "openTap"));
  return exports;
}

NODE_API_MODULE(ptnetguest, Init)

}  // namespace ptnet::guest
