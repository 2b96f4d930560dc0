// Counting this process's descriptors, for tests that must find nothing left behind.
#pragma once

#include <dirent.h>

#include "os/event_signaller.h"
#include "os/peer_fd.h"

namespace ptnet {

/// Taken before a test has started its first thread: what such a thread has open later ends in its own time.
inline size_t OpenFds() {
  os::AwaitPeerCloses();
  os::EventSignaller::OfThisThread();  // stays open
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

}  // namespace ptnet
