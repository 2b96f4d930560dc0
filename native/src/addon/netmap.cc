// The addon's interfaces of the host (`netmap:eth1`): ports, and members of switches.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/interface_states.h"
#include "addon/interfaces.h"
#include "addon/port_args.h"
#include "forward/netif_member.h"
#include "forward/netif_port.h"

namespace ptnet::addon {
namespace {

bool GetAccess(Napi::Value value, NetifAccess* access) {
  std::string word;
  if (!GetString(value, "access", &word)) return false;
  if (word == "auto") return *access = NetifAccess::kAuto, true;
  if (word == "af-xdp") return *access = NetifAccess::kXdp, true;
  if (word == "af-packet") return *access = NetifAccess::kPacket, true;
  Napi::RangeError::New(value.Env(), "access: '" + word + "': auto, af-xdp or af-packet is expected")
      .ThrowAsJavaScriptException();
  return false;
}

bool GetNetifOptions(Napi::Value value, NetifOptions* options) {
  int64_t queues, mtu;
  if (!GetString(GetOption(value, "object"), "object", &options->object) ||
      !GetString(GetOption(value, "name"), "name", &options->name) ||
      !GetString(GetOption(value, "netns"), "netns", &options->netns) ||
      !GetInteger(GetOption(value, "queues"), "queues", 1, kQueuesMax, &queues) ||
      !GetInteger(GetOption(value, "mtu"), "mtu", 0, UINT16_MAX, &mtu) ||
      !GetAccess(GetOption(value, "access"), &options->access))
    return false;
  options->queues = static_cast<uint32_t>(queues);
  options->mtu = static_cast<uint32_t>(mtu);
  return GetTakenNetif(GetOption(value, "taken"), options);
}

/// netmapPortCreate(region, stats, shape, options): {port, interface}
Napi::Value NetmapPortCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  auto stats = region ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  PortShape shape;
  NetifOptions options;
  std::shared_ptr<NetifPort> port;
  if (!stats || !GetShape(info[2], &shape) || !GetNetifOptions(info[3], &options) ||
      !ThrowUnlessOk(env, NetifPort::Create(region, stats, shape, options, &port)))
    return env.Undefined();
  return WrapInterfacePort(env, std::move(port));
}

/// netmapMemberCreate(engine, stats, switch, options): {member, interface}
Napi::Value NetmapMemberCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto stats = engine ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  auto sw = stats ? UnwrapHandle<ValeSwitch>(info[2]) : nullptr;
  NetifOptions options;
  std::shared_ptr<NetifMember> member;
  if (!sw || !GetNetifOptions(info[3], &options) ||
      !ThrowUnlessOk(env, NetifMember::Create(engine, stats, sw, options, &member)))
    return env.Undefined();
  return WrapInterfaceMember(env, std::move(member));
}

}  // namespace

void InitNetmap(Napi::Env env, Napi::Object exports) {
  exports.Set("netmapPortCreate", Napi::Function::New(env, NetmapPortCreate));
  exports.Set("netmapMemberCreate", Napi::Function::New(env, NetmapMemberCreate));
}

}  // namespace ptnet::addon
