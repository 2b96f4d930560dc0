// KickObject: what another process goes on with, in its life and after its death.
#include <optional>
#include <vector>

#include "addon/call.h"
#include "addon/handles.h"
#include "addon/kick_object.h"

namespace ptnet::addon {

namespace {
constexpr int64_t kOrdinalMax = (int64_t{1} << 53) - 1;  // Number.MAX_SAFE_INTEGER
}  // namespace

Napi::Value KickObject::Pause(const Napi::CallbackInfo& info) {
  if (IsOpen(info.Env())) Check(info.Env(), kick_->Pause(), "kick thread");
  return info.Env().Undefined();
}

Napi::Value KickObject::Resume(const Napi::CallbackInfo& info) {
  if (IsOpen(info.Env())) Check(info.Env(), kick_->Resume(), "kick thread");
  return info.Env().Undefined();
}

Napi::Value KickObject::Settled(const Napi::CallbackInfo& info) {
  int64_t sessions;
  if (!GetInteger(info[0], "sessions", 0, UINT32_MAX, &sessions)) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), open_ && kick_->Settled(static_cast<size_t>(sessions)));
}

/// listenerSocket(listener): a descriptor that stays the listener's.
Napi::Value KickObject::ListenerSocket(const Napi::CallbackInfo& info) {
  uint32_t listener;
  if (!IsOpen(info.Env()) || !GetId(info[0], "listener", &listener)) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), kick_->SocketOf(listener));
}

namespace {

Napi::Object NewMessage(Napi::Env env, const std::vector<uint8_t>& bytes, const std::vector<int>& fds) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("bytes", Napi::Value(env, NewBytes(env, bytes)));
  Napi::Array list = Napi::Array::New(env, fds.size());
  for (uint32_t i = 0; i < fds.size(); i++) list.Set(i, fds[i]);
  o.Set("fds", list);
  return o;
}

}  // namespace

/// sessionSocket(session): {fd, bytes, fds, unsent}; the descriptors stay the session's.
Napi::Value KickObject::SessionSocket(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t session;
  KickSession::Rest rest;
  if (!IsOpen(env) || !GetId(info[0], "session", &session)) return env.Undefined();
  const int socket = kick_->SocketOf(session, &rest);
  Napi::Object o = NewMessage(env, rest.bytes, rest.fds);
  o.Set("fd", socket);
  Napi::Array unsent = Napi::Array::New(env, rest.unsent.size());
  for (uint32_t i = 0; i < rest.unsent.size(); i++)
    unsent.Set(i, NewMessage(env, rest.unsent[i].bytes, rest.unsent[i].fds));
  o.Set("unsent", unsent);
  return o;
}

/// adoptListener(socket, path, maxMessageSize, maxFds): the descriptor is taken.
Napi::Value KickObject::AdoptListener(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket;
  std::string path;
  int64_t bytes, fds;
  uint32_t listener;
  if (!IsOpen(env) || !GetFd(info[0], &socket) || !GetString(info[1], "path", &path) ||
      !GetInteger(info[2], "maxMessageSize", 64, 1 << 28, &bytes) || !GetInteger(info[3], "maxFds", 0, 253, &fds))
    return env.Undefined();
  const KickLimits limits{static_cast<uint32_t>(bytes), static_cast<uint32_t>(fds)};
  if (!Check(env, kick_->AdoptListener(socket, path, limits, &listener), path)) return env.Undefined();
  return Napi::Number::New(env, listener);
}

/// adoptFds(listener, fds): they stay the caller's, and count as the listener's client's.
Napi::Value KickObject::AdoptFds(const Napi::CallbackInfo& info) {
  uint32_t listener;
  std::vector<int> fds;
  if (IsOpen(info.Env()) && GetId(info[0], "listener", &listener) && GetFds(info[1], &fds))
    kick_->AdoptFds(listener, fds);
  return info.Env().Undefined();
}

namespace {

bool GetMessage(Napi::Value value, std::vector<uint8_t>* bytes, std::vector<int>* fds) {
  Napi::Value data = GetOption(value, "bytes");
  if (!data.IsTypedArray() || !GetFds(GetOption(value, "fds"), fds)) return false;
  auto view = data.As<Napi::Uint8Array>();
  bytes->assign(view.Data(), view.Data() + view.ByteLength());
  return true;
}

}  // namespace

