// The guest's half of the CSB protocol for an application's rings: no system call but the doorbell, when the host asks
// for it.
#pragma once

#include "context.h"

namespace ptnet::preload {

/// Makes these the ring's head and cur, and rings its doorbell if the host wants it. False, and nothing has changed,
/// when they are outside what is the program's.
bool Publish(int fd, Context& context, Ring& ring, uint32_t head, uint32_t cur);
/// The ring's header is as it was published last.
void Restore(Ring& ring);
/// Of either direction: publishes what the program has moved head over, and shows it what the host has added. False
/// when head or cur was outside what is the program's: then the ring is as it was published last.
bool Sync(int fd, Context& context, Ring& ring);
/// Notes the time in an rx ring.
void Stamp(Ring& ring);

/// Whether there is something between cur and tail.
bool HasRoom(const Ring& ring);
/// Whether the program has moved head since it was published.
bool IsUnpublished(const Ring& ring);
/// Asks the host to wake us when the ring's tail moves, until Disarm(); others may ask too. False: it has moved
/// already.
bool Arm(Ring& ring);
void Disarm(Ring& ring);

/// After a sync that found nothing: now and then, whether the host is there still.
void LookForHost(int fd, Context& context);

}  // namespace ptnet::preload
