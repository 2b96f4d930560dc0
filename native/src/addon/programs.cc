// The addon's programs: captures, replayers and bridges, each with a thread of its own.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/monitors.h"
#include "addon/port_args.h"
#include "program/bridge.h"
#include "program/capture.h"
#include "program/pcap_library.h"
#include "program/replay.h"

namespace ptnet::addon {

PTNET_HANDLE(Capture, 20, "a capture");
PTNET_HANDLE(Replay, 21, "a replayer");
PTNET_HANDLE(Bridge, 22, "a bridge");

namespace {

constexpr int64_t kMost = int64_t{1} << 53;

double Number(uint64_t n) { return static_cast<double>(n); }

bool GetCount(Napi::Value options, const char* key, int64_t most, uint64_t* out) {
  Napi::Value value = GetOption(options, key);
  int64_t n;
  if (value.IsUndefined()) return true;
  if (!GetInteger(value, key, 0, most, &n)) return false;
  *out = static_cast<uint64_t>(n);
  return true;
}

bool GetReal(Napi::Value options, const char* key, double most, double* out) {
  Napi::Value value = GetOption(options, key);
  if (value.IsUndefined()) return true;
  const double n = value.IsNumber() ? value.ToNumber().DoubleValue() : -1;
  if (n >= 0 && n <= most) return *out = n, true;
  Napi::RangeError::New(value.Env(), std::string(key) + ": not a number from 0 to " + std::to_string(most))
      .ThrowAsJavaScriptException();
  return false;
}

/// filterCompile(expression, snaplen): the program's instructions, 8 bytes each.
Napi::Value FilterCompile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string expression;
  int64_t snaplen;
  std::vector<BpfInsn> code;
  if (!GetString(info[0], "filter", &expression) || !GetInteger(info[1], "snaplen", 1, 1 << 20, &snaplen) ||
      !ThrowUnlessOk(env, CompileFilter(expression, static_cast<uint32_t>(snaplen), &code)))
    return env.Undefined();
  auto bytes = Napi::Uint8Array::New(env, code.size() * sizeof(BpfInsn));
  if (!code.empty()) memcpy(bytes.Data(), code.data(), bytes.ByteLength());
  return bytes;
}

bool GetFilter(Napi::Value value, BpfProgram* filter) {
  if (value.IsUndefined()) return true;
  std::vector<BpfInsn> code;
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().ByteLength() % sizeof(BpfInsn) == 0) {
    auto bytes = value.As<Napi::Uint8Array>();
    code.resize(bytes.ByteLength() / sizeof(BpfInsn));
    if (!code.empty()) memcpy(code.data(), bytes.Data(), bytes.ByteLength());
    return ThrowUnlessOk(value.Env(), BpfProgram::Create(std::move(code), filter));
  }
  Napi::TypeError::New(value.Env(), "filter: instructions of 8 bytes are expected").ThrowAsJavaScriptException();
  return false;
}

/// A duplicate of the descriptor that is given; what it cannot be had for is thrown.
bool GetFile(Napi::Value value, os::PeerFd* file) {
  int number;
  if (!GetFd(value, &number)) return false;
  file->Reset(fcntl(number, F_DUPFD_CLOEXEC, 3));
  if (*file) return true;
  ThrowErrno(value.Env(), os::Error::Last("fcntl"), "descriptor " + std::to_string(number));
  return false;
}

