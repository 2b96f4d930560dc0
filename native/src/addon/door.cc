// The door as JavaScript sees it: calls go down directly, events come up through the event loop in order.
#include "application/door.h"

#include <fcntl.h>

#include <memory>
#include <variant>
#include <vector>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/call.h"
#include "addon/doorbell_target.h"
#include "addon/handles.h"

namespace ptnet::addon {
namespace {

struct Connected {
  uint32_t connection;
  Credentials who;
};
struct Disconnected {
  uint32_t connection;
  int error;
};
using Event = std::variant<Connected, std::unique_ptr<DoorMessage>, Disconnected>;

/// `new Door(path, mode, connect, message, disconnect, listener)`; `listener` is another process's, undefined: it
/// listens itself, from now on.
class DoorObject : public Napi::ObjectWrap<DoorObject>, private DoorSink {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit DoorObject(const Napi::CallbackInfo& info);
  ~DoorObject() { Shut(); }

 private:
  // On threads of the door.
  void OnConnect(uint32_t connection, const Credentials& who) override { Post(Connected{connection, who}); }
  void OnMessage(std::unique_ptr<DoorMessage> message) override { Post(std::move(message)); }
  void OnDisconnect(uint32_t connection, int error) override { Post(Disconnected{connection, error}); }
  void Post(Event event);

  static void Deliver(napi_env env, napi_value, void* self, void* event);
  static void OnEnvironmentEnd(void* self) { static_cast<DoorObject*>(self)->Shut(); }
  void Handle(napi_env env, Event& event);