/// adoptSession(listener, {fd, bytes, fds, unsent}): the descriptors are taken.
Napi::Value KickObject::AdoptSession(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t listener, session;
  int socket;
  KickSession::Rest rest;
  if (!IsOpen(env) || !GetId(info[0], "listener", &listener) || !GetFd(GetOption(info[1], "fd"), &socket) ||
      !GetMessage(info[1], &rest.bytes, &rest.fds))
    return env.Undefined();
  auto unsent = GetOption(info[1], "unsent").As<Napi::Array>();
  for (uint32_t i = 0; i < unsent.Length(); i++) {
    auto& answer = rest.unsent.emplace_back();
    if (!GetMessage(unsent.Get(i), &answer.bytes, &answer.fds)) return env.Undefined();
  }
  const os::Error error = kick_->AdoptSession(listener, socket, rest, &session);
  if (!Check(env, error, "listener " + std::to_string(listener))) return env.Undefined();
  return Napi::Number::New(env, session);
}

/// keep(area)
Napi::Value KickObject::Keep(const Napi::CallbackInfo& info) {
  if (!IsOpen(info.Env())) return info.Env().Undefined();
  if (auto area = UnwrapHandle<KeptArea>(info[0])) kick_->Keep(std::move(area));
  return info.Env().Undefined();
}

/// go(session)
Napi::Value KickObject::Go(const Napi::CallbackInfo& info) {
  uint32_t session;
  if (IsOpen(info.Env()) && GetId(info[0], "session", &session))
    Check(info.Env(), kick_->Go(session), "session " + std::to_string(session));
  return info.Env().Undefined();
}

/// keptOf(session): {socket, block, pipe}, which stay the session's; undefined: it is not kept.
Napi::Value KickObject::KeptOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t session;
  if (!IsOpen(env) || !GetId(info[0], "session", &session)) return env.Undefined();
  const Kick::KeptSession kept = kick_->KeptOf(session);
  if (kept.socket < 0) return env.Undefined();
  Napi::Object o = Napi::Object::New(env);
  Napi::Array pipe = Napi::Array::New(env, 2);
  pipe.Set(0u, kept.pipe_read);
  pipe.Set(1u, kept.pipe_write);
  o.Set("socket", kept.socket);
  o.Set("block", kept.block);
  o.Set("pipe", pipe);
  return o;
}

/// adoptKept(listener, {socket, block, pipe, applied}): the descriptors are taken.
Napi::Value KickObject::AdoptKept(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t listener, session;
  Kick::KeptSession kept;
  std::vector<int> pipe;
  if (!IsOpen(env) || !GetId(info[0], "listener", &listener) || !GetFd(GetOption(info[1], "socket"), &kept.socket) ||
      !GetId(GetOption(info[1], "block"), "block", &kept.block) || !GetFds(GetOption(info[1], "pipe"), &pipe))
    return env.Undefined();
  if (pipe.size() != 2) {
    Napi::TypeError::New(env, "pipe: two descriptors are expected").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  kept.pipe_read = pipe[0];
  kept.pipe_write = pipe[1];
  std::optional<AppliedMessage> applied;
  if (const Napi::Value given = GetOption(info[1], "applied"); given.IsObject()) {
    const Napi::Value answer = GetOption(given, "answer");
    int64_t ordinal;
    if (!GetInteger(GetOption(given, "ordinal"), "ordinal", 0, kOrdinalMax, &ordinal) || !answer.IsTypedArray())
      return env.Undefined();
    applied.emplace().ordinal = static_cast<uint64_t>(ordinal);
    const auto bytes = answer.As<Napi::Uint8Array>();
    applied->answer.assign(bytes.Data(), bytes.Data() + bytes.ByteLength());
  }
  const os::Error error = kick_->AdoptKept(listener, kept, std::move(applied), &session);
  if (!Check(env, error, "listener " + std::to_string(listener))) return env.Undefined();
  return Napi::Number::New(env, session);
}

/// keptAreaOpen(blocks, fd): `fd` is another process's area, and stays the caller's; undefined: a new one.
Napi::Value KeptAreaOpen(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int64_t blocks;
  int fd = -1;
  std::shared_ptr<KeptArea> area;
  if (!GetInteger(info[0], "blocks", 1, 1 << 20, &blocks) || (!info[1].IsUndefined() && !GetFd(info[1], &fd)))
    return env.Undefined();
  const auto count = static_cast<uint32_t>(blocks);
  if (!ThrowUnlessOk(env, fd < 0 ? KeptArea::Create(count, &area) : KeptArea::Adopt(count, fd, &area)))
    return env.Undefined();
  return WrapHandle(env, std::move(area));
}

Napi::Value KeptAreaFd(const Napi::CallbackInfo& info) {
  auto area = UnwrapHandle<KeptArea>(info[0]);
  return area ? Napi::Number::New(info.Env(), area->fd()) : info.Env().Undefined();
}

void InitKickTaken(Napi::Env env, Napi::Object exports) {
  exports.Set("keptAreaOpen", Napi::Function::New(env, KeptAreaOpen));
  exports.Set("keptAreaFd", Napi::Function::New(env, KeptAreaFd));
}

}  // namespace ptnet::addon
