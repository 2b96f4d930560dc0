// Threads that nobody joins.
#include "os/thread.h"

#include <pthread.h>
#include <signal.h>

#include <memory>
#include <utility>

namespace ptnet::os {

bool StartDetached(const char* name, std::function<void()> run) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kSmallStackBytes);
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  struct Start {
    const char* name;
    std::function<void()> run;
  };
  auto* start = new Start{name, std::move(run)};
  const auto main = [](void* argument) -> void* {
    const std::unique_ptr<Start> mine(static_cast<Start*>(argument));
    pthread_setname_np(pthread_self(), mine->name);
    mine->run();
    return nullptr;
  };
  pthread_t thread;
  // The new thread has the mask from its first instruction on.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = pthread_create(&thread, &attributes, main, start) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (!started) delete start;
  return started;
}

}  // namespace ptnet::os
