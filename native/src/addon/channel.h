// A Unix stream socket with descriptor passing on the event loop.
#pragma once

#include <napi.h>

#include <deque>
#include <string>
#include <vector>

#include "addon/poller.h"
#include "os/error.h"
#include "os/unique_fd.h"

namespace ptnet::addon {

/** `new Channel(path | fd)`; owns the socket. Does no framing. */
class Channel : public Napi::ObjectWrap<Channel>, private Poller::Owner {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit Channel(const Napi::CallbackInfo& info);

 private:
  struct Chunk {
    std::vector<uint8_t> bytes;
    size_t sent = 0;
    std::vector<os::UniqueFd> fds;
  };

  Napi::Value Fd(const Napi::CallbackInfo& info);
  void Start(const Napi::CallbackInfo& info);
  void Pause(const Napi::CallbackInfo& info);
  void Resume(const Napi::CallbackInfo& info);
  void Send(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReady(int status, int events) override;
  void OnEnvironmentEnd() override;

  bool CheckOpen(Napi::Env env, const char* syscall);
  void Enqueue(const uint8_t* bytes, size_t size, const std::vector<int>& fds);
  os::Error Flush();
  void ReadOnce();
  void UpdateInterest();
  void Shut();
  void CloseWith(int error);

  os::UniqueFd fd_;
  Poller* poller_ = nullptr;
  bool reading_ = false;
  std::deque<Chunk> outbound_;
  size_t outbound_bytes_ = 0;
  Napi::FunctionReference on_data_;
  Napi::FunctionReference on_close_;
};

}  // namespace ptnet::addon
