// Adding and removing of a ring's observers while it is served.
#pragma once

#include <cstdint>

#include "datapath/engine.h"
#include "forward/port.h"
#include "ring/observer.h"

namespace ptnet {

/// From the next batch on `observer` sees what passes the i-th ring of the port. The control plane's thread.
void AddObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer);
/// When it returns nobody calls `observer` for this ring any more.
void RemoveObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer);

}  // namespace ptnet
