// The functions of native/os.ts: memfd, eventfd, descriptors.
#include <fcntl.h>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/channel.h"
#include "addon/mapping.h"
#include "addon/watch.h"
#include "os/datagram.h"
#include "os/event.h"
#include "os/inspect.h"
#include "os/memory.h"
#include "os/peer_fd.h"
#include "os/socket.h"

namespace ptnet::addon {

namespace {

constexpr int64_t kMaxSize = (int64_t{1} << 53) - 1;

std::string Descriptor(int fd) { return "descriptor " + std::to_string(fd); }

/** The number of a descriptor that now belongs to JavaScript; throws when there is an error. */
Napi::Value Handover(Napi::Env env, os::Error error, const std::string& object, os::UniqueFd fd) {
  if (error) {
    ThrowErrno(env, error, object);
    return env.Undefined();
  }
  return Napi::Number::New(env, fd.Release());
}

Napi::Value MemfdCreate(const Napi::CallbackInfo& info) {
  std::string name;
  int64_t size;
  if (!GetString(info[0], "name", &name) || !GetInteger(info[1], "size", 0, kMaxSize, &size)) return {};
  os::MemfdOptions options;
  options.seal = GetOption(info[2], "seal").ToBoolean();
  options.hugetlb = GetOption(info[2], "hugetlb").ToBoolean();
  os::UniqueFd fd;
  const os::Error error = os::CreateMemfd(name.c_str(), static_cast<uint64_t>(size), options, &fd);
  return Handover(info.Env(), error, "memfd '" + name + "' of " + std::to_string(size) + " bytes", std::move(fd));
}

Napi::Value Eventfd(const Napi::CallbackInfo& info) {
  int64_t initial = 0;
  if (!info[0].IsUndefined() && !GetInteger(info[0], "initial", 0, UINT32_MAX, &initial)) return {};
  os::UniqueFd fd;
  const os::Error error = os::CreateEventfd(static_cast<unsigned>(initial), &fd);
  return Handover(info.Env(), error, "eventfd", std::move(fd));
}

void EventfdSignal(const Napi::CallbackInfo& info) {
  int fd;
  if (!GetFd(info[0], &fd)) return;
  if (const os::Error error = os::SignalEventfd(fd)) ThrowErrno(info.Env(), error, Descriptor(fd));
}

Napi::Value EventfdDrain(const Napi::CallbackInfo& info) {
  int fd;
  if (!GetFd(info[0], &fd)) return {};
  uint64_t count;
  if (const os::Error error = os::DrainEventfd(fd, &count)) {
    ThrowErrno(info.Env(), error, Descriptor(fd));
    return {};
  }
  return Napi::BigInt::New(info.Env(), count);
}

Napi::Value PollReadable(const Napi::CallbackInfo& info) {
  int fd;
  int64_t timeout_ms;
  if (!GetFd(info[0], &fd) || !GetInteger(info[1], "timeoutMs", -1, INT32_MAX, &timeout_ms)) return {};
  bool readable = false;
  if (const os::Error error = os::PollReadable(fd, static_cast<int>(timeout_ms), &readable)) {
    ThrowErrno(info.Env(), error, Descriptor(fd));
    return {};
  }
  return Napi::Boolean::New(info.Env(), readable);
}

Napi::Value Dup(const Napi::CallbackInfo& info) {
  int fd;
  if (!GetFd(info[0], &fd)) return {};
  os::UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  const os::Error error = copy ? os::Error{} : os::Error::Last("fcntl");
  return Handover(info.Env(), error, Descriptor(fd), std::move(copy));
}

void CloseFd(const Napi::CallbackInfo& info) {
  int fd;
  if (!GetFd(info[0], &fd)) return;
  if (os::IsPeerFd(fd))
    os::CloseElsewhere(fd);
  else if (close(fd) != 0 && errno != EINTR)
    ThrowErrno(info.Env(), os::Error::Last("close"), Descriptor(fd));
}

void ClosePeerFd(const Napi::CallbackInfo& info) {
  int fd;
  if (GetFd(info[0], &fd)) os::CloseElsewhere(fd);
}

/// False when the peer has kept too much waiting, and nothing is done.
Napi::Value SignalPeerFd(const Napi::CallbackInfo& info) {
  int fd;
  if (!GetFd(info[0], &fd)) return {};
  const os::PeerId peer = os::PeerOf(fd);
  if (peer == 0) {
    EventfdSignal(info);
    return Napi::Boolean::New(info.Env(), true);
  }
  // May wait where nobody else does.
  const auto signal = [fd] {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof one);
  };
  return Napi::Boolean::New(info.Env(), os::DoElsewhere(peer, signal));
}

void AwaitPeerCloses(const Napi::CallbackInfo&) { os::AwaitPeerCloses(); }

Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  os::UniqueFd first;
  os::UniqueFd second;
  if (const os::Error error = os::CreateSocketPair(&first, &second)) {
    ThrowErrno(info.Env(), error, "Unix stream sockets");
    return {};
  }
  const Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, Napi::Number::New(info.Env(), first.Release()));
  pair.Set(1u, Napi::Number::New(info.Env(), second.Release()));
  return pair;
}

