// The addon's ports: null, pipe and VALE ports, switches, and what a null port's ends are told.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/handles.h"
#include "addon/places.h"
#include "addon/port_args.h"

namespace ptnet::addon {
namespace {

constexpr int64_t kRateMost = 1'000'000'000'000;  // far more than there is

}  // namespace

bool GetShape(Napi::Value value, PortShape* shape) {
  if (!GetString(GetOption(value, "name"), "name", &shape->name)) return false;
  const std::pair<const char*, uint32_t*> fields[] = {{"txRings", &shape->tx_rings},     {"rxRings", &shape->rx_rings},
                                                      {"txSlots", &shape->tx_slots},     {"rxSlots", &shape->rx_slots},
                                                      {"extraBufs", &shape->extra_bufs}, {"mtu", &shape->mtu}};
  for (auto [key, field] : fields) {
    Napi::Value option = GetOption(value, key);
    if (option.IsUndefined()) continue;
    int64_t n;
    if (!GetInteger(option, key, 0, 1'000'000, &n)) return false;
    *field = static_cast<uint32_t>(n);
  }
  return GetPlaces(GetOption(value, "places"), &shape->places) &&
         GetPlaces(GetOption(value, "otherPlaces"), &shape->other_places);
}

bool GetMac(Napi::Value value, uint8_t mac[6]) {
  if (value.IsUndefined()) return true;
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().ByteLength() != 6) {
    Napi::TypeError::New(value.Env(), "a MAC address is six bytes").ThrowAsJavaScriptException();
    return false;
  }
  auto bytes = value.As<Napi::Uint8Array>();
  for (int i = 0; i < 6; i++) mac[i] = bytes[i];
  return true;
}

bool GetLimits(Napi::Value value, PortLimits* limits) {
  const std::pair<const char*, Rate*> fields[] = {{"tx", &limits->tx},
                                                  {"rx", &limits->rx},
                                                  {"broadcast", &limits->broadcast},
                                                  {"multicast", &limits->multicast},
                                                  {"unknownUnicast", &limits->unknown_unicast}};
  for (auto [key, rate] : fields) {
    Napi::Value option = GetOption(value, key);
    if (option.IsUndefined()) continue;
    int64_t per_second, burst;
    if (!GetInteger(GetOption(option, "perSecond"), key, 1, kRateMost, &per_second) ||
        !GetInteger(GetOption(option, "burst"), key, 1, kRateMost, &burst))
      return false;
    *rate = {static_cast<double>(per_second), static_cast<uint64_t>(burst)};
  }
  return true;
}

namespace {

constexpr const char* kLevels[] = {"none", "stamp", "full"};

bool GetLevel(Napi::Value value, const char* name, Payload* out) {
  std::string text;
  if (!GetString(value, name, &text)) return false;
  for (int i = 0; i < 3; i++) {
    if (text != kLevels[i]) continue;
    *out = static_cast<Payload>(i);
    return true;
  }
  Napi::RangeError::New(value.Env(), std::string(name) + ": '" + text + "' is not none, stamp or full")
      .ThrowAsJavaScriptException();
  return false;
}

Napi::Value WrapPort(Napi::Env env, std::shared_ptr<Port> port, NullPort* null, ValePort* vale) {
  return WrapHandle(env, std::make_shared<PortHandle>(PortHandle{std::move(port), null, vale}));
}

Napi::Value NullPortCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  auto stats = region ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  PortShape shape;
  std::shared_ptr<NullPort> port;
  if (!stats || !GetShape(info[2], &shape) || !ThrowUnlessOk(env, NullPort::Create(region, stats, shape, &port)))
    return env.Undefined();
  NullPort* null = port.get();
  return WrapPort(env, std::move(port), null, nullptr);
}

Napi::Value EchoPortCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  auto stats = region ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  PortShape shape;
  std::shared_ptr<EchoPort> port;
  if (!stats || !GetShape(info[2], &shape) || !ThrowUnlessOk(env, EchoPort::Create(region, stats, shape, &port)))
    return env.Undefined();
  return WrapPort(env, std::move(port), nullptr, nullptr);
}

Napi::Value PipeCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  auto stats = region ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  PortShape shape;
  std::string slave;
  std::shared_ptr<PipePair> pair;
  if (!stats || !GetShape(info[2], &shape) || !GetString(info[3], "slave", &slave) ||
      !ThrowUnlessOk(env, PipePair::Create(region, stats, shape, slave, &pair)))
    return env.Undefined();
  Napi::Object ends = Napi::Object::New(env);
  ends.Set("master", WrapPort(env, std::shared_ptr<Port>(pair, &pair->master()), nullptr, nullptr));
  ends.Set("slave", WrapPort(env, std::shared_ptr<Port>(pair, &pair->slave()), nullptr, nullptr));
  return ends;
}

