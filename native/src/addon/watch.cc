// Calls JavaScript whenever a descriptor is readable.
#include "addon/watch.h"

#include <fcntl.h>

#include "addon/args.h"
#include "addon/call.h"

namespace ptnet::addon {

void Watch::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Watch", DefineClass(env, "Watch", {InstanceMethod<&Watch::Close>("close")}));
}

Watch::Watch(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  int fd;
  Napi::Function callback;
  if (!GetFd(info[0], &fd) || !GetFunction(info[1], "callback", &callback)) return;
  fd_.Reset(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!fd_) {
    ThrowErrno(info.Env(), os::Error::Last("fcntl"), "descriptor " + std::to_string(fd));
    return;
  }
  int status;
  poller_ = Poller::Open(info.Env(), fd_.get(), this, &status);
  if (poller_ == nullptr) {
    fd_.Reset();
    ThrowErrno(info.Env(), {-status, "poll"}, "descriptor " + std::to_string(fd));
    return;
  }
  callback_ = Napi::Persistent(callback);
  Ref();  // watched means alive: undone by Stop
  poller_->Start(UV_READABLE);
}

void Watch::OnReady(int, int) {
  const Napi::HandleScope scope(Env());
  CallJs(Env(), callback_.Value(), {});
}

void Watch::OnEnvironmentEnd() { Stop(); }

void Watch::Close(const Napi::CallbackInfo&) { Stop(); }

void Watch::Stop() {
  if (poller_ == nullptr) return;
  poller_->Close();
  poller_ = nullptr;
  fd_.Reset();
  callback_.Reset();
  Unref();
}

}  // namespace ptnet::addon
