// KickObject: its life, its events, and its sockets.
#include <vector>

#include "addon/call.h"
#include "addon/doorbell_target.h"
#include "addon/kick_object.h"

namespace ptnet::addon {

void KickObject::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Kick", DefineClass(env, "Kick",
                                  {InstanceMethod("listen", &KickObject::Listen),
                                   InstanceMethod("unlisten", &KickObject::Unlisten),
                                   InstanceMethod("send", &KickObject::Send),
                                   InstanceMethod("setDoorbells", &KickObject::SetDoorbells),
                                   InstanceMethod("clearDoorbells", &KickObject::ClearDoorbells),
                                   InstanceMethod("delivered", &KickObject::Delivered),
                                   InstanceMethod("release", &KickObject::Release),
                                   InstanceMethod("eventfd", &KickObject::Eventfd),
                                   InstanceMethod("countersOf", &KickObject::CountersOf),
                                   InstanceMethod("counters", &KickObject::Counters),
                                   InstanceMethod("close", &KickObject::Close),
                                   InstanceMethod("pause", &KickObject::Pause),
                                   InstanceMethod("resume", &KickObject::Resume),
                                   InstanceMethod("settled", &KickObject::Settled),
                                   InstanceMethod("listenerSocket", &KickObject::ListenerSocket),
                                   InstanceMethod("sessionSocket", &KickObject::SessionSocket),
                                   InstanceMethod("adoptListener", &KickObject::AdoptListener),
                                   InstanceMethod("adoptFds", &KickObject::AdoptFds),
                                   InstanceMethod("keep", &KickObject::Keep),
                                   InstanceMethod("go", &KickObject::Go),
                                   InstanceMethod("keptOf", &KickObject::KeptOf),
                                   InstanceMethod("adoptKept", &KickObject::AdoptKept),
                                   InstanceMethod("adoptSession", &KickObject::AdoptSession)}));
}

KickObject::KickObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<KickObject>(info) {
  Napi::Env env = info.Env();
  Napi::Function connect, message, disconnect;
  if (!GetFunction(info[0], "connect", &connect) || !GetFunction(info[1], "message", &message) ||
      !GetFunction(info[2], "disconnect", &disconnect))
    return;
  connect_ = Napi::Persistent(connect);
  message_ = Napi::Persistent(message);
  disconnect_ = Napi::Persistent(disconnect);
  napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "ptnetmap kick"), 0, 1, nullptr,
                                  nullptr, this, Deliver, &queue_);
  if (os::Error error = Kick::Start(this, &kick_)) {
    napi_release_threadsafe_function(queue_, napi_tsfn_abort);
    ThrowErrno(env, error, "kick thread");
    return;
  }
  open_ = true;
  // The thread must be gone before the environment is: it would call into it.
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, this);
  Ref();
}

void KickObject::Post(Event event) {
  auto* posted = new Event(std::move(event));
  if (napi_call_threadsafe_function(queue_, posted, napi_tsfn_nonblocking) != napi_ok) delete posted;
}

void KickObject::Deliver(napi_env env, napi_value, void* context, void* posted) {
  std::unique_ptr<Event> event(static_cast<Event*>(posted));
  // At the end of the environment what is left comes with no environment, and the object may be gone.
  if (env == nullptr) return;
  auto* self = static_cast<KickObject*>(context);
  if (!self->open_) return;
  Napi::HandleScope scope(env);
  self->Handle(env, *event);
}

void KickObject::Handle(napi_env env, Event& event) {
  if (auto* connected = std::get_if<Connected>(&event)) {
    CallJs(env, connect_.Value(), {NewNumber(env, connected->listener), NewNumber(env, connected->session)});
  } else if (auto* gone = std::get_if<Disconnected>(&event)) {
    if (!kick_->Has(gone->session)) return;
    CallJs(env, disconnect_.Value(), {NewNumber(env, gone->session), NewNumber(env, gone->error)});
  } else {
    KickMessage& message = *std::get<std::unique_ptr<KickMessage>>(event);
    if (!kick_->Has(message.session)) return;
    const size_t bytes = message.bytes.size(), fds = message.fds.size();
    // Its receiver calls delivered() when it has dealt with it.
    if (!CallJs(env, message_.Value(),
                {NewNumber(env, message.session), NewBytes(env, message.bytes), NewFds(env, message.fds),
                 NewNumber(env, static_cast<double>(message.ordinal))})) {
      if (open_) kick_->Delivered(message.session, bytes, fds);
      return;
    }
    for (os::PeerFd& fd : message.fds) fd.Release();
  }
}

bool KickObject::Check(Napi::Env env, os::Error error, const std::string& object) {
  if (!error) return true;
  ThrowErrno(env, error, object);
  return false;
}

bool KickObject::IsOpen(Napi::Env env) {
  if (open_) return true;
  Napi::Error::New(env, "kick thread: closed").ThrowAsJavaScriptException();
  return false;
}

bool GetId(Napi::Value value, const char* name, uint32_t* out) {
  int64_t id;
  if (!GetInteger(value, name, 0, UINT32_MAX, &id)) return false;
  *out = static_cast<uint32_t>(id);
  return true;
}

