// A descriptor watched by the environment's event loop, stopped when the environment ends.
#pragma once

#include <napi.h>
#include <uv.h>

namespace ptnet::addon {

/** Lives on the heap from Open to the end of Close; the owner forgets it when it calls Close. */
class Poller {
 public:
  class Owner {
   public:
    virtual void OnReady(int status, int events) = 0;
    /** The environment ends: the owner calls Close and calls no JavaScript. */
    virtual void OnEnvironmentEnd() = 0;

   protected:
    ~Owner() = default;
  };

  /** Returns nullptr and a libuv error in `status` when the descriptor cannot be watched. */
  static Poller* Open(Napi::Env env, int fd, Owner* owner, int* status);

  void Start(int events);
  void Stop();
  /** After it the descriptor may be closed and the owner is not called again. */
  void Close();

 private:
  explicit Poller(Owner* owner) : owner_(owner) {}

  uv_poll_t handle_;
  Owner* owner_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
};

}  // namespace ptnet::addon
