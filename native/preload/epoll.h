// epoll sets that hold descriptors of ours.
#pragma once

#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

namespace ptnet::preload {

/// Whether the set may hold one of ours, also one that is closed here and open elsewhere.
bool MayHoldOurs(int epoll);
/// epoll_ctl of a descriptor of ours: the kernel's set has it, so that it ends as the kernel's would; what it was asked
/// for is kept here.
int EpollControl(int epoll, int operation, int fd, epoll_event* event);
int EpollWait(int epoll, epoll_event* events, int most, const timespec* timeout, const sigset_t* mask);
/// Descriptors that are about to be closed: what they have in epoll sets, and what is in those that are sets.
void ForgetInSets(unsigned first, unsigned last);

}  // namespace ptnet::preload
