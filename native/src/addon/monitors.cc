// The addon's monitors: ports that show what passes another one.
#include "addon/monitors.h"

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/port_args.h"
#include "forward/monitor.h"
#include "forward/zcopy_monitor.h"

namespace ptnet::addon {
namespace {

template <typename Monitor>
Napi::Value Create(Napi::Env env, std::shared_ptr<Region> region, std::shared_ptr<StatsArea> stats,
                   const PortShape& shape, std::shared_ptr<Engine> engine, Watchable watched, Ways ways) {
  std::shared_ptr<Monitor> port;
  if (!ThrowUnlessOk(env, Monitor::Create(region, stats, shape, engine, std::move(watched), ways, &port)))
    return env.Undefined();
  return WrapHandle(env, std::make_shared<PortHandle>(PortHandle{std::move(port)}));
}

/// monitorPortCreate(engine, region, stats, shape, port, member, ways, zeroCopy): of the two that may be watched one is
/// given.
Napi::Value MonitorPortCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto region = engine ? UnwrapHandle<Region>(info[1]) : nullptr;
  auto stats = region ? UnwrapHandle<StatsArea>(info[2]) : nullptr;
  PortShape shape;
  Watchable watched;
  if (!stats || !GetShape(info[3], &shape) || !GetWatchable(info[4], info[5], &watched)) return env.Undefined();
  const auto create = info[7].ToBoolean() ? Create<ZcopyMonitorPort> : Create<MonitorPort>;
  return create(env, region, stats, shape, engine, std::move(watched), GetWays(info[6]));
}

}  // namespace

bool GetWatchable(Napi::Value port, Napi::Value member, Watchable* watched) {
  if (port.IsUndefined()) {
    watched->member = UnwrapHandle<InterfaceMember>(member);
    return watched->member != nullptr;
  }
  auto handle = UnwrapHandle<PortHandle>(port);
  if (handle) watched->port = handle->port;
  return handle != nullptr;
}

Ways GetWays(Napi::Value value) { return {GetOption(value, "tx").ToBoolean(), GetOption(value, "rx").ToBoolean()}; }

void InitMonitors(Napi::Env env, Napi::Object exports) {
  exports.Set("monitorPortCreate", Napi::Function::New(env, MonitorPortCreate));
}

}  // namespace ptnet::addon
