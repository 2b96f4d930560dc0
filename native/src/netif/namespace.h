// Doing something in another network namespace than this process'.
#pragma once

#include <functional>
#include <string>

#include "memory/status.h"

namespace ptnet {

/// Calls `what` on a thread of its own that is in network namespace `netns`: a name (of /run/netns, as `ip netns` has
/// them) or a path; empty: ours, on this thread. Sockets that it opens stay in there. `object` begins the messages.
Status WithinNamespace(const std::string& object, const std::string& netns, const std::function<Status()>& what);

}  // namespace ptnet
