// Threads that nobody joins, and those that somebody does.
#include "os/thread.h"

#include <pthread.h>
#include <signal.h>

#include <memory>
#include <utility>

namespace ptnet::os {

namespace {

struct Beginning {
  const char* name;
  std::function<void()> run;
};

void* Main(void* argument) {
  const std::unique_ptr<Beginning> mine(static_cast<Beginning*>(argument));
  pthread_setname_np(pthread_self(), mine->name);
  mine->run();
  return nullptr;
}

bool Create(const pthread_attr_t* attributes, const char* name, std::function<void()> run, pthread_t* thread) {
  std::unique_ptr<Beginning> beginning(new Beginning{name, std::move(run)});
  if (pthread_create(thread, attributes, Main, beginning.get()) != 0) return false;
  beginning.release();
  return true;
}

}  // namespace

bool StartDetached(const char* name, std::function<void()> run) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kSmallStackBytes);
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  pthread_t thread;
  // The new thread has the mask from its first instruction on.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const bool started = Create(&attributes, name, std::move(run), &thread);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return started;
}

bool Thread::Start(const char* name, std::function<void()> run) {
  started_ = Create(nullptr, name, std::move(run), &thread_);
  return started_;
}

void Thread::Join() {
  if (std::exchange(started_, false)) pthread_join(thread_, nullptr);
}

}  // namespace ptnet::os
