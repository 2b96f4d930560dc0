// One datagram to a Unix socket: what a service manager is told with.
#pragma once

#include <string>

#include "os/error.h"

namespace ptnet::os {

/** Sends `text` to the datagram socket `address`: a path, or `@NAME` for an abstract one. Never waits: EAGAIN when
 * nobody reads. */
Error SendDatagram(const std::string& address, const std::string& text);

}  // namespace ptnet::os
