// netmap's CSB mode: the program drives its rings by arrays of its own, and a loop in one of its threads, which is in
// an ioctl as long as it runs, carries them over to the host's.
#pragma once

#include <errno.h>

#include "abi.h"
#include "context.h"

namespace ptnet::preload {

/// The program's arrays, from now on. 0 or an errno: EBUSY while a loop runs, EINVAL without NR_EXCLUSIVE or when they
/// are not aligned, EFAULT.
int EnableCsb(Bound& bound, const CsbOption& arrays);

/// The options of NETMAP_REQ_SYNC_KLOOP_START; null: not given.
struct KloopOptions {
  const uint32_t* mode;
  const KloopEventfds* eventfds;
  uint64_t eventfds_bytes;  // with the option's header
  // Out: 0 or an errno, as they are when nobody has looked at them.
  int mode_status = EOPNOTSUPP;
  int eventfds_status = EOPNOTSUPP;
};

/// Runs until StopKloop(). 0 or an errno.
int RunKloop(int fd, Context& context, uint32_t sleep_us, KloopOptions* options);
/// Of one that has not begun: it ends when it does. 0 or an errno.
int StopKloop(int fd, Context& context);

}  // namespace ptnet::preload
