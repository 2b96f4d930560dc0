// Calls JavaScript whenever a descriptor is readable.
#pragma once

#include <napi.h>

#include "addon/poller.h"
#include "os/unique_fd.h"

namespace ptnet::addon {

/** `new Watch(fd, callback)`; watches a duplicate, so that closing `fd` elsewhere does no harm. */
class Watch : public Napi::ObjectWrap<Watch>, private Poller::Owner {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit Watch(const Napi::CallbackInfo& info);

 private:
  void OnReady(int status, int events) override;
  void OnEnvironmentEnd() override;
  void Close(const Napi::CallbackInfo& info);
  void Stop();

  Poller* poller_ = nullptr;
  os::UniqueFd fd_;
  Napi::FunctionReference callback_;
};

}  // namespace ptnet::addon
