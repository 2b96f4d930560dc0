// The addon's taps: ports, and members of switches.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/interfaces.h"
#include "addon/port_args.h"
#include "forward/tap_member.h"
#include "forward/tap_port.h"

namespace ptnet::addon {

namespace {

bool GetUint32(Napi::Value object, const char* key, uint32_t most, uint32_t* out) {
  int64_t n;
  if (!GetInteger(GetOption(object, key), key, 0, most, &n)) return false;
  *out = static_cast<uint32_t>(n);
  return true;
}

bool GetLink(Napi::Value value, os::LinkState* link) {
  if (!GetUint32(value, "index", INT32_MAX, &link->index) ||
      !GetString(GetOption(value, "name"), "name", &link->name) || !GetUint32(value, "mtu", UINT32_MAX, &link->mtu) ||
      !GetUint32(value, "rxQueues", UINT32_MAX, &link->rx_queues) ||
      !GetUint32(value, "master", UINT32_MAX, &link->master) || !GetUint32(value, "peer", UINT32_MAX, &link->peer))
    return false;
  link->up = GetOption(value, "up").ToBoolean();
  link->carrier = GetOption(value, "carrier").ToBoolean();
  return true;
}

bool GetTaken(Napi::Value value, std::shared_ptr<const os::TapState>* out) {
  if (value.IsUndefined()) return true;
  auto state = std::make_shared<os::TapState>();
  uint32_t offloads;
  Napi::Value counters = GetOption(value, "counters");
  if (!GetFds(GetOption(value, "queues"), &state->queues) || !GetFd(GetOption(value, "news"), &state->news) ||
      !GetLink(GetOption(value, "link"), &state->link) ||
      !GetUint32(value, "vnetHdr", VirtioNetHdr::kVnetHdrLong, &state->vnet_hdr) ||
      !GetUint32(value, "offloads", static_cast<uint32_t>(os::TapOffloads::kSegments), &offloads))
    return false;
  if (!counters.IsArray()) {
    Napi::TypeError::New(value.Env(), "counters: an array is expected").ThrowAsJavaScriptException();
    return false;
  }
  state->offloads = static_cast<os::TapOffloads>(offloads);
  state->made = GetOption(value, "made").ToBoolean();
  state->backpressure = GetOption(value, "backpressure").ToBoolean();
  state->udp_segments = GetOption(value, "udpSegments").ToBoolean();
  state->carrier = GetOption(value, "carrier").ToBoolean();
  const Napi::Array list = counters.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    int64_t block;
    if (!GetInteger(list.Get(i), "counters", 0, UINT32_MAX, &block)) return false;
    state->counters.push_back(static_cast<uint32_t>(block));
  }
  *out = std::move(state);
  return true;
}

bool GetTapOptions(Napi::Value value, os::TapOptions* options) {
  int64_t queues, mtu, vnet_hdr;
  if (!GetString(GetOption(value, "object"), "object", &options->object) ||
      !GetString(GetOption(value, "name"), "name", &options->name) ||
      !GetString(GetOption(value, "netns"), "netns", &options->netns) ||
      !GetString(GetOption(value, "beside"), "beside", &options->beside) ||
      !GetInteger(GetOption(value, "queues"), "queues", 1, kQueuesMax, &queues) ||
      !GetInteger(GetOption(value, "mtu"), "mtu", 0, UINT16_MAX, &mtu) ||
      !GetInteger(GetOption(value, "vnetHdr"), "vnetHdr", 0, VirtioNetHdr::kVnetHdrLong, &vnet_hdr))
    return false;
  options->vnet_hdr = static_cast<uint32_t>(vnet_hdr);
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
  return GetTaken(GetOption(value, "taken"), &options->taken);
}

/// tapPortCreate(region, stats, shape, tap): {port, interface}
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
  return WrapInterfacePort(env, std::move(port));
}

/// tapMemberCreate(engine, stats, switch, tap): {member, interface}
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
  return WrapInterfaceMember(env, std::move(member));
}

/// tapState(interface): for another process, while nobody serves it; undefined: it is no tap. Descriptors stay its own.
Napi::Value TapStateOf(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto opened = UnwrapHandle<InterfaceHandle>(info[0]);
  const auto state = opened ? opened->device->state() : std::nullopt;
  if (!state) return env.Undefined();
  Napi::Array queues = Napi::Array::New(env);
  for (const int queue : state->queues) queues.Set(queues.Length(), queue);
  Napi::Object link = Napi::Object::New(env);
  link.Set("index", state->link.index);
  link.Set("name", state->link.name);
  link.Set("mtu", state->link.mtu);
  link.Set("up", state->link.up);
  link.Set("carrier", state->link.carrier);
  link.Set("rxQueues", state->link.rx_queues);
  link.Set("master", state->link.master);
  link.Set("peer", state->link.peer);
  Napi::Object o = Napi::Object::New(env);
  o.Set("queues", queues);
  o.Set("news", state->news);
  o.Set("link", link);
  o.Set("made", state->made);
  o.Set("backpressure", state->backpressure);
  o.Set("udpSegments", state->udp_segments);
  o.Set("carrier", state->carrier);
  o.Set("vnetHdr", state->vnet_hdr);
  o.Set("offloads", static_cast<uint32_t>(state->offloads));
  return o;
}

/// Of one that another process has had: it is this one's from now on.
Napi::Value InterfaceGoOn(const Napi::CallbackInfo& info) {
  if (auto opened = UnwrapHandle<InterfaceHandle>(info[0])) opened->device->GoOn();
  return info.Env().Undefined();
}

Napi::Value MemberSuspend(const Napi::CallbackInfo& info) {
  if (auto member = UnwrapHandle<InterfaceMember>(info[0])) member->Suspend();
  return info.Env().Undefined();
}

Napi::Value MemberResume(const Napi::CallbackInfo& info) {
  if (auto member = UnwrapHandle<InterfaceMember>(info[0])) member->Resume();
  return info.Env().Undefined();
}

}  // namespace

void InitTaps(Napi::Env env, Napi::Object exports) {
  exports.Set("tapPortCreate", Napi::Function::New(env, TapPortCreate));
  exports.Set("tapMemberCreate", Napi::Function::New(env, TapMemberCreate));
  exports.Set("tapState", Napi::Function::New(env, TapStateOf));
  exports.Set("interfaceGoOn", Napi::Function::New(env, InterfaceGoOn));
  exports.Set("memberSuspend", Napi::Function::New(env, MemberSuspend));
  exports.Set("memberResume", Napi::Function::New(env, MemberResume));
}

}  // namespace ptnet::addon
