// eventfds, and waiting for a descriptor.
#pragma once

#include <cstdint>

#include "os/error.h"
#include "os/unique_fd.h"

namespace ptnet::os {

/** Creates a non-blocking, close-on-exec eventfd. */
Error CreateEventfd(unsigned initial, UniqueFd* out);

/**
 * Adds one to an eventfd. Does not wait when the descriptor came from a peer who made it blocking and filled its
 * counter: an eventfd that is full is signalled already.
 */
Error SignalEventfd(int fd) noexcept;

/** Takes the count of an eventfd; zero when nothing was signalled. */
Error DrainEventfd(int fd, uint64_t* count) noexcept;

/**
 * Takes what an eventfd holds, whoever made it and however: never waits, and gives up after some reads when it counts
 * like a semaphore, one a read. True when there was something.
 */
bool TakeSignals(int fd) noexcept;

/** Waits until `fd` is readable (or hung up); a negative timeout waits for ever. */
Error PollReadable(int fd, int timeout_ms, bool* readable);

}  // namespace ptnet::os
