// The addon's taps: ports, members of switches, and what becomes of their interfaces.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/handles.h"
#include "addon/port_args.h"
#include "forward/tap_member.h"
#include "forward/tap_port.h"

namespace ptnet::addon {

/// A tap, whoever uses it; `flows` wait for its queues.
struct TapHandle {
  std::shared_ptr<TapDevice> device;
  std::shared_ptr<void> owner;
  std::vector<Flow*> flows;
};

PTNET_HANDLE(TapHandle, 7, "a tap");
PTNET_HANDLE(TapMember, 8, "a member of a switch");

namespace {

constexpr uint32_t kQueuesMax = 256;  // the kernel's, of one tap

bool GetTapOptions(Napi::Value value, os::TapOptions* options) {
  int64_t queues, mtu;
  if (!GetString(GetOption(value, "object"), "object", &options->object) ||
      !GetString(GetOption(value, "name"), "name", &options->name) ||
      !GetString(GetOption(value, "netns"), "netns", &options->netns) ||
      !GetInteger(GetOption(value, "queues"), "queues", 1, kQueuesMax, &queues) ||
      !GetInteger(GetOption(value, "mtu"), "mtu", 0, UINT16_MAX, &mtu))
    return false;
  options->queues = static_cast<uint32_t>(queues);
  options->mtu = static_cast<uint32_t>(mtu);
  Napi::Value addresses = GetOption(value, "addresses");
  if (!addresses.IsArray()) {
    Napi::TypeError::New(value.Env(), "addresses: not an array: texts are expected").ThrowAsJavaScriptException();
    return false;
  }
  const Napi::Array list = addresses.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    options->addresses.emplace_back();
    if (!GetString(list.Get(i), "address", &options->addresses.back())) return false;
  }
  return true;
}

/// tapPortCreate(region, stats, shape, tap): {port, tap}
Napi::Value TapPortCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  auto stats = region ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  PortShape shape;
  os::TapOptions options;
  std::shared_ptr<TapPort> port;
  if (!stats || !GetShape(info[2], &shape) || !GetTapOptions(info[3], &options) ||
      !ThrowUnlessOk(env, TapPort::Create(region, stats, shape, options, &port)))
    return env.Undefined();
  TapHandle tap{port->shared_device(), port, {}};
  for (uint32_t i = 0; i < port->rings(); i++) tap.flows.push_back(port->flow(i));
  Napi::Object made = Napi::Object::New(env);
  made.Set("tap", WrapHandle(env, std::make_shared<TapHandle>(std::move(tap))));
  made.Set("port", WrapHandle(env, std::make_shared<PortHandle>(PortHandle{std::move(port)})));
  return made;
}

/// tapMemberCreate(engine, stats, switch, tap): {member, tap}
Napi::Value TapMemberCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto stats = engine ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  auto sw = stats ? UnwrapHandle<ValeSwitch>(info[2]) : nullptr;
  os::TapOptions options;
  std::shared_ptr<TapMember> member;
  if (!sw || !GetTapOptions(info[3], &options) ||
      !ThrowUnlessOk(env, TapMember::Create(engine, stats, sw, options, &member)))
    return env.Undefined();
  TapHandle tap{member->shared_device(), member, {}};
  for (uint32_t i = 0; i < member->queues(); i++) tap.flows.push_back(&member->flow(i));
  Napi::Object made = Napi::Object::New(env);
  made.Set("tap", WrapHandle(env, std::make_shared<TapHandle>(std::move(tap))));
  made.Set("member", WrapHandle(env, std::move(member)));
  return made;
}

/// memberStart(member, options): a worker serves it from now on.
Napi::Value MemberStart(const Napi::CallbackInfo& info) {
  AttachOptions options;
  auto member = UnwrapHandle<TapMember>(info[0]);
  if (!member || !GetAttachOptions(info[1], &options)) return info.Env().Undefined();
  if (ThrowUnlessOk(info.Env(), member->CheckService(options.policy, options.worker)))
    member->Start(options.policy, options.spin_ns, options.worker);
  return info.Env().Undefined();
}

