// The addon's entry: registers what each file of this folder offers.
#include "addon/addon.h"

namespace ptnet::addon {

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InitOs(env, exports);
  InitKick(env, exports);
  InitKickTaken(env, exports);
  InitMemory(env, exports);
  InitPorts(env, exports);
  InitEngine(env, exports);
  InitLimits(env, exports);
  InitInterfaces(env, exports);
  InitNetmap(env, exports);
  InitLookups(env, exports);
  InitStations(env, exports);
  InitTaps(env, exports);
  InitRegisters(env, exports);
  InitDoor(env, exports);
  InitMonitors(env, exports);
  InitPrograms(env, exports);
  InitInterfaceStates(env, exports);
  InitHandover(env, exports);
  InitPackets(env, exports);
  return exports;
}

NODE_API_MODULE(ptnetmap, Init)

}  // namespace ptnet::addon
