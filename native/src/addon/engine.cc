// The addon's engine: workers, attachments, and the doorbell targets that the reader of the sockets rings.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/doorbell_target.h"
#include "addon/handles.h"
#include "addon/port_args.h"
#include "datapath/clock.h"

namespace ptnet::addon {

namespace {

bool GetVnetHdrLen(Napi::Value value, uint8_t* len) {
  int64_t n = 0;
  if (!value.IsUndefined() && !GetInteger(value, "vnetHdrLen", 0, 12, &n)) return false;
  *len = static_cast<uint8_t>(n);
  if (n == 0 || n == 10 || n == 12) return true;
  Napi::RangeError::New(value.Env(), "vnetHdrLen: " + std::to_string(n) + " is not 0, 10 or 12")
      .ThrowAsJavaScriptException();
  return false;
}

}  // namespace

bool GetAttachOptions(Napi::Value value, AttachOptions* options) {
  constexpr const char* kPolicies[] = {"poll", "adaptive", "notify", "inline"};
  std::string policy;
  int64_t spin_us, worker;
  if (!GetString(GetOption(value, "policy"), "policy", &policy) ||
      !GetInteger(GetOption(value, "spinUs"), "spinUs", 0, 1'000'000, &spin_us) ||
      !GetInteger(GetOption(value, "worker"), "worker", 0, 255, &worker))
    return false;
  if (!GetVnetHdrLen(GetOption(value, "vnetHdrLen"), &options->vnet_hdr_len)) return false;
  options->plain = GetOption(value, "plain").ToBoolean();
  options->resumes = GetOption(value, "resumes").ToBoolean();
  options->spin_ns = static_cast<uint64_t>(spin_us) * 1000;
  options->worker = static_cast<uint32_t>(worker);
  for (int i = 0; i < 4; i++) {
    if (policy != kPolicies[i]) continue;
    options->policy = static_cast<Policy>(i);
    return true;
  }
  Napi::RangeError::New(value.Env(), "policy: '" + policy + "' is not poll, adaptive, notify or inline")
      .ThrowAsJavaScriptException();
  return false;
}

namespace {

bool GetCpuList(Napi::Value value, CpuList* cpus) {
  if (!value.IsArray()) {
    Napi::TypeError::New(value.Env(), "cpus: an array of CPUs is expected for each worker")
        .ThrowAsJavaScriptException();
    return false;
  }
  Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    int64_t cpu;
    if (!GetInteger(list.Get(i), "cpu", 0, kCpusMax - 1, &cpu)) return false;
    cpus->push_back(static_cast<uint32_t>(cpu));
  }
  return true;
}

Napi::Value EngineCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<CpuList> cpus;
  if (!info[0].IsArray() || info[0].As<Napi::Array>().Length() == 0 || info[0].As<Napi::Array>().Length() > 256) {
    Napi::TypeError::New(env, "cpus: a list of CPUs for each worker (1 to 256) is expected, empty for any")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Napi::Array list = info[0].As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    if (!GetCpuList(list.Get(i), &cpus.emplace_back())) return env.Undefined();
  }
  std::shared_ptr<Engine> engine;
  if (!ThrowUnlessOk(env, Engine::Create(cpus, &engine))) return env.Undefined();
  return WrapHandle(env, std::move(engine));
}

Napi::Value EngineStats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  if (!engine) return env.Undefined();
  Napi::Array list = Napi::Array::New(env, engine->workers());
  for (uint32_t i = 0; i < engine->workers(); i++) {
    const WorkerCounters& c = engine->worker(i).counters();
    Napi::Object o = Napi::Object::New(env);
    o.Set("rounds", static_cast<double>(c.rounds.load()));
    o.Set("busyRounds", static_cast<double>(c.busy_rounds.load()));
    o.Set("cpuSeconds", static_cast<double>(engine->worker(i).CpuNs()) / 1e9);
    o.Set("parks", static_cast<double>(c.parks.load()));
    o.Set("wakeups", static_cast<double>(c.wakeups.load()));
    o.Set("idleWakeups", static_cast<double>(c.idle_wakeups.load()));
    o.Set("sleeps", static_cast<double>(c.sleeps.load()));
    o.Set("servedInKick", static_cast<double>(c.served_in_kick.load()));
    o.Set("watchErrors", static_cast<double>(c.watch_errors.load()));
    list.Set(i, o);
  }
  return list;
}

/// engineTick(engine): interrupts that went to a lane for want of asynchronous operations, in all.
Napi::Value EngineTick(const Napi::CallbackInfo& info) {
  auto engine = UnwrapHandle<Engine>(info[0]);
  if (!engine) return info.Env().Undefined();
  engine->Tick(NowNs());
  return Napi::Number::New(info.Env(), static_cast<double>(engine->lanes().without_aio()));
}

bool GetPlace(Napi::Value value, const char* name, CsbPlace* place) {
  if (!GetFd(GetOption(value, "fd"), &place->fd)) return false;
  Napi::Value offset = GetOption(value, "offset");
  bool lossless = false;
  if (offset.IsBigInt()) place->offset = offset.As<Napi::BigInt>().Uint64Value(&lossless);
  if (lossless && place->offset % 64 == 0) return true;
  Napi::TypeError::New(value.Env(), std::string(name) + ".offset: a bigint that is a multiple of 64 is expected")
      .ThrowAsJavaScriptException();
  return false;
}

