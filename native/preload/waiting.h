// poll and select over descriptors of which some are ours.
#pragma once

#include <poll.h>
#include <signal.h>
#include <sys/select.h>
#include <time.h>

namespace ptnet::preload {

/// Whether one of them is ours.
bool HasOurs(const pollfd* entries, nfds_t count);
/// netmap's poll for those that are ours, the kernel's for the others. `timeout` null: for ever; `mask` null: the
/// signals stay as they are.
int Poll(pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* mask);

/// -1 with errno, or how many bits are set. Sets that are given are those of the call, in and out.
int Select(int count, fd_set* in, fd_set* out, fd_set* except, const timespec* timeout, const sigset_t* mask);
bool HasOurs(int count, const fd_set* in, const fd_set* out, const fd_set* except);

}  // namespace ptnet::preload
