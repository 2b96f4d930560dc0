// What a loop has while a thread runs it: its rings, its own descriptors, its progress, and the promise of its result.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "core/config.h"
#include "doorbell.h"
#include "interrupts.h"
#include "netmap_loop.h"
#include "options.h"

namespace ptnet::guest {

class LoopState {
 public:
  explicit LoopState(Napi::Env env) : deferred_(Napi::Promise::Deferred::New(env)) {}
  ~LoopState();

  LoopState(const LoopState&) = delete;
  LoopState& operator=(const LoopState&) = delete;

  /// Opens the rings and takes copies of the descriptors: the caller may close its own while the loop still runs.
  /// @return an error text, empty when all is well.
  std::string Open(const StartOptions& options);
  /// When the loop has ended: the socket must not outlive it, or its peer would not see that the guest hung up.
  void CloseDescriptors();
  /// Ends the loop soon, wherever it is waiting; may be called any number of times.
  void Stop();
  /// To be called in JavaScript's thread, as Stop() is, with `result` filled in: nothing of the loop is open then.
  void Resolve(Napi::Env env);

  Napi::Promise done() const { return deferred_.Promise(); }
  VfioUserDoorbell MakeDoorbell() const { return {doorbell_, doorbell_fd_}; }
  EventfdWaiter MakeWaiter() const { return {stop_fd_, interrupts_, config.taps, yield_after_}; }
  /// Whether its rings are behind /dev/netmap: then it has the waiter below, and neither of those above.
  bool in_netmap() const { return netmap_fd_ >= 0; }
  NetmapRings MakeNetmapRings() const { return {netmap_fd_, config}; }
  NetmapWaiter MakeNetmapWaiter(NetmapRings& rings) const { return {rings, stop_fd_, yield_after_}; }
  /// Whether it is a PingLoop that runs it.
  bool timed() const { return config.op == Op::kPing || config.op == Op::kListen; }

  LoopConfig config;
  LoopControl control;
  LoopResult result;

 private:
  std::string OpenRings(const StartOptions& options);
  std::string CopyDescriptors(const StartOptions& options);

  Napi::Promise::Deferred deferred_;
  VfioUserDoorbell::Target doorbell_;
  int stop_fd_ = -1;
  int doorbell_fd_ = -1;
  int netmap_fd_ = -1;
  std::vector<int> interrupts_;
  uint64_t yield_after_ = 0;
};

}  // namespace ptnet::guest
