// Explorer: fibers, the memory with its views, and the search through all choices.
#include "explorer.h"

#include "fiber.h"
#include "history.h"

namespace ptnet::model {
namespace {

constexpr uint64_t kStepsMax = 20'000;  // of one execution: beyond it nothing ends

struct Thread {
  std::function<void()> run;
  Fiber fiber;
  Op next;
  bool ended = false;
  std::function<bool()> ready;  // of a wait
  View now, released, acquirable;
  uint64_t own_writes = 0, seen_writes = 0;
};

/// One point at which the search could have gone on in another way.
struct Choice {
  uint32_t taken = 0;
  uint32_t options = 0;          // of a load: how many messages may be seen
  std::vector<int> done, sleep;  // of an order: threads that need not be taken (again)
  bool order = false;
};

struct Search {
  std::vector<Choice> choices;
  std::string without;
  Outcome outcome;
  // One execution.
  size_t depth = 0;
  std::vector<std::unique_ptr<Thread>> threads;
  int current = -1;     // -1: the scenario itself, in which all is as usual
  bool free = false;    // what is left of an execution is of no interest: it only ends
  bool ending = false;  // and those that wait are told so
  uint64_t steps = 0, writes = 0;
  std::vector<int> sleep;
  std::unordered_map<const void*, size_t> places;
  std::vector<std::vector<Message>> history;
  std::unordered_map<const void*, View> unlocked;  // what who let a mutex go knew
  View common;                                     // of seq_cst fences
  Fiber home, outer;                               // the scenario, and who explores it
  std::string story;
};

Search* search = nullptr;

uint64_t RealAt(const void* at, size_t size) {
  uint64_t word = 0;
  memcpy(&word, at, size);
  return word;
}

bool Modelled() { return search != nullptr && search->current >= 0 && !search->free; }
Thread& Self() { return *search->threads[search->current]; }

bool Enabled(const Thread& t) { return !t.ended && (!t.ready || t.ready()); }

/// Of the threads that could go on, the one that does; -1 when there is none, or none that leads to anything new.
int Pick() {
  Search& s = *search;
  std::vector<int> enabled;
  for (size_t t = 0; t < s.threads.size(); t++)
    if (Enabled(*s.threads[t])) enabled.push_back(static_cast<int>(t));
  if (enabled.empty()) return -1;
  // The one that runs goes on if it can: other orders are alternatives.
  auto here = std::find(enabled.begin(), enabled.end(), s.current);
  if (here != enabled.end()) std::rotate(enabled.begin(), here, here + 1);
  if (s.free) {
    const size_t turn = s.steps++ % enabled.size();
    return enabled[turn];
  }
  if (++s.steps > kStepsMax) {
    s.outcome.violated = true;
    s.outcome.story = "nothing ends\n" + s.story;
    s.free = true;
    return -1;
  }
  if (s.depth == s.choices.size()) {
    s.choices.emplace_back();
    s.choices.back().order = true;
    s.choices.back().sleep = s.sleep;
    s.choices.back().taken = UINT32_MAX;
  }
  Choice& c = s.choices[s.depth++];
  const auto unwanted = [&](int t) {
    return std::find(c.done.begin(), c.done.end(), t) != c.done.end() ||
           std::find(c.sleep.begin(), c.sleep.end(), t) != c.sleep.end();
  };
  if (c.taken == UINT32_MAX) {
    // Stores first: see Independent().
    std::stable_partition(enabled.begin(), enabled.end(), [&](int t) { return s.threads[t]->next.writes(); });
    const auto next = std::find_if_not(enabled.begin(), enabled.end(), unwanted);
    if (next == enabled.end()) {
      s.depth--;
      s.choices.pop_back();
      s.free = true;
      return -1;
    }
    c.taken = static_cast<uint32_t>(*next);
  }
  const int taken = static_cast<int>(c.taken);
  const Op& op = s.threads[taken]->next;
  s.sleep.clear();
  for (auto* list : {&c.done, &c.sleep})
    for (int t : *list)
      if (t != taken && Independent(s.threads[t]->next, op)) s.sleep.push_back(t);
  return taken;
}

void SwitchTo(int next) {
  Search& s = *search;
  const int from = s.current;
  if (next == from) return;
  s.current = next;
  Switch(from < 0 ? s.home : s.threads[from]->fiber, next < 0 ? s.home : s.threads[next]->fiber);
}

/// What the thread is about to do is known; it does so when it is chosen.
void Await(Kind kind, const void* at, std::function<bool()> ready = {}) {
  Thread& self = Self();
  self.next = {kind, at};
  self.ready = std::move(ready);
  SwitchTo(Pick());
  self.ready = {};
}

/// Lets the threads run until none can, or what they do is of no interest any more.
void RunAll() {
  if (const int next = Pick(); next >= 0) SwitchTo(next);
}

/// Which of `options` the search takes here.
uint32_t Choose(uint32_t options) {
  Search& s = *search;
  if (options == 1 || s.free) return 0;
  if (s.depth == s.choices.size()) s.choices.push_back({.taken = 0, .options = options});
  return s.choices[s.depth++].taken;
}

void Tell(const char* what, const void* at, uint64_t value) {
  Search& s = *search;
  if (s.free) return;
  char text[160];
  const auto place = s.places.find(at);
  snprintf(text, sizeof text, "  thread %d %s %c%zu %llu\n", s.current, what, at == nullptr ? '-' : '@',
           place == s.places.end() ? 0 : place->second, static_cast<unsigned long long>(value));
  s.story += text;
}

size_t PlaceOf(const void* at, uint64_t now) {
  Search& s = *search;
  const auto [found, fresh] = s.places.try_emplace(at, s.history.size());
  if (fresh) s.history.push_back({{now, {}}});
  auto& history = s.history[found->second];
  // Written as plain memory since: then it is ordered by something else.
  if (history.back().value != now) history.assign(1, {now, {}});
  return found->second;
}

bool Acquires(std::memory_order o) { return o == std::memory_order_acquire || o >= std::memory_order_acq_rel; }
bool Releases(std::memory_order o) { return o == std::memory_order_release || o >= std::memory_order_acq_rel; }

void See(const Message& m, std::memory_order order) {
  Thread& self = Self();
  Join(self.acquirable, m.view);
  if (Acquires(order)) Join(self.now, m.view);
}

void Append(size_t place, uint64_t value, std::memory_order order, const View* of_read) {
  Search& s = *search;
  Thread& self = Self();
  auto& history = s.history[place];
  At(self.now, place) = static_cast<uint32_t>(history.size());
  Message m{value, Releases(order) ? self.now : self.released};
  At(m.view, place) = static_cast<uint32_t>(history.size());
  if (of_read != nullptr) Join(m.view, *of_read);
  history.push_back(std::move(m));
  s.writes++;
  self.own_writes++;
}

void CommonFence() {
  Thread& self = Self();
  Join(self.now, self.acquirable);
  Join(self.now, search->common);
  search->common = self.now;
  self.released = self.now;
}

[[noreturn]] void EndThread() {
  Self().ended = true;
  SwitchTo(Pick());
  abort();
}

void RunThread() {
  Self().run();
  EndThread();
}

/// Forgets the choices that are exhausted. False when all are.
bool Backtrack() {
  auto& choices = search->choices;
  for (; !choices.empty(); choices.pop_back()) {
    Choice& c = choices.back();
    if (c.order) {
      c.done.push_back(static_cast<int>(c.taken));
      c.taken = UINT32_MAX;
      return true;  // whether one is left, Pick() finds out
    }
    if (++c.taken < c.options) return true;
  }
  return false;
}

}  // namespace

uint64_t Load(const void* at, size_t size, std::memory_order order) {
  if (!Modelled()) return RealAt(at, size);
  if (order == std::memory_order_seq_cst) CommonFence();
  Await(Kind::kLoad, at);
  if (search->free) return RealAt(at, size);
  const size_t place = PlaceOf(at, RealAt(at, size));
  auto& history = search->history[place];
  uint32_t& oldest = At(Self().now, place);
  if (oldest >= history.size()) oldest = 0;
  const auto newest = static_cast<uint32_t>(history.size()) - 1;
  const uint32_t seen = newest - Choose(newest - oldest + 1);
  oldest = seen;
  See(history[seen], order);
  Tell(seen == newest ? "loads" : "loads what was", at, history[seen].value);
  return history[seen].value;
}

void Store(const void* at, size_t size, uint64_t value, std::memory_order order) {
  if (!Modelled()) return;
  Await(Kind::kStore, at);
  if (search->free) return;
  Append(PlaceOf(at, RealAt(at, size)), value, order, nullptr);
  Tell("stores", at, value);
  if (order == std::memory_order_seq_cst) CommonFence();
}

void BeginRmw(const void* at, size_t size, std::memory_order order) {
  if (!Modelled()) return;
  if (order == std::memory_order_seq_cst) CommonFence();
  Await(Kind::kRmw, at);
  if (search->free) return;
  const size_t place = PlaceOf(at, RealAt(at, size));
  At(Self().now, place) = static_cast<uint32_t>(search->history[place].size()) - 1;
  See(search->history[place].back(), order);
  Tell("changes", at, search->history[place].back().value);
}

void StoreRmw(const void* at, uint64_t value, std::memory_order order) {
  if (!Modelled()) return;
  const size_t place = search->places.at(at);
  const View read = search->history[place].back().view;
  Append(place, value, order, &read);
  Tell("to", at, value);
  if (order == std::memory_order_seq_cst) CommonFence();
}

void Fence(std::memory_order order, const Site& site) {
  if (!Modelled()) return;
  const std::string& name = NameOf(site, __builtin_return_address(2));
  auto& passed = search->outcome.fences;
  if (std::find(passed.begin(), passed.end(), name) == passed.end()) passed.push_back(name);
  if (name == search->without) return;
  Thread& self = Self();
  if (order != std::memory_order_seq_cst) {
    if (Acquires(order)) Join(self.now, self.acquirable);
    if (Releases(order)) self.released = self.now;
    return;
  }
  Await(Kind::kFence, nullptr);
  if (search->free) return;
  CommonFence();
  Tell("fence", nullptr, 0);
}

void Forget(const void* at) {
  if (search == nullptr) return;
  search->places.erase(at);
  search->unlocked.erase(at);
}

void Yield() {
  if (search == nullptr || search->current < 0) return;
  Thread& self = Self();
  Await(Kind::kYield, nullptr,
        [&self] { return search->free || search->writes - self.own_writes != self.seen_writes; });
  self.seen_writes = search->writes - self.own_writes;
  for (size_t place = 0; place < search->history.size(); place++)
    At(self.now, place) = static_cast<uint32_t>(search->history[place].size()) - 1;
}

bool Wait(const void* at, std::function<bool()> ready, bool to_the_end) {
  if (search->current < 0) return ready();
  Await(Kind::kWait, at, [ready, to_the_end] { return (to_the_end && search->ending) || ready(); });
  Tell("has waited", at, 0);
  return ready();
}

void Touch(const void* at) {
  if (search == nullptr || search->current < 0) return;
  Await(Kind::kTouch, at);
  search->writes++;
  Tell("signals", at, 0);
}

void Lock(const void* at, bool* held) {
  if (search != nullptr && search->current >= 0) Await(Kind::kRmw, at, [held] { return !*held; });
  *held = true;
  if (Modelled()) Join(Self().now, search->unlocked[at]);
}

void Unlock(const void* at, bool* held) {
  *held = false;
  if (Modelled()) search->unlocked[at] = Self().now;
}

int Spawn(std::function<void()> run) {
  auto thread = std::make_unique<Thread>();
  thread->run = std::move(run);
  thread->fiber.Prepare(RunThread);
  search->threads.push_back(std::move(thread));
  return static_cast<int>(search->threads.size()) - 1;
}

void Join(int) { RunAll(); }

void Execute(const std::function<bool()>& done) {
  Search& s = *search;
  RunAll();
  if (s.free && !s.outcome.violated) RunAll();  // the rest of an execution that is known
  if (!s.outcome.violated && !done()) {
    s.outcome.violated = true;
    s.outcome.story = "somebody waits for ever\n" + s.story;
  }
  // What is not well does not end well: it is left as it is.
  if (s.outcome.violated) Switch(s.home, s.outer);
  s.free = s.ending = true;
}

Outcome Explore(const Scenario& scenario, const std::string& without) {
  Search* const s = search = new Search;
  s->without = without;
  static const Scenario* running;
  running = &scenario;
  do {
    s->outcome.executions++;
    s->depth = s->steps = s->writes = 0;
    s->free = s->ending = false;
    s->sleep.clear();
    s->places.clear();
    s->history.clear();
    s->unlocked.clear();
    s->common.clear();
    s->story.clear();
    s->threads.clear();
    s->current = -1;
    s->home.Prepare([] {
      running->run();
      Switch(search->home, search->outer);
    });
    Switch(s->outer, s->home);
  } while (!s->outcome.violated && Backtrack() && s->outcome.executions < scenario.most);
  s->outcome.complete = !s->outcome.violated && s->choices.empty();
  Outcome outcome = s->outcome;
  search = nullptr;
  if (!outcome.violated) delete s;
  return outcome;
}

}  // namespace ptnet::model