Napi::Value InspectFd(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  int fd;
  if (!GetFd(info[0], &fd)) return {};
  os::FdInfo found;
  if (const os::Error error = os::InspectFd(fd, &found)) {
    ThrowErrno(env, error, Descriptor(fd));
    return {};
  }
  const Napi::Object result = Napi::Object::New(env);
  const char* kind = found.kind == os::FdKind::kMemory    ? "memory"
                     : found.kind == os::FdKind::kFile    ? "file"
                     : found.kind == os::FdKind::kEventfd ? "eventfd"
                                                          : "other";
  result.Set("kind", kind);
  result.Set("size", Napi::BigInt::New(env, found.size));
  result.Set("device", Napi::BigInt::New(env, found.device));
  result.Set("inode", Napi::BigInt::New(env, found.inode));
  result.Set("pageSize", Napi::Number::New(env, found.page_size));
  result.Set("readable", found.readable);
  result.Set("writable", found.writable);
  result.Set("nonblocking", found.nonblocking);
  result.Set("shrinkSealed", found.shrink_sealed);
  result.Set("writeSealed", found.write_sealed);
  return result;
}

/// peerCredentials(socket): {pid, uid, gid}
Napi::Value PeerCredentials(const Napi::CallbackInfo& info) {
  int fd;
  if (!GetFd(info[0], &fd)) return {};
  os::PeerCredentials peer;
  if (const os::Error error = os::GetPeerCredentials(fd, &peer)) {
    ThrowErrno(info.Env(), error, Descriptor(fd));
    return {};
  }
  const Napi::Object result = Napi::Object::New(info.Env());
  result.Set("pid", peer.pid);
  result.Set("uid", peer.uid);
  result.Set("gid", peer.gid);
  return result;
}

void SendDatagram(const Napi::CallbackInfo& info) {
  std::string address;
  std::string text;
  std::vector<int> fds;
  int64_t patience_ms;
  if (!GetString(info[0], "address", &address) || !GetString(info[1], "text", &text) || !GetFds(info[2], &fds) ||
      !GetInteger(info[3], "patienceMs", 0, 60'000, &patience_ms))
    return;
  if (const os::Error error = os::SendDatagram(address, text, fds, static_cast<int>(patience_ms)))
    ThrowErrno(info.Env(), error, address);
}

void SetNonblocking(const Napi::CallbackInfo& info) {
  int fd;
  if (!GetFd(info[0], &fd)) return;
  if (const os::Error error = os::SetNonblocking(fd)) ThrowErrno(info.Env(), error, Descriptor(fd));
}

}  // namespace

void InitOs(Napi::Env env, Napi::Object exports) {
  exports.Set("memfdCreate", Napi::Function::New<MemfdCreate>(env, "memfdCreate"));
  exports.Set("eventfd", Napi::Function::New<Eventfd>(env, "eventfd"));
  exports.Set("eventfdSignal", Napi::Function::New<EventfdSignal>(env, "eventfdSignal"));
  exports.Set("eventfdDrain", Napi::Function::New<EventfdDrain>(env, "eventfdDrain"));
  exports.Set("pollReadable", Napi::Function::New<PollReadable>(env, "pollReadable"));
  exports.Set("dup", Napi::Function::New<Dup>(env, "dup"));
  exports.Set("closeFd", Napi::Function::New<CloseFd>(env, "closeFd"));
  exports.Set("closePeerFd", Napi::Function::New<ClosePeerFd>(env, "closePeerFd"));
  exports.Set("signalPeerFd", Napi::Function::New<SignalPeerFd>(env, "signalPeerFd"));
  exports.Set("awaitPeerCloses", Napi::Function::New<AwaitPeerCloses>(env, "awaitPeerCloses"));
  exports.Set("socketPair", Napi::Function::New<SocketPair>(env, "socketPair"));
  exports.Set("inspectFd", Napi::Function::New<InspectFd>(env, "inspectFd"));
  exports.Set("peerCredentials", Napi::Function::New<PeerCredentials>(env, "peerCredentials"));
  exports.Set("setNonblocking", Napi::Function::New<SetNonblocking>(env, "setNonblocking"));
  exports.Set("sendDatagram", Napi::Function::New<SendDatagram>(env, "sendDatagram"));
  Mapping::Register(env, exports);
  Watch::Register(env, exports);
  Channel::Register(env, exports);
}

}  // namespace ptnet::addon
