// A region's descriptor is in its peers' hands: none of them can take pages away under the workers by its size, or seal
// the others' writes off.
#include <errno.h>
#include <fcntl.h>

#include "guest.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

void RefusesResize(int fd, uint64_t size) {
  CHECK(ftruncate(fd, static_cast<off_t>(size)) != 0);
  CHECK_EQ(errno, EPERM);
}

void RefusesSeal(int fd, int seal) {
  CHECK(fcntl(fd, F_ADD_SEALS, seal) != 0);
  CHECK_EQ(errno, EPERM);
}

}  // namespace

int main() {
  auto region = MakeRegion();
  const int peers = fcntl(region->fd(), F_DUPFD_CLOEXEC, 0);
  RefusesResize(peers, region->bar_size() / 2);
  RefusesResize(peers, 0);
  RefusesResize(peers, 2 * region->bar_size());
  RefusesSeal(peers, F_SEAL_FUTURE_WRITE);
  CHECK_EQ(fcntl(peers, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  close(peers);
}