bool GetSwitchOptions(Napi::Value patience, Napi::Value age, SwitchOptions* options) {
  int64_t patience_us = 0, age_s = 0;
  if (!GetInteger(patience, "patienceUs", 0, 100'000, &patience_us) || !GetInteger(age, "macAge", 0, 1'000'000, &age_s))
    return false;
  options->patience_ns = static_cast<uint64_t>(patience_us) * 1000;
  options->age_s = static_cast<uint32_t>(age_s);
  return true;
}

Napi::Value SwitchCreate(const Napi::CallbackInfo& info) {
  std::string name;
  SwitchOptions options;
  auto engine = UnwrapHandle<Engine>(info[0]);
  if (!engine || !GetString(info[1], "name", &name) || !GetSwitchOptions(info[2], info[3], &options))
    return info.Env().Undefined();
  return WrapHandle(info.Env(), std::make_shared<ValeSwitch>(name, engine, options));
}

/// switchConfigure(switch, patienceUs, macAge): from now on.
Napi::Value SwitchConfigure(const Napi::CallbackInfo& info) {
  SwitchOptions options;
  auto sw = UnwrapHandle<ValeSwitch>(info[0]);
  if (sw && GetSwitchOptions(info[1], info[2], &options)) sw->Configure(options.patience_ns, options.age_s);
  return info.Env().Undefined();
}

Napi::Value ValePortCreate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto region = UnwrapHandle<Region>(info[0]);
  auto stats = region ? UnwrapHandle<StatsArea>(info[1]) : nullptr;
  auto sw = stats ? UnwrapHandle<ValeSwitch>(info[3]) : nullptr;
  PortShape shape;
  std::shared_ptr<ValePort> port;
  if (!sw || !GetShape(info[2], &shape) || !ThrowUnlessOk(env, ValePort::Create(region, stats, shape, sw, &port)))
    return env.Undefined();
  ValePort* vale = port.get();
  return WrapPort(env, std::move(port), nullptr, vale);
}

/// portLimit(engine, port, limits): instead of those that it has.
Napi::Value PortLimit(const Napi::CallbackInfo& info) {
  PortLimits limits;
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto handle = engine ? UnwrapHandle<PortHandle>(info[1]) : nullptr;
  if (handle && GetLimits(info[2], &limits)) ThrowUnlessOk(info.Env(), handle->port->Limit(limits, engine.get()));
  return info.Env().Undefined();
}

/// portRetire(port): out of its switch, and out of its region, for ever. EBUSY while a client is attached.
Napi::Value PortRetire(const Napi::CallbackInfo& info) {
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  if (!handle || !ThrowUnlessOk(info.Env(), handle->port->CheckRetire())) return info.Env().Undefined();
  if (handle->vale != nullptr) handle->vale->Leave();
  ThrowUnlessOk(info.Env(), handle->port->Retire());
  return info.Env().Undefined();
}

/// Takes a VALE port out of its switch; for other ports nothing. EBUSY while a client is attached.
Napi::Value PortLeave(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  if (!handle) return env.Undefined();
  if (handle->port->attached) {
    ThrowUnlessOk(env, Status::Fail(EBUSY, handle->port->name() + ": a client is attached: detach it first"));
  } else if (handle->vale != nullptr) {
    handle->vale->Leave();
  }
  return env.Undefined();
}

Napi::Value PortInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto handle = UnwrapHandle<PortHandle>(info[0]);
  if (!handle) return env.Undefined();
  Port& port = *handle->port;
  Napi::Object o = Napi::Object::New(env);
  o.Set("name", port.name());
  o.Set("nifpOfs", static_cast<double>(port.nifp_ofs()));
  o.Set("txRings", port.shape().tx_rings);
  o.Set("rxRings", port.shape().rx_rings);
  o.Set("txSlots", port.shape().tx_slots);
  o.Set("rxSlots", port.shape().rx_slots);
  Napi::Array blocks = Napi::Array::New(env, port.rings());
  for (uint32_t i = 0; i < port.rings(); i++) blocks.Set(i, port.stats().IndexOf(port.kring(i).counters));
  o.Set("counterBlocks", blocks);
  o.Set("takesOffsets", port.TakesOffsets());
  return o;
}