/// memberLimit(member, limits): once, before it is started.
Napi::Value MemberLimit(const Napi::CallbackInfo& info) {
  PortLimits limits;
  auto member = UnwrapHandle<TapMember>(info[0]);
  if (member && GetLimits(info[1], &limits)) member->Limit(limits);
  return info.Env().Undefined();
}

Napi::Value MemberStop(const Napi::CallbackInfo& info) {
  if (auto member = UnwrapHandle<TapMember>(info[0])) member->Stop();
  return info.Env().Undefined();
}

/// memberCounters(member): blocks of the statistics area, of what it sends and then of what it gets, a queue each.
Napi::Value MemberCounters(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto member = UnwrapHandle<TapMember>(info[0]);
  if (!member) return env.Undefined();
  Napi::Array blocks = Napi::Array::New(env);
  for (uint32_t i = 0; i < member->queues(); i++) {
    blocks.Set(i, member->stats().IndexOf(&member->from_tap(i)));
    blocks.Set(member->queues() + i, member->stats().IndexOf(&member->to_tap(i)));
  }
  return blocks;
}

Napi::Value TapInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto tap = UnwrapHandle<TapHandle>(info[0]);
  if (!tap) return env.Undefined();
  const os::LinkState& link = tap->device->link();
  Napi::Object o = Napi::Object::New(env);
  o.Set("interface", link.name);
  o.Set("mtu", link.mtu);
  o.Set("master", link.master);
  o.Set("gone", link.removed);
  o.Set("made", tap->device->made());
  o.Set("backpressure", tap->device->backpressure());
  o.Set("newsFd", tap->device->news_fd());
  return o;
}

Napi::Value TapTakeNews(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto tap = UnwrapHandle<TapHandle>(info[0]);
  if (!tap) return env.Undefined();
  Napi::Array lines = Napi::Array::New(env);
  for (const std::string& line : tap->device->TakeNews()) lines.Set(lines.Length(), line);
  return lines;
}

/// tapReopen(engine, tap): throws while it cannot be had.
Napi::Value TapReopen(const Napi::CallbackInfo& info) {
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto tap = engine ? UnwrapHandle<TapHandle>(info[1]) : nullptr;
  if (!tap || !ThrowUnlessOk(info.Env(), tap->device->Reopen())) return info.Env().Undefined();
  for (Flow* flow : tap->flows) engine->WatchAnew(flow);
  return info.Env().Undefined();
}

Napi::Value TapSetCarrier(const Napi::CallbackInfo& info) {
  if (auto tap = UnwrapHandle<TapHandle>(info[0])) tap->device->SetCarrier(info[1].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value TapClose(const Napi::CallbackInfo& info) {
  if (auto tap = UnwrapHandle<TapHandle>(info[0])) tap->device->Close();
  return info.Env().Undefined();
}

}  // namespace

void InitTaps(Napi::Env env, Napi::Object exports) {
  exports.Set("tapPortCreate", Napi::Function::New(env, TapPortCreate));
  exports.Set("tapMemberCreate", Napi::Function::New(env, TapMemberCreate));
  exports.Set("memberStart", Napi::Function::New(env, MemberStart));
  exports.Set("memberLimit", Napi::Function::New(env, MemberLimit));
  exports.Set("memberStop", Napi::Function::New(env, MemberStop));
  exports.Set("memberCounters", Napi::Function::New(env, MemberCounters));
  exports.Set("tapInfo", Napi::Function::New(env, TapInfo));
  exports.Set("tapTakeNews", Napi::Function::New(env, TapTakeNews));
  exports.Set("tapReopen", Napi::Function::New(env, TapReopen));
  exports.Set("tapSetCarrier", Napi::Function::New(env, TapSetCarrier));
  exports.Set("tapClose", Napi::Function::New(env, TapClose));
}

}  // namespace ptnet::addon
