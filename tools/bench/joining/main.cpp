// weft_join_storm: many nodes join a network, one after the other on each of
// several threads, as `weft network join` does it; what each was given is
// looked at by the product's own code, and its keys stay in memory.
#include "platform/clock.hpp"
#include "platform/network_join.hpp"
#include "platform/random.hpp"
#include "protocol/base/keys.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <atomic>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using namespace weft;

struct arguments {
  std::size_t count = 1000;
  std::size_t at_once = 8;
};

struct outcome {
  std::vector<double> seconds; ///< of each that was let in
  std::vector<std::string> names;
  std::vector<std::string> prefixes;
  std::vector<std::string> failures;
};

double seconds(duration length) {
  return std::chrono::duration<double>(length).count();
}

class storm {
public:
  storm(const join_token& token, arguments args) : token_(token), args_(args) {
  }

  outcome run() {
    std::vector<std::jthread> all;
    for (std::size_t i = 0; i < args_.at_once; ++i)
      all.emplace_back([this] { join_some(); });
    all.clear();
    return std::move(outcome_);
  }

private:
  void join_some() {
    system_random random;
    for (auto number = next_++; number < args_.count; number = next_++)
      join("storm-" + std::to_string(random.next_u32()) + "-"
             + std::to_string(number),
           random);
  }

  void join(const std::string& name, system_random& random) {
    const auto certificate_key = draw_signing_seed(random);
    const auto wireguard_key = generate_private_key(random);
    const auto now = std::chrono::floor<std::chrono::seconds>(wall_now());
    const auto begin = boot_now();
    const auto made
      = ask_to_join({token_, certificate_key, wireguard_key, name, now});
    const auto took = seconds(boot_now() - begin);
    const std::lock_guard guard(mutex_);
    if (!made) {
      outcome_.failures.push_back(made.error().message);
      return;
    }
    outcome_.seconds.push_back(took);
    const auto& self = std::get<member_contents>(made->member.contents);
    outcome_.names.push_back(self.name);
    for (const auto& each : self.prefixes)
      outcome_.prefixes.push_back(to_string(each));
  }

  const join_token& token_;
  arguments args_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  outcome outcome_; ///< under the mutex
};

int run(const arguments& args) {
  std::string text;
  std::getline(std::cin, text);
  const auto token = parse_token(text);
  if (!token) {
    std::cerr << "weft_join_storm: a token is expected on standard input: "
              << token.error().what << '\n';
    return 2;
  }
  const auto result = storm(*token, args).run();
  const nlohmann::json report = {
    {"seconds_of_each", result.seconds},
    {"names", result.names},
    {"prefixes", result.prefixes},
    {"failures", result.failures},
  };
  std::cout << report.dump(1) << '\n';
  return result.failures.empty() ? 0 : 1;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app{"weft_join_storm has many nodes join a network by one token, "
               "which it reads from standard input; the result is JSON."};
  arguments args;
  app.option_defaults()->always_capture_default();
  app.add_option("count", args.count, "how many nodes")
    ->check(CLI::PositiveNumber);
  app.add_option("--at-once", args.at_once, "so many at a time")
    ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return run(args);
}

} // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "weft_join_storm: " << error.what() << '\n';
    return 2;
  }
}