/// attach(engine, port, guestToHost: {fd, offset}, hostToGuest: {fd, offset}, options)
Napi::Value Attach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto port = engine ? UnwrapHandle<PortHandle>(info[1]) : nullptr;
  CsbPlace guest_to_host, host_to_guest;
  AttachOptions options;
  std::shared_ptr<Attachment> attachment;
  if (!port || !GetPlace(info[2], "guestToHost", &guest_to_host) || !GetPlace(info[3], "hostToGuest", &host_to_guest) ||
      !GetAttachOptions(info[4], &options) ||
      !ThrowUnlessOk(env,
                     Attachment::Create(engine, port->port.get(), guest_to_host, host_to_guest, options, &attachment)))
    return env.Undefined();
  return WrapHandle(env, std::move(attachment));
}

Napi::Value Detach(const Napi::CallbackInfo& info) {
  if (auto attachment = UnwrapHandle<Attachment>(info[0])) attachment->Detach();
  return info.Env().Undefined();
}

Napi::Value AttachmentCsbLost(const Napi::CallbackInfo& info) {
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  if (!attachment) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), attachment->csb_lost());
}

Napi::Value AttachmentTarget(const Napi::CallbackInfo& info) {
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  if (!attachment) return info.Env().Undefined();
  return WrapDoorbellTarget(info.Env(), attachment);
}

Napi::Value TakeWatchErrors(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  if (!engine) return env.Undefined();
  Napi::Array list = Napi::Array::New(env);
  for (const std::string& line : engine->watch_errors().Take()) list.Set(list.Length(), line);
  return list;
}

Napi::Value AttachmentWatchFd(const Napi::CallbackInfo& info) {
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  if (!attachment) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), attachment->watch_fd());
}

Napi::Value AttachmentServeWatched(const Napi::CallbackInfo& info) {
  if (auto attachment = UnwrapHandle<Attachment>(info[0])) attachment->ServeWatched();
  return info.Env().Undefined();
}

Napi::Value AttachmentSync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  int64_t ring;
  if (!attachment || !GetInteger(info[1], "ring", 0, attachment->rings() - 1, &ring)) return env.Undefined();
  return Napi::Boolean::New(env, attachment->Sync(static_cast<uint32_t>(ring)));
}

/// A doorbell from JavaScript: the same as one from a socket.
Napi::Value AttachmentRing(const Napi::CallbackInfo& info) {
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  int64_t ring;
  if (attachment && GetInteger(info[1], "ring", 0, attachment->rings() - 1, &ring))
    if (Worker* worker = attachment->Ring(static_cast<uint32_t>(ring))) worker->Wake();
  return info.Env().Undefined();
}

bool GetFdList(Napi::Value value, std::vector<int>* fds) {
  if (!value.IsArray()) {
    Napi::TypeError::New(value.Env(), "fds: an array of descriptors is expected, -1 for none")
        .ThrowAsJavaScriptException();
    return false;
  }
  Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    int64_t fd;
    if (!GetInteger(list.Get(i), "fd", -1, INT32_MAX, &fd)) return false;
    fds->push_back(static_cast<int>(fd));
  }
  return true;
}

Napi::Value SetInterrupts(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  int64_t first;
  std::vector<int> fds;
  if (attachment && GetInteger(info[1], "first", 0, UINT32_MAX, &first) && GetFdList(info[2], &fds))
    ThrowUnlessOk(env, attachment->SetInterrupts(static_cast<uint32_t>(first), fds));
  return env.Undefined();
}

Napi::Value SetDoorbells(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  std::vector<int> fds;
  if (attachment && GetFdList(info[1], &fds)) ThrowUnlessOk(env, attachment->SetDoorbells(fds));
  return env.Undefined();
}

Napi::Value SetPolicy(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto attachment = UnwrapHandle<Attachment>(info[0]);
  AttachOptions options;
  if (attachment && GetAttachOptions(info[1], &options)) ThrowUnlessOk(env, attachment->SetPolicy(options));
  return env.Undefined();
}

}  // namespace

void InitEngine(Napi::Env env, Napi::Object exports) {
  exports.Set("engineCreate", Napi::Function::New(env, EngineCreate));
  exports.Set("engineStats", Napi::Function::New(env, EngineStats));
  exports.Set("engineTick", Napi::Function::New(env, EngineTick));
  exports.Set("attach", Napi::Function::New(env, Attach));
  exports.Set("detach", Napi::Function::New(env, Detach));
  exports.Set("attachmentCsbLost", Napi::Function::New(env, AttachmentCsbLost));
  exports.Set("attachmentTarget", Napi::Function::New(env, AttachmentTarget));
  exports.Set("engineTakeWatchErrors", Napi::Function::New(env, TakeWatchErrors));
  exports.Set("attachmentWatchFd", Napi::Function::New(env, AttachmentWatchFd));
  exports.Set("attachmentServeWatched", Napi::Function::New(env, AttachmentServeWatched));
  exports.Set("attachmentSync", Napi::Function::New(env, AttachmentSync));
  exports.Set("attachmentRing", Napi::Function::New(env, AttachmentRing));
  exports.Set("attachmentSetInterrupts", Napi::Function::New(env, SetInterrupts));
  exports.Set("attachmentSetDoorbells", Napi::Function::New(env, SetDoorbells));
  exports.Set("attachmentSetPolicy", Napi::Function::New(env, SetPolicy));
}

}  // namespace ptnet::addon
