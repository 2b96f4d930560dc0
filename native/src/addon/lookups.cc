// The addon's lookup functions of switches: those that are built in, and plug-ins.
#include "addon/addon.h"
#include "addon/args.h"
#include "addon/handles.h"
#include "addon/port_args.h"
#include "forward/lookup_plugin.h"

namespace ptnet::addon {
namespace {

bool GetStrings(Napi::Value value, const char* name, std::vector<std::string>* out) {
  if (!value.IsArray()) {
    Napi::TypeError::New(value.Env(), std::string(name) + ": not an array: names are expected")
        .ThrowAsJavaScriptException();
    return false;
  }
  const Napi::Array list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++)
    if (!GetString(list.Get(i), name, &out->emplace_back())) return false;
  return true;
}

/// {stations: [{mac, port}], flood}
bool GetStatic(Napi::Value value, std::unique_ptr<Lookup>* out) {
  Napi::Value given = GetOption(value, "stations");
  if (!given.IsArray()) {
    Napi::TypeError::New(value.Env(), "stations: not an array: addresses and ports are expected")
        .ThrowAsJavaScriptException();
    return false;
  }
  std::vector<StaticLookup::Station> stations;
  const Napi::Array list = given.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    uint8_t mac[6] = {};
    std::string port;
    if (!GetMac(GetOption(list.Get(i), "mac"), mac) || !GetString(GetOption(list.Get(i), "port"), "port", &port))
      return false;
    stations.emplace_back(ForwardingTable::MacAt(mac), std::move(port));
  }
  const bool flood = GetOption(value, "flood").ToBoolean();
  *out = std::make_unique<StaticLookup>(stations, flood ? PTNET_LOOKUP_FLOOD : PTNET_LOOKUP_DROP);
  return true;
}

/// {promiscuous: [name], communities: [[name]]}
bool GetIsolated(Napi::Value value, std::unique_ptr<Lookup>* out) {
  std::vector<std::string> promiscuous;
  std::vector<std::vector<std::string>> communities;
  if (!GetStrings(GetOption(value, "promiscuous"), "promiscuous", &promiscuous)) return false;
  Napi::Value given = GetOption(value, "communities");
  for (uint32_t i = 0; given.IsArray() && i < given.As<Napi::Array>().Length(); i++)
    if (!GetStrings(given.As<Napi::Array>().Get(i), "communities", &communities.emplace_back())) return false;
  *out = std::make_unique<IsolatedLookup>(promiscuous, communities);
  return true;
}

/// {path, options}
bool GetPlugin(Napi::Value value, const std::string& switch_name, std::unique_ptr<Lookup>* out) {
  std::string path, options;
  return GetString(GetOption(value, "path"), "path", &path) &&
         GetString(GetOption(value, "options"), "options", &options) &&
         ThrowUnlessOk(value.Env(), LookupPlugin::Load(path, options, switch_name, out));
}

/// Null for a learning switch.
bool GetLookup(Napi::Value value, const std::string& switch_name, std::unique_ptr<Lookup>* out) {
  std::string kind;
  if (!GetString(GetOption(value, "kind"), "kind", &kind)) return false;
  if (kind == "learning") return true;
  if (kind == "hub") {
    *out = std::make_unique<HubLookup>();
    return true;
  }
  if (kind == "static") return GetStatic(value, out);
  if (kind == "isolated") return GetIsolated(value, out);
  if (kind == "plugin") return GetPlugin(value, switch_name, out);
  Napi::RangeError::New(value.Env(), "kind: '" + kind + "' is not learning, hub, static, isolated or plugin")
      .ThrowAsJavaScriptException();
  return false;
}

/// switchSetLookup(switch, lookup): from now on; the one before is gone when it returns.
Napi::Value SwitchSetLookup(const Napi::CallbackInfo& info) {
  auto sw = UnwrapHandle<ValeSwitch>(info[0]);
  std::unique_ptr<Lookup> lookup;
  if (sw && GetLookup(info[1], sw->name(), &lookup)) sw->SetLookup(std::move(lookup));
  return info.Env().Undefined();
}

}  // namespace

void InitLookups(Napi::Env env, Napi::Object exports) {
  exports.Set("switchSetLookup", Napi::Function::New(env, SwitchSetLookup));
}

}  // namespace ptnet::addon
