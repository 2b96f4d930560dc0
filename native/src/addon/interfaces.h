// What the addon's taps and interfaces have in common: the interface behind a port or a member.
#pragma once

#include "addon/handles.h"
#include "forward/interface_member.h"
#include "forward/interface_port.h"

namespace ptnet::addon {

/// An interface of the host, whoever uses it.
struct InterfaceHandle {
  std::shared_ptr<HostInterface> device;
  std::function<Status(Engine&)> reopen;
};

PTNET_HANDLE(InterfaceHandle, 9, "an interface");
PTNET_HANDLE(InterfaceMember, 8, "a member of a switch");

/// {port, interface}
Napi::Value WrapInterfacePort(Napi::Env env, std::shared_ptr<InterfacePort> port);
/// {member, interface}
Napi::Value WrapInterfaceMember(Napi::Env env, std::shared_ptr<InterfaceMember> member);

inline constexpr uint32_t kQueuesMax = 256;  // the kernel's, of one tap; sockets of one fanout group

}  // namespace ptnet::addon
