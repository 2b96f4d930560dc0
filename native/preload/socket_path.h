// Where the host listens: PTNETMAP, or the usual place.
#pragma once

#include <stddef.h>

namespace ptnet::preload {

inline constexpr char kUsualPath[] = "/run/ptnetmap/netmap.sock";

/// Connects; a descriptor, or -1 with errno: ENOENT or ECONNREFUSED when no host is there.
int Connect(int flags);
/// Whether a peer's address is that of a host's socket. `size`: bytes of `path`.
bool IsSocketPath(const char* path, size_t size);
/// A line on stderr when PTNETMAP_DEBUG is set.
void Debug(const char* what, const char* object, int error);

}  // namespace ptnet::preload