/// listen(path, mode, maxMessageSize, maxFds)
Napi::Value KickObject::Listen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string path;
  int64_t mode, bytes, fds;
  uint32_t listener;
  if (!IsOpen(env) || !GetString(info[0], "path", &path) || !GetInteger(info[1], "mode", 0, 0777, &mode) ||
      !GetInteger(info[2], "maxMessageSize", 64, 1 << 28, &bytes) || !GetInteger(info[3], "maxFds", 0, 253, &fds))
    return env.Undefined();
  const KickLimits limits{static_cast<uint32_t>(bytes), static_cast<uint32_t>(fds)};
  if (!Check(env, kick_->Listen(path, static_cast<mode_t>(mode), limits, &listener), path)) return env.Undefined();
  return Napi::Number::New(env, listener);
}

Napi::Value KickObject::Unlisten(const Napi::CallbackInfo& info) {
  uint32_t listener;
  if (IsOpen(info.Env()) && GetId(info[0], "listener", &listener))
    Check(info.Env(), kick_->Unlisten(listener), "listener " + std::to_string(listener));
  return info.Env().Undefined();
}

/// send(session, bytes, fds)
Napi::Value KickObject::Send(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t session;
  std::vector<int> fds;
  if (!IsOpen(env) || !GetId(info[0], "session", &session) || !GetFds(info[2], &fds)) return env.Undefined();
  if (!info[1].IsTypedArray()) {
    Napi::TypeError::New(env, "message: a Uint8Array is expected").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto bytes = info[1].As<Napi::Uint8Array>();
  Check(env, kick_->Send(session, {bytes.Data(), bytes.ByteLength()}, fds), "session " + std::to_string(session));
  return env.Undefined();
}

/// setDoorbells(session, region, offset, stride, target)
Napi::Value KickObject::SetDoorbells(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t session;
  int64_t region, offset, stride;
  if (!IsOpen(env) || !GetId(info[0], "session", &session) || !GetInteger(info[1], "region", 0, 255, &region) ||
      !GetInteger(info[2], "offset", 0, UINT32_MAX, &offset) || !GetInteger(info[3], "stride", 1, 4096, &stride))
    return env.Undefined();
  auto target = UnwrapDoorbellTarget(info[4]);
  if (!target) return env.Undefined();
  const DoorbellWindow window{static_cast<uint32_t>(region), static_cast<uint64_t>(offset),
                              static_cast<uint32_t>(stride)};
  Check(env, kick_->SetDoorbells(session, window, std::move(target)), "session " + std::to_string(session));
  return env.Undefined();
}

Napi::Value KickObject::ClearDoorbells(const Napi::CallbackInfo& info) {
  uint32_t session;
  if (IsOpen(info.Env()) && GetId(info[0], "session", &session))
    Check(info.Env(), kick_->ClearDoorbells(session), "session " + std::to_string(session));
  return info.Env().Undefined();
}

/// delivered(session, bytes, fds)
Napi::Value KickObject::Delivered(const Napi::CallbackInfo& info) {
  uint32_t session;
  int64_t bytes, fds;
  if (open_ && GetId(info[0], "session", &session) && GetInteger(info[1], "bytes", 0, UINT32_MAX, &bytes) &&
      GetInteger(info[2], "fds", 0, UINT32_MAX, &fds))
    kick_->Delivered(session, static_cast<size_t>(bytes), static_cast<size_t>(fds));
  return info.Env().Undefined();
}

Napi::Value KickObject::CountersOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t listener;
  if (!IsOpen(env) || !GetId(info[0], "listener", &listener)) return env.Undefined();
  const ListenerCounters counters = kick_->CountersOf(listener);
  Napi::Object o = Napi::Object::New(env);
  o.Set("refused", static_cast<double>(counters.refused));
  o.Set("starved", static_cast<double>(counters.starved));
  o.Set("heldFds", static_cast<double>(counters.held_fds));
  o.Set("closingFds", static_cast<double>(counters.closing_fds));
  o.Set("maxFds", static_cast<double>(counters.fds_max));
  return o;
}

Napi::Value KickObject::Counters(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!IsOpen(env)) return env.Undefined();
  const KickCounters& counters = kick_->counters();
  Napi::Object o = Napi::Object::New(env);
  o.Set("doorbells", static_cast<double>(counters.doorbells.load()));
  o.Set("messages", static_cast<double>(counters.messages.load()));
  o.Set("slowServices", static_cast<double>(counters.slow_services.load()));
  return o;
}

Napi::Value KickObject::Release(const Napi::CallbackInfo& info) {
  uint32_t session;
  if (IsOpen(info.Env()) && GetId(info[0], "session", &session))
    Check(info.Env(), kick_->Release(session), "session " + std::to_string(session));
  return info.Env().Undefined();
}

/// eventfd(session): the caller owns it, and gives it to closeFd.
Napi::Value KickObject::Eventfd(const Napi::CallbackInfo& info) {
  uint32_t session;
  os::PeerFd fd;
  if (!IsOpen(info.Env()) || !GetId(info[0], "session", &session) ||
      !Check(info.Env(), kick_->CreateEventfd(session, &fd), "session " + std::to_string(session)))
    return info.Env().Undefined();
  return Napi::Number::New(info.Env(), fd.Release());
}

Napi::Value KickObject::Close(const Napi::CallbackInfo& info) {
  if (!open_) return info.Env().Undefined();
  napi_remove_env_cleanup_hook(info.Env(), OnEnvironmentEnd, this);
  Shut();
  Unref();
  return info.Env().Undefined();
}

void KickObject::Shut() {
  if (!open_) return;
  open_ = false;
  kick_->Stop();
  napi_release_threadsafe_function(queue_, napi_tsfn_abort);
}

void InitKick(Napi::Env env, Napi::Object exports) { KickObject::Register(env, exports); }

}  // namespace ptnet::addon
