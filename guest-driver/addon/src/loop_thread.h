// A loop running in its own thread, and the promise that its end resolves.
#pragma once

#include <napi.h>

#include <memory>
#include <thread>

#include "core/config.h"
#include "interrupts.h"
#include "options.h"

namespace ptnet::guest {

class LoopThread {
 public:
  /// Opens the rings and starts. @return nullptr with a JavaScript exception pending when that fails.
  static std::shared_ptr<LoopThread> Start(Napi::Env env, StartOptions& options);
  ~LoopThread();

  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  Napi::Promise done() const { return deferred_.Promise(); }
  const LoopControl& control() const { return control_; }
  /// Ends the loop soon, wherever it is waiting; may be called any number of times.
  void Stop();

 private:
  static void CallJs(Napi::Env env, Napi::Function callback, LoopThread* self, void* data);
  using Finished = Napi::TypedThreadSafeFunction<LoopThread, void, CallJs>;

  explicit LoopThread(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {}
  bool OpenRings(StartOptions& options, std::string& error);
  bool DupDescriptors(const StartOptions& options, std::string& error);
  void Run();
  void CloseDescriptors();
  Napi::Object ResultToJs(Napi::Env env) const;
  Napi::Object LatencyToJs(Napi::Env env) const;

  Napi::Promise::Deferred deferred_;
  LoopConfig config_;
  LoopControl control_;
  LoopResult result_;
  VfioUserDoorbell::Target doorbell_;
  // Our own copies: the caller may close its descriptors while the loop still runs.
  int stop_fd_ = -1;
  int doorbell_fd_ = -1;
  std::vector<int> interrupts_;
  uint64_t yield_after_ = 0;
  Finished finished_;
  std::thread thread_;
};

}  // namespace ptnet::guest