bool GetCaptureOptions(Napi::Value value, CaptureOptions* options) {
  uint64_t snaplen = options->snaplen, files = 0;
  if (!GetString(GetOption(value, "filterText"), "filterText", &options->filter_text) ||
      !GetFilter(GetOption(value, "filter"), &options->filter) || !GetCount(value, "snaplen", 1 << 20, &snaplen) ||
      !GetCount(value, "count", kMost, &options->count) ||
      !GetCount(value, "rotateBytes", kMost, &options->rotate_bytes) || !GetCount(value, "files", 100'000, &files))
    return false;
  options->snaplen = static_cast<uint32_t>(snaplen);
  options->files = static_cast<uint32_t>(files);
  Napi::Value fd = GetOption(value, "fd");
  if (fd.IsUndefined()) return GetString(GetOption(value, "path"), "path", &options->path);
  options->truncate = GetOption(value, "truncate").ToBoolean();
  return GetFile(fd, &options->fd);
}

/// captureStart(engine, port, member, ways, options): of the two that may be watched one is given.
Napi::Value CaptureStart(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  Watchable watched;
  CaptureOptions options;
  std::shared_ptr<Capture> capture;
  if (!engine || !GetWatchable(info[1], info[2], &watched) || !GetCaptureOptions(info[4], &options) ||
      !ThrowUnlessOk(env, Capture::Start(engine, watched, GetWays(info[3]), std::move(options), &capture)))
    return env.Undefined();
  return WrapHandle(env, std::move(capture));
}

Napi::Value CaptureStop(const Napi::CallbackInfo& info) {
  if (auto capture = UnwrapHandle<Capture>(info[0])) capture->Stop();
  return info.Env().Undefined();
}

Napi::Value CaptureStats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto capture = UnwrapHandle<Capture>(info[0]);
  if (!capture) return env.Undefined();
  const CaptureStatistics s = capture->statistics();
  Napi::Object o = Napi::Object::New(env);
  o.Set("seen", Number(s.seen));
  o.Set("dropped", Number(s.dropped));
  o.Set("filtered", Number(s.filtered));
  o.Set("written", Number(s.written));
  o.Set("bytes", Number(s.bytes));
  o.Set("files", Number(s.files));
  o.Set("ended", s.ended);
  o.Set("error", s.error);
  return o;
}

bool GetReplayOptions(Napi::Value value, ReplayOptions* options) {
  Napi::Value fd = GetOption(value, "fd");
  return (fd.IsUndefined() || GetFile(fd, &options->fd)) &&
         GetString(GetOption(value, "path"), "path", &options->path) && GetReal(value, "speed", 1e9, &options->speed) &&
         GetReal(value, "loss", 1, &options->loss) && GetCount(value, "rate", 1'000'000'000, &options->rate) &&
         GetCount(value, "loops", kMost, &options->loops) && GetCount(value, "delayNs", kMost, &options->delay_ns) &&
         GetCount(value, "jitterNs", kMost, &options->jitter_ns) && GetCount(value, "seed", kMost, &options->seed);
}

/// replayStart(engine, port, service, options)
Napi::Value ReplayStart(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto port = engine ? UnwrapHandle<PortHandle>(info[1]) : nullptr;
  AttachOptions service;
  ReplayOptions options;
  std::shared_ptr<Replay> replay;
  if (!port || !GetAttachOptions(info[2], &service) || !GetReplayOptions(info[3], &options) ||
      !ThrowUnlessOk(env, Replay::Start(engine, port->port, service, std::move(options), &replay)))
    return env.Undefined();
  return WrapHandle(env, std::move(replay));
}

Napi::Value ReplayStop(const Napi::CallbackInfo& info) {
  if (auto replay = UnwrapHandle<Replay>(info[0])) replay->Stop();
  return info.Env().Undefined();
}

Napi::Value ReplayStats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto replay = UnwrapHandle<Replay>(info[0]);
  if (!replay) return env.Undefined();
  const ReplayStatistics s = replay->statistics();
  Napi::Object o = Napi::Object::New(env);
  o.Set("packets", Number(s.packets));
  o.Set("bytes", Number(s.bytes));
  o.Set("lost", Number(s.lost));
  o.Set("skipped", Number(s.skipped));
  o.Set("loops", Number(s.loops));
  o.Set("lateNs", Number(s.late_ns));
  o.Set("ended", s.ended);
  o.Set("error", s.error);
  return o;
}

/// bridgeStart(engine, portA, portB, service)
Napi::Value BridgeStart(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto a = engine ? UnwrapHandle<PortHandle>(info[1]) : nullptr;
  auto b = a ? UnwrapHandle<PortHandle>(info[2]) : nullptr;
  AttachOptions service;
  std::shared_ptr<Bridge> bridge;
  if (!b || !GetAttachOptions(info[3], &service) ||
      !ThrowUnlessOk(env, Bridge::Start(engine, a->port, b->port, service, &bridge)))
    return env.Undefined();
  return WrapHandle(env, std::move(bridge));
}

Napi::Value BridgeStop(const Napi::CallbackInfo& info) {
  if (auto bridge = UnwrapHandle<Bridge>(info[0])) bridge->Stop();
  return info.Env().Undefined();
}

Napi::Object ToObject(Napi::Env env, const BridgeStatistics::Direction& d) {
  Napi::Object o = Napi::Object::New(env);
  o.Set("packets", Number(d.packets));
  o.Set("bytes", Number(d.bytes));
  o.Set("dropped", Number(d.dropped));
  return o;
}

Napi::Value BridgeStats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto bridge = UnwrapHandle<Bridge>(info[0]);
  if (!bridge) return env.Undefined();
  const BridgeStatistics s = bridge->statistics();
  Napi::Object o = Napi::Object::New(env);
  o.Set("forth", ToObject(env, s.forth));
  o.Set("back", ToObject(env, s.back));
  o.Set("copies", s.copies);
  return o;
}

}  // namespace

void InitPrograms(Napi::Env env, Napi::Object exports) {
  exports.Set("filterCompile", Napi::Function::New(env, FilterCompile));
  exports.Set("captureStart", Napi::Function::New(env, CaptureStart));
  exports.Set("captureStop", Napi::Function::New(env, CaptureStop));
  exports.Set("captureStats", Napi::Function::New(env, CaptureStats));
  exports.Set("replayStart", Napi::Function::New(env, ReplayStart));
  exports.Set("replayStop", Napi::Function::New(env, ReplayStop));
  exports.Set("replayStats", Napi::Function::New(env, ReplayStats));
  exports.Set("bridgeStart", Napi::Function::New(env, BridgeStart));
  exports.Set("bridgeStop", Napi::Function::New(env, BridgeStop));
  exports.Set("bridgeStats", Napi::Function::New(env, BridgeStats));
}

}  // namespace ptnet::addon
