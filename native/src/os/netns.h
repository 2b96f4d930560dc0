// Network namespaces: work that has to be done inside of one, by a thread of its own.
#pragma once

#include <functional>
#include <string>

#include "memory/status.h"

namespace ptnet::os {

/**
 * Runs `work` in a network namespace: on a short-lived thread that has entered it, so that no other thread of the
 * process ever leaves its own. `netns` is a name that `ip netns` shows, or a path such as /proc/PID/ns/net; an empty
 * one is the namespace of this thread, and then `work` runs here. Sockets and taps that `work` opens stay in the
 * namespace. Errors begin with `object`: ENOENT, EINVAL (it is something else), EPERM (it takes CAP_SYS_ADMIN).
 */
Status InNetns(const std::string& object, const std::string& netns, const std::function<Status()>& work);

}  // namespace ptnet::os