  Napi::Value Serve(const Napi::CallbackInfo& info);
  Napi::Value Unserve(const Napi::CallbackInfo& info);
  Napi::Value Wake(const Napi::CallbackInfo& info);
  Napi::Value Delivered(const Napi::CallbackInfo& info);
  Napi::Value HungUp(const Napi::CallbackInfo& info);
  Napi::Value Release(const Napi::CallbackInfo& info);
  Napi::Value Reply(const Napi::CallbackInfo& info);
  Napi::Value Counters(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  Napi::Value Pause(const Napi::CallbackInfo& info);
  Napi::Value Resume(const Napi::CallbackInfo& info);
  Napi::Value Size(const Napi::CallbackInfo& info);
  Napi::Value Listener(const Napi::CallbackInfo& info);
  Napi::Value CountOn(const Napi::CallbackInfo& info);
  bool GetConnection(Napi::Value value, uint32_t* connection);
  void Shut();

  std::unique_ptr<Door> door_;
  napi_threadsafe_function queue_ = nullptr;
  bool open_ = false;
  Napi::FunctionReference connect_, message_, disconnect_;
};

void DoorObject::Register(Napi::Env env, Napi::Object exports) {
  exports.Set(
      "Door",
      DefineClass(
          env, "Door",
          {InstanceMethod("serve", &DoorObject::Serve), InstanceMethod("unserve", &DoorObject::Unserve),
           InstanceMethod("wake", &DoorObject::Wake), InstanceMethod("delivered", &DoorObject::Delivered),
           InstanceMethod("hungUp", &DoorObject::HungUp), InstanceMethod("release", &DoorObject::Release),
           InstanceMethod("reply", &DoorObject::Reply), InstanceMethod("counters", &DoorObject::Counters),
           InstanceMethod("close", &DoorObject::Close), InstanceMethod("pause", &DoorObject::Pause),
           InstanceMethod("resume", &DoorObject::Resume), InstanceMethod("size", &DoorObject::Size),
           InstanceMethod("listener", &DoorObject::Listener), InstanceMethod("countOn", &DoorObject::CountOn)}));
}

DoorObject::DoorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DoorObject>(info) {
  Napi::Env env = info.Env();
  std::string path;
  int64_t mode;
  int listener = -1;
  Napi::Function connect, message, disconnect;
  if (!GetString(info[0], "path", &path) || !GetInteger(info[1], "mode", 0, 0777, &mode) ||
      !GetFunction(info[2], "connect", &connect) || !GetFunction(info[3], "message", &message) ||
      !GetFunction(info[4], "disconnect", &disconnect) || (!info[5].IsUndefined() && !GetFd(info[5], &listener)))
    return;
  connect_ = Napi::Persistent(connect);
  message_ = Napi::Persistent(message);
  disconnect_ = Napi::Persistent(disconnect);
  napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "ptnetmap door"), 0, 1, nullptr,
                                  nullptr, this, Deliver, &queue_);
  if (os::Error error = listener < 0 ? Door::Open(path, static_cast<mode_t>(mode), this, &door_)
                                     : Door::Adopt(path, listener, this, &door_)) {
    napi_release_threadsafe_function(queue_, napi_tsfn_abort);
    ThrowErrno(env, error, path);
    return;
  }
  open_ = true;
  // The threads must be told before the environment is gone: they would call into it.
  napi_add_env_cleanup_hook(env, OnEnvironmentEnd, this);
  Ref();
}

void DoorObject::Post(Event event) {
  auto* posted = new Event(std::move(event));
  if (napi_call_threadsafe_function(queue_, posted, napi_tsfn_nonblocking) != napi_ok) delete posted;
}

void DoorObject::Deliver(napi_env env, napi_value, void* context, void* posted) {
  std::unique_ptr<Event> event(static_cast<Event*>(posted));
  // At the end of the environment what is left comes with no environment, and the object may be gone.
  if (env == nullptr) return;
  auto* self = static_cast<DoorObject*>(context);
  if (!self->open_) return;
  Napi::HandleScope scope(env);
  self->Handle(env, *event);
}

void DoorObject::Handle(napi_env env, Event& event) {
  if (auto* connected = std::get_if<Connected>(&event)) {
    const Credentials& who = connected->who;
    CallJs(env, connect_.Value(),
           {NewNumber(env, connected->connection), NewNumber(env, who.pid), NewNumber(env, who.uid),
            NewNumber(env, who.gid)});
  } else if (auto* gone = std::get_if<Disconnected>(&event)) {
    if (door_->Has(gone->connection))
      CallJs(env, disconnect_.Value(), {NewNumber(env, gone->connection), NewNumber(env, gone->error)});
  } else {
    DoorMessage& message = *std::get<std::unique_ptr<DoorMessage>>(event);
    if (!door_->Has(message.connection)) return;
    // Its receiver owns the descriptors, and calls delivered() when it has answered.
    if (CallJs(env, message_.Value(),
               {NewNumber(env, message.connection), NewBytes(env, message.bytes), NewFds(env, message.fds)})) {
      for (os::PeerFd& fd : message.fds) fd.Release();
    } else if (open_) {
      (void)door_->Delivered(message.connection);
    }
  }
}

bool DoorObject::GetConnection(Napi::Value value, uint32_t* connection) {
  int64_t id;
  if (!open_) {
    Napi::Error::New(value.Env(), "door: closed").ThrowAsJavaScriptException();
    return false;
  }
  if (!GetInteger(value, "connection", 0, UINT32_MAX, &id)) return false;
  *connection = static_cast<uint32_t>(id);
  return true;
}

bool GetPart(Napi::Value value, uint32_t* part) {
  int64_t number;
  if (!GetInteger(value, "part", 0, kApplicationParts - 1, &number)) return false;
  *part = static_cast<uint32_t>(number);
  return true;
}

/// serve(connection, part, target, doorbells: boolean[], interrupts: fds): the descriptors stay the caller's.
Napi::Value DoorObject::Serve(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t connection, part;
  std::vector<int> fds;
  if (!GetConnection(info[0], &connection) || !GetPart(info[1], &part) || !GetFds(info[4], &fds))
    return env.Undefined();
  auto target = UnwrapDoorbellTarget(info[2]);
  if (!target) return env.Undefined();
  ServedRings rings;
  rings.target = target;
  Napi::Array list = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) rings.doorbells.push_back(list.Get(i).ToBoolean());
  for (const int fd : fds) {
    rings.interrupts.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (rings.interrupts.back()) continue;
    ThrowErrno(env, os::Error::Last("fcntl"), "descriptor " + std::to_string(fd));
    return env.Undefined();
  }
  if (const os::Error error = door_->Serve(connection, part, std::move(rings))) ThrowErrno(env, error, "connection");
  return env.Undefined();
}

Napi::Value DoorObject::Unserve(const Napi::CallbackInfo& info) {
  uint32_t connection, part;
  if (GetConnection(info[0], &connection) && GetPart(info[1], &part)) (void)door_->Serve(connection, part, {});
  return info.Env().Undefined();
}

