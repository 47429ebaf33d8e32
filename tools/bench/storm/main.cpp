// weft_handshake_storm: many peers ask one node for a session at once, and the
// responses are counted.
#include "platform/random.hpp"
#include "tools/bench/storm/storm.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <fstream>
#include <iostream>

namespace {

using namespace weft;
using namespace weft::bench;

struct arguments {
  std::size_t count = 0;
  std::string keys_file;
  std::string server_key;
  std::string server;
  std::string first_source = "10.64.0.1";
  std::size_t window = 0;
  double retry = 5;
  unsigned limit = 90;
};

/// `PRIVATE PUBLIC` a line, in base64.
int print_keys(std::size_t count) {
  system_random random;
  for (std::size_t i = 0; i < count; ++i) {
    const auto key = generate_private_key(random);
    std::cout << to_base64(key.bytes()) << ' '
              << to_string(derive_public_key(key)) << '\n';
  }
  return 0;
}

/// The first word of each line of `path`.
std::vector<private_key> read_keys(const std::string& path) {
  std::vector<private_key> keys;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto key = from_base64(line.substr(0, line.find(' ')));
    if (!key)
      throw std::invalid_argument(path + ": a line without a private key");
    keys.emplace_back(*key);
  }
  if (keys.empty())
    throw std::invalid_argument(path + ": no keys");
  return keys;
}

storm_options to_options(const arguments& args) {
  storm_options options;
  const auto server = parse_endpoint(args.server);
  const auto key = from_base64(args.server_key);
  const auto source = parse_ip_address(args.first_source);
  if (!server || !key || !source)
    throw std::invalid_argument(
      "expected: ADDRESS:PORT, a public key in base64, an address");
  options.server = *server;
  options.server_key = to_public_key(*key);
  options.first_source = *source;
  options.window = args.window;
  options.retry
    = std::chrono::milliseconds(static_cast<std::int64_t>(args.retry * 1000));
  options.limit = std::chrono::seconds(args.limit);
  return options;
}

double seconds(duration length) {
  return std::chrono::duration<double>(length).count();
}

nlohmann::json to_json(std::size_t clients, const storm_result& result) {
  const auto& times = result.answered;
  nlohmann::json report = {
    {"clients", clients},          {"answered", times.size()},
    {"verified", result.verified}, {"initiations", result.sent},
    {"cookies", result.cookies},   {"retries", result.retries},
  };
  if (!times.empty()) {
    report["seconds_p50"] = seconds(times[times.size() / 2]);
    report["seconds_p99"] = seconds(times[times.size() * 99 / 100]);
    report["seconds_all"] = seconds(times.back());
    report["per_second"]
      = static_cast<double>(times.size()) / seconds(times.back());
  }
  return report;
}

int run_storm(const arguments& args) {
  const auto keys = read_keys(args.keys_file);
  auto storm = handshake_storm::create(to_options(args), keys);
  if (!storm) {
    std::cerr << "weft_handshake_storm: " << storm.error().message << '\n';
    return 1;
  }
  const auto result = (*storm)->run();
  std::cout << to_json(keys.size(), result).dump(1) << '\n';
  return 0;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app{"weft_handshake_storm asks one node for many sessions at once "
               "and counts the responses."};
  arguments args;
  app.option_defaults()->always_capture_default();
  app.require_subcommand(1);
  auto* keys = app.add_subcommand("keys", "print key pairs, one a line");
  keys->add_option("count", args.count, "how many")->required();
  auto* run = app.add_subcommand("run", "shake hands; the result is JSON");
  run->add_option("keys", args.keys_file, "file of `keys`")->required();
  run->add_option("server", args.server, "ADDRESS:PORT")->required();
  run->add_option("server_key", args.server_key, "its public key")->required();
  run->add_option("--first-source", args.first_source,
                  "address of the first client; the others follow");
  run->add_option("--window", args.window,
                  "clients that ask at a time; 0: all at once");
  run->add_option("--retry", args.retry, "seconds until a client asks again");
  run->add_option("--limit", args.limit, "seconds until the end");
  CLI11_PARSE(app, argc, argv);
  return *keys ? print_keys(args.count) : run_storm(args);
}

} // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "weft_handshake_storm: " << error.what() << '\n';
    return 2;
  }
}
