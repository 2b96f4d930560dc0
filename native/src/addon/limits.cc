// measureLimit(): the machine's limits, measured beside the event loop.
#include "limits/limits.h"

#include <optional>

#include "addon/addon.h"
#include "addon/args.h"

namespace ptnet::addon {

namespace {

using limits::Limit;

/** A measurement cannot be called off, so it may not hold up the end of the process for long. */
constexpr double kMaxSeconds = 60;

class Measurement final : public Napi::AsyncWorker {
 public:
  Measurement(Napi::Env env, Limit limit, double seconds)
      : AsyncWorker(env, "ptnetmap.limit"), deferred_(env), limit_(limit), seconds_(seconds) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { measured_ = limits::Measure(limit_, seconds_); }

  void OnOK() override {
    if (!measured_.error.empty()) {
      deferred_.Reject(Napi::Error::New(Env(), "measureLimit: " + measured_.error).Value());
      return;
    }
    if (measured_.wrong != 0) {
      deferred_.Reject(Napi::Error::New(Env(), "measureLimit: what arrived is not what was sent").Value());
      return;
    }
    Napi::Object result = Napi::Object::New(Env());
    result["perSecond"] = Napi::Number::New(Env(), static_cast<double>(measured_.count) / measured_.seconds);
    deferred_.Resolve(result);
  }

 private:
  Napi::Promise::Deferred deferred_;
  Limit limit_;
  double seconds_;
  limits::Measured measured_{};
};

std::optional<Limit> LimitOf(const std::string& name) {
  if (name == "slots") return Limit::kSlots;
  if (name == "slots+copy") return Limit::kSlotsWithCopy;
  if (name == "memory") return Limit::kMemory;
  if (name == "core-to-core") return Limit::kCoreToCore;
  if (name == "switch") return Limit::kSwitch;
  return {};
}

Napi::Value MeasureLimit(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string name;
  if (!GetString(info[0], "limit", &name)) return {};
  const std::optional<Limit> limit = LimitOf(name);
  if (!limit) {
    Napi::RangeError::New(env,
                          "limit '" + name + "': must be 'slots', 'slots+copy', 'memory', 'core-to-core' or 'switch'")
        .ThrowAsJavaScriptException();
    return {};
  }
  const double seconds = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : -1;
  if (!(seconds > 0 && seconds <= kMaxSeconds)) {
    Napi::RangeError::New(env, "seconds: must be a number above 0 and at most 60").ThrowAsJavaScriptException();
    return {};
  }
  // Deletes itself when it is done.
  auto* measurement = new Measurement(env, *limit, seconds);
  measurement->Queue();
  return measurement->promise();
}

}  // namespace

void InitLimits(Napi::Env env, Napi::Object exports) {
  exports["measureLimit"] = Napi::Function::New(env, MeasureLimit, "measureLimit");
}

}  // namespace ptnet::addon
