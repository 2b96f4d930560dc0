// A Unix stream socket with descriptor passing on the event loop.
#pragma once

#include <napi.h>

#include "addon/poller.h"
#include "os/outbound_queue.h"
#include "os/unique_fd.h"

namespace ptnet::addon {

/** `new Channel(path | fd)`; owns the socket. Does no framing. */
class Channel : public Napi::ObjectWrap<Channel>, private Poller::Owner {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit Channel(const Napi::CallbackInfo& info);

 private:
  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value PeerProcess(const Napi::CallbackInfo& info);
  void Start(const Napi::CallbackInfo& info);
  void Pause(const Napi::CallbackInfo& info);
  void Resume(const Napi::CallbackInfo& info);
  void Send(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReady(int status, int events) override;
  void OnEnvironmentEnd() override;

  bool CheckOpen(Napi::Env env, const char* syscall);
  void ReadOnce();
  void UpdateInterest();
  void Shut();
  void CloseWith(int error);

  os::UniqueFd fd_;
  Poller* poller_ = nullptr;
  bool reading_ = false;
  os::OutboundQueue outbound_;
  Napi::FunctionReference on_data_;
  Napi::FunctionReference on_close_;
};

}  // namespace ptnet::addon
