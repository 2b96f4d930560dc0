// The memory that a program's pointers lead to, read and written as the kernel would: one that leads nowhere is EFAULT.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace ptnet::preload {

/// False when not all of it is there; then `to` may hold a part.
bool CopyIn(void* to, uint64_t from, size_t bytes);
bool CopyOut(uint64_t to, const void* from, size_t bytes);

}  // namespace ptnet::preload