/// wake(connection, attachment, rings: boolean[])
Napi::Value DoorObject::Wake(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t connection;
  if (!GetConnection(info[0], &connection)) return env.Undefined();
  auto attachment = UnwrapHandle<Attachment>(info[1]);
  if (!attachment) return env.Undefined();
  std::vector<bool> rings;
  Napi::Array list = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) rings.push_back(list.Get(i).ToBoolean());
  std::shared_ptr<PeerEventfd> waker;
  if (const os::Error error = door_->Waker(connection, &waker))
    ThrowErrno(env, error, "connection");
  else
    ThrowUnlessOk(env, attachment->SetWaker(rings, std::move(waker)));
  return env.Undefined();
}

Napi::Value DoorObject::Delivered(const Napi::CallbackInfo& info) {
  uint32_t connection;
  if (open_ && GetConnection(info[0], &connection)) (void)door_->Delivered(connection);
  return info.Env().Undefined();
}

Napi::Value DoorObject::HungUp(const Napi::CallbackInfo& info) {
  uint32_t connection;
  if (!GetConnection(info[0], &connection)) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), door_->HungUp(connection));
}

Napi::Value DoorObject::Release(const Napi::CallbackInfo& info) {
  uint32_t connection;
  if (open_ && GetConnection(info[0], &connection)) (void)door_->Release(connection);
  return info.Env().Undefined();
}

/// reply(socket, bytes, fds): closes the socket, the other descriptors stay the caller's.
Napi::Value DoorObject::Reply(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket;
  std::vector<int> fds;
  if (!GetFd(info[0], &socket)) return env.Undefined();
  os::PeerFd to(socket);
  if (!GetFds(info[2], &fds)) return env.Undefined();
  if (!info[1].IsTypedArray()) {
    Napi::TypeError::New(env, "bytes: a Uint8Array is expected").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto bytes = info[1].As<Napi::Uint8Array>();
  SendReply(std::move(to), {bytes.Data(), bytes.ByteLength()}, fds);
  return env.Undefined();
}

Napi::Value DoorObject::Counters(const Napi::CallbackInfo& info) {
  const DoorCounters& counters = door_->counters();
  Napi::Object o = Napi::Object::New(info.Env());
  o.Set("connections", static_cast<double>(counters.connections.load()));
  o.Set("refused", static_cast<double>(counters.refused.load()));
  o.Set("doorbells", static_cast<double>(counters.doorbells.load()));
  o.Set("wakeups", static_cast<double>(counters.wakeups.load()));
  o.Set("messages", static_cast<double>(counters.messages.load()));
  return o;
}

Napi::Value DoorObject::Close(const Napi::CallbackInfo& info) {
  if (!open_) return info.Env().Undefined();
  napi_remove_env_cleanup_hook(info.Env(), OnEnvironmentEnd, this);
  Shut();
  Unref();
  return info.Env().Undefined();
}

/// Who comes waits before the door, for this process or another one.
Napi::Value DoorObject::Pause(const Napi::CallbackInfo& info) {
  if (open_) door_->Pause();
  return info.Env().Undefined();
}

Napi::Value DoorObject::Resume(const Napi::CallbackInfo& info) {
  if (open_) door_->Resume();
  return info.Env().Undefined();
}

/// Connections, also such as connect() has not been called for yet.
Napi::Value DoorObject::Size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), open_ ? static_cast<double>(door_->size()) : 0);
}

/// The descriptor stays the door's.
Napi::Value DoorObject::Listener(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), open_ ? door_->listener() : -1);
}

/// countOn(counters), of another process
Napi::Value DoorObject::CountOn(const Napi::CallbackInfo& info) {
  std::array<uint64_t, 5> counters{};
  uint32_t i = 0;
  for (const char* name : {"connections", "refused", "doorbells", "wakeups", "messages"}) {
    int64_t count;
    if (!GetInteger(GetOption(info[0], name), name, 0, int64_t{1} << 53, &count)) return info.Env().Undefined();
    counters[i++] = static_cast<uint64_t>(count);
  }
  if (open_) door_->CountOn(counters);
  return info.Env().Undefined();
}

void DoorObject::Shut() {
  if (!open_) return;
  open_ = false;
  door_->Stop();
  napi_release_threadsafe_function(queue_, napi_tsfn_abort);
}

}  // namespace

void InitDoor(Napi::Env env, Napi::Object exports) { DoorObject::Register(env, exports); }

}  // namespace ptnet::addon
