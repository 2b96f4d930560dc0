// Adding and removing of a ring's observers while it is served.
#pragma once

#include <cstdint>

#include "datapath/engine.h"
#include "forward/interface_member.h"
#include "forward/port.h"
#include "ring/observer.h"

namespace ptnet {

/// From the next batch on `observer` sees what passes the i-th ring of the port. The control plane's thread.
void AddObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer);
/// When it returns nobody calls `observer` for this ring any more.
void RemoveObserver(Engine& engine, Port& port, uint32_t ring, RingObserver* observer);

/// From the next batch on `taker`, null for nobody, takes what was sent, or received, of what the i-th ring of the port
/// is done with. When it returns nobody calls the one before for it any more.
void SetTaker(Engine& engine, Port& port, uint32_t ring, bool sent, SlotTaker* taker);
SlotTaker* TakerOf(Port& port, uint32_t ring, bool sent);

/// The same of a member of a switch: what it sends, or what it gets.
void AddObserver(Engine& engine, InterfaceMember& member, bool sent, MemberObserver* observer);
void RemoveObserver(Engine& engine, InterfaceMember& member, bool sent, MemberObserver* observer);

}  // namespace ptnet
