// What every file of the addon shares: the registration functions, one per file, that main.cc calls.
#pragma once

#include <napi.h>

namespace ptnet::addon {

void InitOs(Napi::Env env, Napi::Object exports);
void InitKick(Napi::Env env, Napi::Object exports);
void InitKickTaken(Napi::Env env, Napi::Object exports);
void InitMemory(Napi::Env env, Napi::Object exports);
void InitPorts(Napi::Env env, Napi::Object exports);
void InitEngine(Napi::Env env, Napi::Object exports);
void InitLimits(Napi::Env env, Napi::Object exports);
void InitInterfaces(Napi::Env env, Napi::Object exports);
void InitNetmap(Napi::Env env, Napi::Object exports);
void InitLookups(Napi::Env env, Napi::Object exports);
void InitStations(Napi::Env env, Napi::Object exports);
void InitTaps(Napi::Env env, Napi::Object exports);
void InitRegisters(Napi::Env env, Napi::Object exports);
void InitDoor(Napi::Env env, Napi::Object exports);
void InitMonitors(Napi::Env env, Napi::Object exports);
void InitPrograms(Napi::Env env, Napi::Object exports);
void InitInterfaceStates(Napi::Env env, Napi::Object exports);
void InitHandover(Napi::Env env, Napi::Object exports);
void InitPackets(Napi::Env env, Napi::Object exports);

}  // namespace ptnet::addon
