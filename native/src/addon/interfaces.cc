// The addon's interfaces of the host: how members are served, and what becomes of interfaces while they are in use.
#include "addon/interfaces.h"

#include "addon/addon.h"
#include "addon/args.h"
#include "addon/port_args.h"
#include "os/netns.h"
#include "os/overlay.h"

namespace ptnet::addon {

Napi::Value WrapInterfacePort(Napi::Env env, std::shared_ptr<InterfacePort> port) {
  InterfaceHandle handle{port->shared_device(), [port](Engine& engine) { return port->Reopen(engine); }};
  Napi::Object made = Napi::Object::New(env);
  made.Set("interface", WrapHandle(env, std::make_shared<InterfaceHandle>(std::move(handle))));
  made.Set("port", WrapHandle(env, std::make_shared<PortHandle>(PortHandle{std::move(port)})));
  return made;
}

Napi::Value WrapInterfaceMember(Napi::Env env, std::shared_ptr<InterfaceMember> member) {
  InterfaceHandle handle{member->shared_device(), [member](Engine&) { return member->Reopen(); }};
  Napi::Object made = Napi::Object::New(env);
  made.Set("interface", WrapHandle(env, std::make_shared<InterfaceHandle>(std::move(handle))));
  made.Set("member", WrapHandle(env, std::move(member)));
  return made;
}

namespace {

/// overlayLinks(netns): all interfaces there.
Napi::Value OverlayLinks(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string netns;
  if (!GetString(info[0], "netns", &netns)) return env.Undefined();
  std::vector<os::OverlayLink> links;
  const Status status = os::InNetns("interfaces", netns, [&] {
    const os::Error e = os::ListOverlayLinks(&links);
    return e ? Status::Fail(e.number, std::string("interfaces: ") + e.syscall + ": " + strerror(e.number))
             : Status::Ok();
  });
  if (!ThrowUnlessOk(env, status)) return env.Undefined();
  Napi::Array list = Napi::Array::New(env);
  for (const os::OverlayLink& link : links) {
    Napi::Object o = Napi::Object::New(env);
    o.Set("index", link.index);
    o.Set("name", link.name);
    o.Set("mtu", link.mtu);
    o.Set("master", link.master);
    o.Set("kind", link.kind);
    o.Set("lower", link.lower);
    o.Set("ipv6", link.ipv6);
    list.Set(list.Length(), o);
  }
  return list;
}

/// memberStart(member, options): a worker serves it from now on.
Napi::Value MemberStart(const Napi::CallbackInfo& info) {
  AttachOptions options;
  auto member = UnwrapHandle<InterfaceMember>(info[0]);
  if (!member || !GetAttachOptions(info[1], &options)) return info.Env().Undefined();
  if (ThrowUnlessOk(info.Env(), member->CheckService(options.policy, options.worker)))
    member->Start(options.policy, options.spin_ns, options.worker);
  return info.Env().Undefined();
}

/// memberSetPolicy(member, options): while it is served.
Napi::Value MemberSetPolicy(const Napi::CallbackInfo& info) {
  AttachOptions options;
  auto member = UnwrapHandle<InterfaceMember>(info[0]);
  if (!member || !GetAttachOptions(info[1], &options)) return info.Env().Undefined();
  if (ThrowUnlessOk(info.Env(), member->CheckService(options.policy, options.worker)))
    member->SetPolicy(options.policy, options.spin_ns, options.worker);
  return info.Env().Undefined();
}

/// memberLimit(member, limits): instead of those that it has.
Napi::Value MemberLimit(const Napi::CallbackInfo& info) {
  PortLimits limits;
  auto member = UnwrapHandle<InterfaceMember>(info[0]);
  if (member && GetLimits(info[1], &limits)) member->Limit(limits);
  return info.Env().Undefined();
}

Napi::Value MemberStop(const Napi::CallbackInfo& info) {
  if (auto member = UnwrapHandle<InterfaceMember>(info[0])) member->Stop();
  return info.Env().Undefined();
}

/// memberCounters(member): blocks of the statistics area, of what it sends and then of what it gets, a queue each.
Napi::Value MemberCounters(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto member = UnwrapHandle<InterfaceMember>(info[0]);
  if (!member) return env.Undefined();
  Napi::Array blocks = Napi::Array::New(env);
  for (uint32_t i = 0; i < member->queues(); i++) {
    blocks.Set(i, member->stats().IndexOf(&member->from_kernel(i)));
    blocks.Set(member->queues() + i, member->stats().IndexOf(&member->to_kernel(i)));
  }
  return blocks;
}

Napi::Value InterfaceInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto opened = UnwrapHandle<InterfaceHandle>(info[0]);
  if (!opened) return env.Undefined();
  const os::LinkState& link = opened->device->link();
  Napi::Object o = Napi::Object::New(env);
  o.Set("interface", link.name);
  o.Set("index", link.index);
  o.Set("mtu", link.mtu);
  o.Set("up", link.up);
  o.Set("carrier", link.carrier);
  o.Set("master", link.master);
  o.Set("peer", link.peer);
  o.Set("gone", link.removed);
  o.Set("missing", opened->device->missing());
  const InterfaceFacts facts = opened->device->facts();
  o.Set("made", facts.made);
  o.Set("backpressure", facts.backpressure);
  o.Set("access", facts.access);
  o.Set("mtuBefore", facts.mtu_before);
  o.Set("lro", facts.lro);
  o.Set("lostFull", static_cast<double>(facts.lost_full));
  o.Set("lostTooLarge", static_cast<double>(facts.lost_too_large));
  o.Set("refused", static_cast<double>(facts.refused));
  o.Set("newsFd", opened->device->news_fd());
  return o;
}

Napi::Value InterfaceTakeNews(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto opened = UnwrapHandle<InterfaceHandle>(info[0]);
  if (!opened) return env.Undefined();
  Napi::Array lines = Napi::Array::New(env);
  for (const std::string& line : opened->device->TakeNews()) lines.Set(lines.Length(), line);
  return lines;
}

/// interfaceReopen(engine, interface): throws while it cannot be had.
Napi::Value InterfaceReopen(const Napi::CallbackInfo& info) {
  auto engine = UnwrapHandle<Engine>(info[0]);
  auto opened = engine ? UnwrapHandle<InterfaceHandle>(info[1]) : nullptr;
  if (opened) ThrowUnlessOk(info.Env(), opened->reopen(*engine));
  return info.Env().Undefined();
}

Napi::Value InterfaceSetCarrier(const Napi::CallbackInfo& info) {
  if (auto opened = UnwrapHandle<InterfaceHandle>(info[0])) opened->device->SetCarrier(info[1].ToBoolean());
  return info.Env().Undefined();
}

Napi::Value InterfaceClose(const Napi::CallbackInfo& info) {
  if (auto opened = UnwrapHandle<InterfaceHandle>(info[0])) opened->device->Close();
  return info.Env().Undefined();
}

}  // namespace

void InitInterfaces(Napi::Env env, Napi::Object exports) {
  exports.Set("overlayLinks", Napi::Function::New(env, OverlayLinks));
  exports.Set("memberStart", Napi::Function::New(env, MemberStart));
  exports.Set("memberSetPolicy", Napi::Function::New(env, MemberSetPolicy));
  exports.Set("memberLimit", Napi::Function::New(env, MemberLimit));
  exports.Set("memberStop", Napi::Function::New(env, MemberStop));
  exports.Set("memberCounters", Napi::Function::New(env, MemberCounters));
  exports.Set("interfaceInfo", Napi::Function::New(env, InterfaceInfo));
  exports.Set("interfaceTakeNews", Napi::Function::New(env, InterfaceTakeNews));
  exports.Set("interfaceReopen", Napi::Function::New(env, InterfaceReopen));
  exports.Set("interfaceSetCarrier", Napi::Function::New(env, InterfaceSetCarrier));
  exports.Set("interfaceClose", Napi::Function::New(env, InterfaceClose));
}

}  // namespace ptnet::addon
