// The kick thread as JavaScript sees it: calls go down directly, events come up through the event loop in order.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "addon/addon.h"
#include "addon/args.h"
#include "datapath/kick.h"

namespace ptnet::addon {

struct Connected {
  uint32_t listener, session;
};
struct Disconnected {
  uint32_t session;
  int error;
};
using Event = std::variant<Connected, std::unique_ptr<KickMessage>, Disconnected>;

/// `new Kick(connect, message, disconnect)`.
class KickObject : public Napi::ObjectWrap<KickObject>, private KickSink {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit KickObject(const Napi::CallbackInfo& info);
  ~KickObject() { Shut(); }

 private:
  // On the kick thread.
  void OnConnect(uint32_t listener, uint32_t session) override { Post(Connected{listener, session}); }
  void OnMessage(std::unique_ptr<KickMessage> message) override { Post(std::move(message)); }
  void OnDisconnect(uint32_t session, int error) override { Post(Disconnected{session, error}); }
  void Post(Event event);

  static void Deliver(napi_env env, napi_value, void* self, void* event);
  static void OnEnvironmentEnd(void* self) { static_cast<KickObject*>(self)->Shut(); }
  void Handle(napi_env env, Event& event);

  Napi::Value Listen(const Napi::CallbackInfo& info);
  Napi::Value Unlisten(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value SetDoorbells(const Napi::CallbackInfo& info);
  Napi::Value ClearDoorbells(const Napi::CallbackInfo& info);
  Napi::Value Delivered(const Napi::CallbackInfo& info);
  Napi::Value Release(const Napi::CallbackInfo& info);
  Napi::Value Eventfd(const Napi::CallbackInfo& info);
  Napi::Value CountersOf(const Napi::CallbackInfo& info);
  Napi::Value Counters(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  Napi::Value Pause(const Napi::CallbackInfo& info);
  Napi::Value Resume(const Napi::CallbackInfo& info);
  Napi::Value Settled(const Napi::CallbackInfo& info);
  Napi::Value ListenerSocket(const Napi::CallbackInfo& info);
  Napi::Value SessionSocket(const Napi::CallbackInfo& info);
  Napi::Value AdoptListener(const Napi::CallbackInfo& info);
  Napi::Value AdoptSession(const Napi::CallbackInfo& info);
  Napi::Value AdoptFds(const Napi::CallbackInfo& info);
  Napi::Value Keep(const Napi::CallbackInfo& info);
  Napi::Value Go(const Napi::CallbackInfo& info);
  Napi::Value KeptOf(const Napi::CallbackInfo& info);
  Napi::Value AdoptKept(const Napi::CallbackInfo& info);
  bool Check(Napi::Env env, os::Error error, const std::string& object);
  bool IsOpen(Napi::Env env);
  void Shut();

  std::unique_ptr<Kick> kick_;
  napi_threadsafe_function queue_ = nullptr;
  bool open_ = false;
  Napi::FunctionReference connect_, message_, disconnect_;
};

bool GetId(Napi::Value value, const char* name, uint32_t* out);

}  // namespace ptnet::addon
