// The kinds of handle that the files of this folder pass to each other through JavaScript.
#pragma once

#include "addon/handle.h"
#include "datapath/broker.h"
#include "datapath/engine.h"
#include "datapath/kept_area.h"
#include "forward/echo.h"
#include "forward/null_port.h"
#include "forward/pipe.h"
#include "forward/register.h"
#include "forward/vale.h"

namespace ptnet::addon {

/// A port of any kind; `null` and `vale` say which.
struct PortHandle {
  std::shared_ptr<Port> port;
  NullPort* null = nullptr;
  ValePort* vale = nullptr;
};

PTNET_HANDLE(Region, 1, "a region");
PTNET_HANDLE(StatsArea, 2, "a statistics area");
PTNET_HANDLE(PortHandle, 3, "a port");
PTNET_HANDLE(ValeSwitch, 4, "a switch");
PTNET_HANDLE(Engine, 5, "an engine");
PTNET_HANDLE(Attachment, 6, "an attachment");
PTNET_HANDLE(Register, 10, "a register");
PTNET_HANDLE(KeptArea, 11, "an area of sessions");

}  // namespace ptnet::addon
