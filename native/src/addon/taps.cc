// The addon's taps: ports, and members of switches.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/interface_states.h"
#include "addon/interfaces.h"
#include "addon/port_args.h"
#include "forward/tap_member.h"
#include "forward/tap_port.h"

namespace ptnet::addon {

namespace {

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
  return GetTakenTap(GetOption(value, "taken"), &options->taken);
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

}  // namespace

void InitTaps(Napi::Env env, Napi::Object exports) {
  exports.Set("tapPortCreate", Napi::Function::New(env, TapPortCreate));
  exports.Set("tapMemberCreate", Napi::Function::New(env, TapMemberCreate));
}

}  // namespace ptnet::addon
