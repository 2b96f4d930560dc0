// The napi side of the kick thread.
#include "addon/addon.h"

namespace ptnet::addon {

void InitKick(Napi::Env, Napi::Object) {}

}  // namespace ptnet::addon