/// portNeeds(shape, ownsRxBufs): objects of each pool.
Napi::Value PortNeeds(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  PortShape shape;
  if (!GetShape(info[0], &shape)) return env.Undefined();
  PoolNeeds needs = Port::Needs(shape, info[1].ToBoolean());
  Napi::Object o = Napi::Object::New(env);
  o.Set("ifs", needs.ifs);
  o.Set("rings", needs.rings);
  o.Set("bufs", needs.bufs);
  return o;
}

std::shared_ptr<PortHandle> UnwrapNull(Napi::Value value) {
  auto handle = UnwrapHandle<PortHandle>(value);
  if (handle && handle->null == nullptr) {
    ThrowUnlessOk(value.Env(), Status::Fail(EINVAL, handle->port->name() + ": not a null port"));
    return nullptr;
  }
  return handle;
}

bool GetSource(Napi::Value value, SourceConfig* config) {
  int64_t size, rate, stream;
  Napi::Value packets = GetOption(value, "packets");
  bool lossless = false;
  if (packets.IsBigInt()) config->packets = packets.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) {
    Napi::TypeError::New(value.Env(), "packets: a bigint from 0 to 2^64-1 is expected").ThrowAsJavaScriptException();
    return false;
  }
  if (!GetInteger(GetOption(value, "size"), "size", 0, UINT32_MAX, &size) ||
      !GetInteger(GetOption(value, "rate"), "rate", 0, 1'000'000'000, &rate) ||
      !GetInteger(GetOption(value, "stream"), "stream", 0, 255, &stream) ||
      !GetLevel(GetOption(value, "payload"), "payload", &config->payload) ||
      !GetMac(GetOption(value, "dst"), config->dst) || !GetMac(GetOption(value, "src"), config->src))
    return false;
  config->size = static_cast<uint32_t>(size);
  config->rate = static_cast<uint64_t>(rate);
  config->stream = static_cast<uint16_t>(stream);
  return true;
}

/// nullPortSetSource(engine, port, source): from now on, on every rx ring, from the first packet.
Napi::Value NullPortSetSource(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto handle = engine ? UnwrapNull(info[1]) : nullptr;
  SourceConfig config;
  if (!handle || !GetSource(info[2], &config) || !ThrowUnlessOk(env, handle->null->CheckSource(config)))
    return env.Undefined();
  for (uint32_t i = 0; i < handle->port->shape().rx_rings; i++) {
    SourceFlow& flow = handle->null->source(i);
    engine->WithFlow(&flow, [&] { flow.Configure(config); });
    Engine::Kick(&flow);
  }
  return env.Undefined();
}

/// nullPortSetVerify(engine, port, level)
Napi::Value NullPortSetVerify(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto handle = engine ? UnwrapNull(info[1]) : nullptr;
  Payload level;
  if (!handle || !GetLevel(info[2], "verify", &level)) return env.Undefined();
  for (uint32_t i = 0; i < handle->port->shape().tx_rings; i++) {
    SinkFlow& flow = handle->null->sink(i);
    engine->WithFlow(&flow, [&] { flow.set_verify(level); });
  }
  return env.Undefined();
}

}  // namespace

void InitPorts(Napi::Env env, Napi::Object exports) {
  exports.Set("nullPortCreate", Napi::Function::New(env, NullPortCreate));
  exports.Set("nullPortSetSource", Napi::Function::New(env, NullPortSetSource));
  exports.Set("nullPortSetVerify", Napi::Function::New(env, NullPortSetVerify));
  exports.Set("echoPortCreate", Napi::Function::New(env, EchoPortCreate));
  exports.Set("pipeCreate", Napi::Function::New(env, PipeCreate));
  exports.Set("switchCreate", Napi::Function::New(env, SwitchCreate));
  exports.Set("switchConfigure", Napi::Function::New(env, SwitchConfigure));
  exports.Set("valePortCreate", Napi::Function::New(env, ValePortCreate));
  exports.Set("portLimit", Napi::Function::New(env, PortLimit));
  exports.Set("portRetire", Napi::Function::New(env, PortRetire));
  exports.Set("portLeave", Napi::Function::New(env, PortLeave));
  exports.Set("portInfo", Napi::Function::New(env, PortInfo));
  exports.Set("portNeeds", Napi::Function::New(env, PortNeeds));
}

}  // namespace ptnet::addon
