// What each peer may take of what the whole process has: the limits of the system, divided.
#include "os/peer_share.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace ptnet::os {

namespace {

// Of the descriptors that this process may open, those that it opens itself, and those that one read may bring.
constexpr size_t kOurFds = 512;
constexpr size_t kAllFdsMax = size_t{1} << 20;
// A device cannot do with less. Where that is more than there are, the configuration has been warned about.
constexpr size_t kFdsMin = 32;
// A map of guest memory each, and each vector's eventfd twice, for us and for the data path.
constexpr size_t kFdsMax = 4096 + 512;
// Two are in use; those that were before are undone on another thread.
constexpr size_t kMapsMin = 8;
// Who attaches in a loop is faster than they are undone.
constexpr size_t kMapsMax = 1024;
constexpr size_t kMapsDefault = 65530;  // of the kernel
constexpr size_t kAllBytes = size_t{256} << 20;
constexpr size_t kBytesMin = size_t{1} << 20;
constexpr size_t kBytesMax = size_t{8} << 20;

std::atomic<size_t> fds{SIZE_MAX}, maps{SIZE_MAX}, bytes{SIZE_MAX};

size_t FdsOfProcess() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const size_t all = std::min<size_t>(limit.rlim_cur, kAllFdsMax);
  return all > kOurFds ? all - kOurFds : 0;
}

/// A quarter: most of them are for heaps, stacks and code.
size_t MapsOfProcess() {
  size_t all = kMapsDefault;
  char text[32] = {};
  const int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) all = strtoull(text, nullptr, 10);
  if (fd >= 0) close(fd);
  return all / 4;
}

}  // namespace

void DividePeerShares(size_t peers) {
  static const size_t all_maps = MapsOfProcess();
  const size_t among = std::max<size_t>(peers, 1);
  fds.store(std::clamp(FdsOfProcess() / among, kFdsMin, kFdsMax), std::memory_order_relaxed);
  maps.store(std::clamp(all_maps / among, kMapsMin, kMapsMax), std::memory_order_relaxed);
  bytes.store(std::clamp(kAllBytes / among, kBytesMin, kBytesMax), std::memory_order_relaxed);
}

PeerShare ShareOfPeer() {
  return {fds.load(std::memory_order_relaxed), maps.load(std::memory_order_relaxed),
          bytes.load(std::memory_order_relaxed)};
}

}  // namespace ptnet::os
