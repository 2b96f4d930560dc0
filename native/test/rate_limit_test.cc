// The token bucket: over any time no more passes than the burst, what comes in that time and the last batch; whoever
// always wants to send gets the whole rate; several threads get it together.
#include "datapath/rate_limit.h"

#include <cmath>
#include <thread>
#include <vector>

#include "check.h"

using namespace ptnet;
using namespace ptnet::test;

namespace {

constexpr uint64_t kSecond = 1'000'000'000;

/// Times and batches at random, some of them at once and some after a long rest, against a bucket of real numbers.
void ItIsATokenBucket(Random& random, double per_second, uint64_t burst, uint32_t batch_most) {
  RateLimit limit(per_second, burst);
  uint64_t now = 1 + random.Below(1'000'000'000);
  double tokens = static_cast<double>(burst), since = static_cast<double>(now);
  for (int i = 0; i < 20'000; i++) {
    tokens = std::min(static_cast<double>(burst), tokens + (static_cast<double>(now) - since) / 1e9 * per_second);
    since = static_cast<double>(now);
    const uint64_t have = limit.Tokens(now);
    // The clock is kept in parts of a nanosecond: each batch may be off by one of them.
    const double off = 1 + 2e-9 * per_second * (i + 1) / 64;
    if (tokens > off) CHECK(std::abs(static_cast<double>(have) - tokens) <= off);
    if (tokens < -off) CHECK_EQ(have, 0u);
    if (have == 0) {
      // When it is due there is the share that was promised.
      const uint64_t due = limit.DueNs();
      CHECK(due > now);
      CHECK(limit.Tokens(due) + 1 >= limit.share());
      now =
          random.OneIn(2) ? due : now + random.Below(static_cast<uint32_t>(std::min<uint64_t>(due - now, UINT32_MAX)));
      continue;
    }
    const uint32_t batch = 1 + random.Below(batch_most);
    limit.Take(batch, now);
    tokens -= batch;
    now += random.OneIn(50) ? random.Below(1'000'000'000) : random.OneIn(2) ? random.Below(10'000) : 0;
  }
}

/// Somebody who sends whenever he may, and is woken when it is due.
void TheWholeRateIsUsed(Random& random, double per_second, uint64_t burst, uint32_t batch_most) {
  RateLimit limit(per_second, burst);
  const uint64_t begin = 12 * kSecond;
  uint64_t now = begin, passed = 0, last = 0;
  while (now < begin + 100 * kSecond) {
    if (limit.Tokens(now) == 0) {
      now = limit.DueNs() + random.Below(50'000);
      continue;
    }
    passed += last = 1 + random.Below(batch_most);
    limit.Take(last, now);
  }
  const double most = static_cast<double>(burst) + static_cast<double>(now - begin) / 1e9 * per_second;
  CHECK(static_cast<double>(passed) <= most * 1.001 + batch_most);
  CHECK(static_cast<double>(passed) >= most * 0.999 - static_cast<double>(2 * burst));
}

void WhoHasRestedGetsABurstAndNoMore() {
  RateLimit limit(1e6, 5000);
  CHECK_EQ(limit.Tokens(1000 * kSecond), 5000u);
  limit.Take(5000, 1000 * kSecond);
  CHECK_EQ(limit.Tokens(1000 * kSecond), 0u);
  CHECK_EQ(limit.Tokens(2000 * kSecond), 5000u);
  // More than there was: a debt, which takes its time.
  limit.Take(6000, 2000 * kSecond);
  CHECK_EQ(limit.Tokens(2000 * kSecond + 999'000), 0u);
  CHECK(limit.Tokens(2000 * kSecond + 1'002'000) > 0);
}

void ThreadsShareIt() {
  RateLimit limit(1e9, 1000);
  constexpr uint64_t kEach = 100'000, kNow = kSecond;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&] {
      for (uint64_t i = 0; i < kEach; i++) limit.Take(3, kNow);
    });
  for (std::thread& thread : threads) thread.join();
  // A unit is a nanosecond here.
  const uint64_t paid = kNow + 4 * kEach * 3 - 1000;
  CHECK_EQ(limit.Tokens(paid - 1), 0u);
  CHECK_EQ(limit.Tokens(paid + 10), 10u);
}

/// What another process has used up is not there again here, and no bucket stays empty for ever.
void AnotherProcessGoesOn() {
  constexpr uint64_t kThere = 7 * kSecond, kHere = 3 * kSecond;
  RateLimit there(1000, 100), here(1000, 100);
  CHECK_EQ(there.MissingNs(kThere), 0u);
  there.Take(70, kThere);
  here.GoOn(there.MissingNs(kThere), kHere);
  CHECK_EQ(here.Tokens(kHere), there.Tokens(kThere));
  CHECK_EQ(here.Tokens(kHere + kSecond / 100), there.Tokens(kThere + kSecond / 100));
  there.Take(1000, kThere);
  here.GoOn(there.MissingNs(kThere), kHere);
  CHECK_EQ(here.Tokens(kHere), 0u);
  CHECK_EQ(here.DueNs() - kHere, there.DueNs() - kThere);
  here.GoOn(0, kHere);
  CHECK_EQ(here.Tokens(kHere), 100u);
  here.GoOn(UINT64_MAX, kHere);
  CHECK_EQ(here.Tokens(kHere), 0u);
  CHECK_EQ(here.Tokens(kHere + 24 * 3600 * kSecond), 100u);
}

}  // namespace

int main() {
  Random random("rate_limit_test");
  WhoHasRestedGetsABurstAndNoMore();
  for (auto [per_second, burst, batch] : {std::tuple{1000.0, uint64_t{100}, 1u},
                                          {125.0, uint64_t{65'536}, 9018u},
                                          {125e6, uint64_t{625'000}, 65'536u},
                                          {12.5e9, uint64_t{12'500'000}, 2'000'000u},
                                          {12.5e9, uint64_t{12'500'000}, 60u},
                                          {10.0, uint64_t{2}, 1u}}) {
    ItIsATokenBucket(random, per_second, burst, batch);
    if (per_second >= 1000 && batch > 60) TheWholeRateIsUsed(random, per_second, burst, batch);
  }
  ThreadsShareIt();
  AnotherProcessGoesOn();
}
