// A descriptor watched by the environment's event loop, stopped when the environment ends.
#include "addon/poller.h"

namespace ptnet::addon {

Poller* Poller::Open(Napi::Env env, int fd, Owner* owner, int* status) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    *status = UV_EINVAL;
    return nullptr;
  }
  auto* poller = new Poller(owner);
  *status = uv_poll_init(loop, &poller->handle_, fd);
  if (*status != 0) {
    delete poller;
    return nullptr;
  }
  poller->handle_.data = poller;
  // An asynchronous hook: the environment waits for uv_close, a plain one would end with the handle still open.
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle, void* argument) {
        Owner* owner = static_cast<Poller*>(argument)->owner_;
        if (owner != nullptr) owner->OnEnvironmentEnd();
      },
      poller, &poller->cleanup_);
  return poller;
}

void Poller::Start(int events) {
  uv_poll_start(&handle_, events, [](uv_poll_t* handle, int status, int events) {
    static_cast<Poller*>(handle->data)->owner_->OnReady(status, events);
  });
}

void Poller::Stop() { uv_poll_stop(&handle_); }

void Poller::Close() {
  owner_ = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), [](uv_handle_t* handle) {
    auto* poller = static_cast<Poller*>(handle->data);
    napi_remove_async_cleanup_hook(poller->cleanup_);
    delete poller;
  });
}

}  // namespace ptnet::addon
