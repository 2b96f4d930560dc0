// A Unix stream socket with descriptor passing on the event loop.
#include "addon/channel.h"

#include <fcntl.h>
#include <poll.h>

#include "addon/args.h"
#include "addon/call.h"
#include "os/socket.h"

namespace ptnet::addon {

namespace {

constexpr size_t kReadSize = 65536;
constexpr size_t kMaxOutboundBytes = size_t{64} << 20;
constexpr int kPauseTimeoutMs = 5000;

}  // namespace

void Channel::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Channel", DefineClass(env, "Channel",
                                     {
                                         InstanceAccessor<&Channel::Fd>("fd"),
                                         InstanceAccessor<&Channel::PeerProcess>("peerProcess"),
                                         InstanceMethod<&Channel::Start>("start"),
                                         InstanceMethod<&Channel::Pause>("pause"),
                                         InstanceMethod<&Channel::Resume>("resume"),
                                         InstanceMethod<&Channel::Send>("send"),
                                         InstanceMethod<&Channel::Close>("close"),
                                     }));
}

Channel::Channel(const Napi::CallbackInfo& info) : ObjectWrap(info), outbound_(kMaxOutboundBytes) {
  if (info[0].IsString()) {
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    if (const os::Error error = os::ConnectUnix(path, &fd_)) ThrowErrno(info.Env(), error, path);
    return;
  }
  int fd;
  if (!GetFd(info[0], &fd)) return;
  if (fcntl(fd, F_GETFD) < 0) {
    ThrowErrno(info.Env(), os::Error::Last("fcntl"), "descriptor " + std::to_string(fd));
    return;
  }
  fd_.Reset(fd);
}

Napi::Value Channel::Fd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

Napi::Value Channel::PeerProcess(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env(), "getsockopt")) return {};
  pid_t pid = 0;
  if (const os::Error error = os::PeerProcess(fd_.get(), &pid)) {
    ThrowErrno(info.Env(), error, "descriptor " + std::to_string(fd_.get()));
    return {};
  }
  return Napi::Number::New(info.Env(), pid);
}

bool Channel::CheckOpen(Napi::Env env, const char* syscall) {
  if (fd_) return true;
  ThrowErrno(env, {EBADF, syscall}, "closed channel");
  return false;
}

void Channel::Start(const Napi::CallbackInfo& info) {
  Napi::Function on_data;
  Napi::Function on_close;
  if (!CheckOpen(info.Env(), "poll") || !GetFunction(info[0], "onData", &on_data) ||
      !GetFunction(info[1], "onClose", &on_close))
    return;
  if (poller_ != nullptr) {
    ThrowErrno(info.Env(), {EALREADY, "poll"}, "channel that was started before");
    return;
  }
  int status;
  poller_ = Poller::Open(info.Env(), fd_.get(), this, &status);
  if (poller_ == nullptr) {
    ThrowErrno(info.Env(), {-status, "poll"}, "descriptor " + std::to_string(fd_.get()));
    return;
  }
  on_data_ = Napi::Persistent(on_data);
  on_close_ = Napi::Persistent(on_close);
  Ref();  // started means alive: undone by Shut
  reading_ = true;
  UpdateInterest();
}

void Channel::Pause(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env(), "poll")) return;
  // What is queued goes out first: whoever owns the socket next must not write into the middle of a message.
  while (!outbound_.empty()) {
    pollfd entry = {fd_.get(), POLLOUT, 0};
    const int ready = poll(&entry, 1, kPauseTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    if (const os::Error error = ready == 0 ? os::Error{ETIMEDOUT, "poll"} : outbound_.Flush(fd_.get())) {
      ThrowErrno(info.Env(), error, "channel " + std::to_string(fd_.get()));
      return;
    }
  }
  reading_ = false;
  UpdateInterest();
}

void Channel::Resume(const Napi::CallbackInfo& info) {
  if (!CheckOpen(info.Env(), "poll")) return;
  reading_ = poller_ != nullptr;
  UpdateInterest();
}

void Channel::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<int> fds;
  if (!CheckOpen(env, "sendmsg") || !GetFds(info[1], &fds)) return;
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(env, "bytes: not a Uint8Array").ThrowAsJavaScriptException();
    return;
  }
  const Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  if (const os::Error error = outbound_.Send(fd_.get(), {bytes.Data(), bytes.ByteLength()}, fds)) {
    ThrowErrno(env, error, "channel " + std::to_string(fd_.get()));
    return;
  }
  UpdateInterest();
}

void Channel::OnReady(int status, int events) {
  const Napi::HandleScope scope(Env());
  if (status < 0) return CloseWith(-status);
  if ((events & UV_WRITABLE) != 0) {
    if (const os::Error error = outbound_.Flush(fd_.get())) return CloseWith(error.number);
    UpdateInterest();
  }
  if ((events & UV_READABLE) != 0 && reading_) ReadOnce();
}

void Channel::ReadOnce() {
  uint8_t buffer[kReadSize];
  std::vector<os::PeerFd> fds;
  os::Received received;
  const os::Error error = os::ReceiveWithFds(fd_.get(), 0, buffer, sizeof buffer, &fds, &received);
  if (error.number == EAGAIN) return;
  if (error) return CloseWith(error.number);
  if (received.truncated) return CloseWith(EMFILE);
  if (received.bytes == 0) return CloseWith(0);
  if (!CallJs(Env(), on_data_.Value(), {NewBytes(Env(), {buffer, received.bytes}), NewFds(Env(), fds)})) return;
  for (os::PeerFd& fd : fds) fd.Release();
}

void Channel::UpdateInterest() {
  if (poller_ == nullptr) return;
  const int events = (reading_ ? UV_READABLE : 0) | (outbound_.empty() ? 0 : UV_WRITABLE);
  if (events != 0)
    poller_->Start(events);
  else
    poller_->Stop();
}

void Channel::OnEnvironmentEnd() { Shut(); }

void Channel::Close(const Napi::CallbackInfo&) { Shut(); }

void Channel::Shut() {
  const bool started = poller_ != nullptr;
  if (started) poller_->Close();
  poller_ = nullptr;
  reading_ = false;
  fd_.Reset();
  outbound_.Clear();
  on_data_.Reset();
  on_close_.Reset();
  if (started) Unref();
}

void Channel::CloseWith(int error) {
  const Napi::FunctionReference on_close = std::move(on_close_);
  Shut();
  CallJs(Env(), on_close.Value(), {NewNumber(Env(), error)});
}

}  // namespace ptnet::addon
