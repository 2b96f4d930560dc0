// One datagram to a Unix socket: what a service manager is told with, and given descriptors to keep.
#pragma once

#include <span>
#include <string>

#include "os/error.h"

namespace ptnet::os {

/** Sends `text` to the datagram socket `address`: a path, or `@NAME` for an abstract one. `fds`, at most kMaxScmFds, go
 * with it and stay the caller's. Waits so long for whoever is to read it, not at all with 0: EAGAIN when nobody does.
 */
Error SendDatagram(const std::string& address, const std::string& text, std::span<const int> fds = {},
                   int patience_ms = 0);

}  // namespace ptnet::os
