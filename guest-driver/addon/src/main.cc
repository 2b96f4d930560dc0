// The addon's entry: startLoop(options) -> { done, stop(), progress() }.
#include <napi.h>

#include "loop_thread.h"

namespace ptnet::guest {

static Napi::Value StartLoop(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  StartOptions options;
  if (!ReadOptions(env, info[0], options)) return env.Undefined();
  const std::shared_ptr<LoopThread> loop = LoopThread::Start(env, options);
  if (!loop) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  object.Set("done", loop->done());
  object.Set("stop", Napi::Function::New(env, [loop](const Napi::CallbackInfo&) { loop->Stop(); }, "stop"));
  object.Set("progress", Napi::Function::New(
                             env,
                             [loop](const Napi::CallbackInfo& call) {
                               const LoopControl& control = loop->control();
                               Napi::Object now = Napi::Object::New(call.Env());
                               const auto set = [&](const char* name, const std::atomic<uint64_t>& from) {
                                 now.Set(name, Napi::BigInt::New(call.Env(), from.load(std::memory_order_relaxed)));
                               };
                               set("sent", control.sent);
                               set("received", control.received);
                               return now;
                             },
                             "progress"));
  return object;
}

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("startLoop", Napi::Function::New(env, StartLoop, "startLoop"));
  return exports;
}

NODE_API_MODULE(ptnetguest, Init)

}  // namespace ptnet::guest
