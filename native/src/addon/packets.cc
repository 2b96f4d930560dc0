// The addon's packet sockets, which two hosts talk by while one of them stands still, and how this process ends for
// another one.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/call.h"
#include "os/packet_channel.h"
#include "os/socket.h"

namespace ptnet::addon {
namespace {

constexpr int64_t kLongestMs = 60'000;

/// packetsListen(path, mode): a descriptor.
Napi::Value PacketsListen(const Napi::CallbackInfo& info) {
  std::string path;
  int64_t mode;
  os::UniqueFd fd;
  if (!GetString(info[0], "path", &path) || !GetInteger(info[1], "mode", 0, 0777, &mode)) return {};
  if (const os::Error error = os::ListenUnix(path, static_cast<mode_t>(mode), &fd, SOCK_SEQPACKET)) {
    ThrowErrno(info.Env(), error, path);
    return {};
  }
  return Napi::Number::New(info.Env(), fd.Release());
}

/// packetsAccept(listener): a descriptor; undefined: nobody is there.
Napi::Value PacketsAccept(const Napi::CallbackInfo& info) {
  int listener;
  os::UniqueFd fd;
  if (!GetFd(info[0], &listener)) return {};
  const os::Error error = os::AcceptPackets(listener, &fd);
  if (error.number == EAGAIN || error.number == ECONNABORTED) return info.Env().Undefined();
  if (error) {
    ThrowErrno(info.Env(), error, "descriptor " + std::to_string(listener));
    return {};
  }
  return Napi::Number::New(info.Env(), fd.Release());
}

Napi::Value PacketsConnect(const Napi::CallbackInfo& info) {
  std::string path;
  os::UniqueFd fd;
  if (!GetString(info[0], "path", &path)) return {};
  if (const os::Error error = os::ConnectPackets(path, &fd)) {
    ThrowErrno(info.Env(), error, path);
    return {};
  }
  return Napi::Number::New(info.Env(), fd.Release());
}

/// packetSend(socket, bytes, fds, timeoutMs): the descriptors stay the caller's.
Napi::Value PacketSend(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket;
  std::vector<int> fds;
  int64_t timeout_ms;
  if (!GetFd(info[0], &socket) || !GetFds(info[2], &fds) ||
      !GetInteger(info[3], "timeoutMs", 0, kLongestMs, &timeout_ms))
    return {};
  if (!info[1].IsTypedArray()) {
    Napi::TypeError::New(env, "bytes: a Uint8Array is expected").ThrowAsJavaScriptException();
    return {};
  }
  auto bytes = info[1].As<Napi::Uint8Array>();
  const os::Error error = os::SendPacket(socket, {bytes.Data(), bytes.ByteLength()}, fds, static_cast<int>(timeout_ms));
  if (error) ThrowErrno(env, error, "descriptor " + std::to_string(socket));
  return env.Undefined();
}

/// packetReceive(socket, timeoutMs): {bytes, fds}; undefined: the other end is gone.
Napi::Value PacketReceive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int socket;
  int64_t timeout_ms;
  os::Packet packet;
  if (!GetFd(info[0], &socket) || !GetInteger(info[1], "timeoutMs", 0, kLongestMs, &timeout_ms)) return {};
  if (const os::Error error = os::ReceivePacket(socket, static_cast<int>(timeout_ms), &packet)) {
    ThrowErrno(env, error, "descriptor " + std::to_string(socket));
    return {};
  }
  if (packet.bytes.empty()) return env.Undefined();
  Napi::Object o = Napi::Object::New(env);
  Napi::Array fds = Napi::Array::New(env, packet.fds.size());
  o.Set("bytes", Napi::Value(env, NewBytes(env, packet.bytes)));
  for (uint32_t i = 0; i < packet.fds.size(); i++) fds.Set(i, packet.fds[i].Release());
  o.Set("fds", fds);
  return o;
}

/// exitNow(code): as a process that is killed ends, with nothing undone: what it shares with another one stays.
Napi::Value ExitNow(const Napi::CallbackInfo& info) {
  int64_t code;
  if (GetInteger(info[0], "code", 0, 255, &code)) _exit(static_cast<int>(code));
  return info.Env().Undefined();
}

/// becomeProgram(path, args): in the place of this process; returns when it cannot be started.
Napi::Value BecomeProgram(const Napi::CallbackInfo& info) {
  std::string path;
  if (!GetString(info[0], "path", &path)) return {};
  if (!info[1].IsArray()) {
    Napi::TypeError::New(info.Env(), "args: an array of text is expected").ThrowAsJavaScriptException();
    return {};
  }
  const auto array = info[1].As<Napi::Array>();
  std::vector<std::string> args{path};
  for (uint32_t i = 0; i < array.Length(); i++)
    if (!GetString(array.Get(i), "args", &args.emplace_back())) return {};
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  // Node ignores it, and what is ignored stays so; it keeps the standard descriptors from programs too.
  signal(SIGPIPE, SIG_DFL);
  for (int fd = 0; fd <= STDERR_FILENO; fd++) fcntl(fd, F_SETFD, 0);
  execv(path.c_str(), argv.data());
  ThrowErrno(info.Env(), os::Error::Last("execv"), path);
  return {};
}

}  // namespace

void InitPackets(Napi::Env env, Napi::Object exports) {
  exports.Set("packetsListen", Napi::Function::New(env, PacketsListen));
  exports.Set("packetsAccept", Napi::Function::New(env, PacketsAccept));
  exports.Set("packetsConnect", Napi::Function::New(env, PacketsConnect));
  exports.Set("packetSend", Napi::Function::New(env, PacketSend));
  exports.Set("packetReceive", Napi::Function::New(env, PacketReceive));
  exports.Set("becomeProgram", Napi::Function::New(env, BecomeProgram));
  exports.Set("exitNow", Napi::Function::New(env, ExitNow));
}

}  // namespace ptnet::addon
