// Starts loop threads, hands their results to JavaScript, and ends them when the environment goes away.
#include "loop_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstring>

#include "core/loop.h"
#include "core/ping.h"

namespace ptnet::guest {

std::shared_ptr<LoopThread> LoopThread::Start(Napi::Env env, StartOptions& options) {
  std::shared_ptr<LoopThread> self(new LoopThread(env));
  std::string error;
  self->config_ = options.config;
  self->yield_after_ = options.yield_after;
  if (!self->OpenRings(options, error) || !self->DupDescriptors(options, error)) {
    Napi::Error::New(env, "startLoop: " + error).ThrowAsJavaScriptException();
    return nullptr;
  }
  // The finalizer runs when the thread has released the function, or when the environment ends before that: then
  // the loop must be stopped first. It holds the last reference but JavaScript's.
  auto* keep = new std::shared_ptr<LoopThread>(self);
  self->finished_ = Finished::New(
      env, "ptnetguest.loop", 1, 1, self.get(),
      [](Napi::Env, std::shared_ptr<LoopThread>* kept, LoopThread*) {
        (*kept)->Stop();
        (*kept)->thread_.join();
        delete kept;
      },
      keep);
  self->thread_ = std::thread([raw = self.get()] { raw->Run(); });
  return self;
}

LoopThread::~LoopThread() {
  if (stop_fd_ >= 0) close(stop_fd_);
  CloseDescriptors();
}

/// The socket must not outlive the loop: its peer would not see that the guest hung up.
void LoopThread::CloseDescriptors() {
  if (doorbell_fd_ >= 0) close(doorbell_fd_);
  doorbell_fd_ = -1;
  for (const int fd : interrupts_)
    if (fd >= 0) close(fd);
  interrupts_.clear();
}

void LoopThread::Stop() {
  control_.stop.store(true, std::memory_order_relaxed);
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the sleeper wakes anyway.
  [[maybe_unused]] const ssize_t n = write(stop_fd_, &one, sizeof one);
}

bool LoopThread::OpenRings(StartOptions& options, std::string& error) {
  Port port;
  error = OpenPort(options.layout, port);
  if (!error.empty()) return false;
  for (const uint32_t i : options.tx_rings) config_.tx.push_back(port.tx[i]);
  for (const uint32_t i : options.rx_rings) config_.rx.push_back(port.rx[i]);
  error = Check(config_);
  return error.empty();
}

bool LoopThread::DupDescriptors(const StartOptions& options, std::string& error) {
  const auto dup = [&error](int fd) {
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) error = "descriptor " + std::to_string(fd) + ": " + std::strerror(errno);
    return copy;
  };
  doorbell_ = options.doorbell;
  stop_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (stop_fd_ < 0) error = std::string("eventfd: ") + std::strerror(errno);
  doorbell_fd_ = dup(options.doorbell.fd);
  const auto watch = [&](const Ring& ring) {
    const int fd = options.interrupts.empty() ? -1 : options.interrupts[ring.index];
    if (fd < 0) return;
    const int copy = dup(fd);
    if (copy >= 0) interrupts_.push_back(copy);
  };
  for (const Ring& ring : config_.tx) watch(ring);
  for (const Ring& ring : config_.rx) watch(ring);
  return error.empty();
}

void LoopThread::Run() {
  VfioUserDoorbell doorbell(doorbell_, doorbell_fd_);
  EventfdWaiter waiter(stop_fd_, interrupts_, yield_after_);
  if (config_.op == Op::kPing || config_.op == Op::kListen)
    result_ = PingLoop(config_, control_, doorbell, waiter).Run();
  else
    result_ = Loop(config_, control_, doorbell, waiter).Run();
  CloseDescriptors();
  // When the environment is closing the function is no longer ours to release.
  if (finished_.BlockingCall() == napi_ok) finished_.Release();
}

void LoopThread::CallJs(Napi::Env env, Napi::Function, LoopThread* self, void*) {
  if (static_cast<napi_env>(env) == nullptr) return;
  self->deferred_.Resolve(self->ResultToJs(env));
}

Napi::Object LoopThread::ResultToJs(Napi::Env env) const {
  const auto big = [env](uint64_t value) { return Napi::BigInt::New(env, value); };
  const auto traffic = [&](const Traffic& from) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("packets", big(from.packets));
    object.Set("bytes", big(from.bytes));
    return object;
  };
  Napi::Object received = traffic(result_.received);
  received.Set("lost", big(result_.lost));
  received.Set("late", big(result_.late));
  received.Set("corrupt", big(result_.corrupt));
  Napi::Object object = Napi::Object::New(env);
  object.Set("sent", traffic(result_.sent));
  object.Set("received", received);
  object.Set("seconds", result_.seconds);
  object.Set("kicks", big(result_.kicks));
  object.Set("interrupts", big(result_.interrupts));
  object.Set("syncs", big(result_.syncs));
  object.Set("full", big(result_.full));
  object.Set("pending", big(result_.pending));
  if (config_.op == Op::kPing || config_.op == Op::kListen) object.Set("latency", LatencyToJs(env));
  object.Set("stopped", NameOf(result_.stopped));
  if (!result_.error.empty()) object.Set("error", result_.error);
  return object;
}

Napi::Object LoopThread::LatencyToJs(Napi::Env env) const {
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
  set("roundTrip", result_.latency.round_trip);
  set("service", result_.latency.service);
  set("kicked", result_.latency.kicked);
  set("wakeUp", result_.latency.wake_up);
  return object;
}

}  // namespace ptnet::guest
