// What ioctl and mmap do on a descriptor of ours.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "context.h"

namespace ptnet::preload {

/// Each gives what the system call does: -1 with errno, or the result.
int Ioctl(int fd, Context& context, unsigned long request, void* argument);
void* Map(int fd, void* address, size_t length, int protection, int flags, off_t offset);

}  // namespace ptnet::preload
