// Fills in the JavaScript object that a loop's promise resolves to: bigints for counts, numbers for times.
#include "results.h"

namespace ptnet::guest {
namespace {

Napi::Object ToJs(Napi::Env env, const Traffic& traffic) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("packets", Napi::BigInt::New(env, traffic.packets));
  object.Set("bytes", Napi::BigInt::New(env, traffic.bytes));
  return object;
}

Napi::Object ToJs(Napi::Env env, const Latency& latency) {
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, const Percentiles& from) {
    Napi::Object figures = Napi::Object::New(env);
    const auto number = [&](const char* key, uint64_t value) { figures.Set(key, static_cast<double>(value)); };
    number("count", from.count);
    number("p50", from.p50);
    number("p99", from.p99);
    number("p999", from.p999);
    number("max", from.max);
    object.Set(name, figures);
  };
  set("roundTrip", latency.round_trip);
  set("service", latency.service);
  set("kicked", latency.kicked);
  set("wakeUp", latency.wake_up);
  return object;
}

}  // namespace

Napi::Object ToJs(Napi::Env env, const LoopResult& result, bool timed) {
  const auto big = [env](uint64_t value) { return Napi::BigInt::New(env, value); };
  Napi::Object received = ToJs(env, result.received);
  received.Set("lost", big(result.lost));
  received.Set("late", big(result.late));
  received.Set("corrupt", big(result.corrupt));
  Napi::Object object = Napi::Object::New(env);
  object.Set("sent", ToJs(env, result.sent));
  object.Set("received", received);
  object.Set("seconds", result.seconds);
  object.Set("kicks", big(result.kicks));
  object.Set("idleKicks", big(result.idle_kicks));
  object.Set("interrupts", big(result.interrupts));
  object.Set("syncs", big(result.syncs));
  object.Set("full", big(result.full));
  object.Set("pending", big(result.pending));
  if (timed) object.Set("latency", ToJs(env, result.latency));
  object.Set("stopped", NameOf(result.stopped));
  if (!result.error.empty()) object.Set("error", result.error);
  return object;
}

}  // namespace ptnet::guest
