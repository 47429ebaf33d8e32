#include "actors/overlay/offloads.hpp"

#include "tests/catch.hpp"

using namespace weft;

namespace {

constexpr auto sound = "6.1.0-18-amd64";
constexpr auto suspect = "7.0.3";

udp_features features(offload_mode udp, const char* kernel,
                      df_mode df = df_mode::automatic) {
  node_config config;
  config.offloads.udp = udp;
  config.interface.df = df;
  return features_for(config, kernel);
}

} // namespace

TEST_CASE("Sockets use what the kernel has, but no GSO of one that may mangle "
          "it, unless they are told to") {
  CHECK(features(offload_mode::automatic, sound)
        == udp_features{true, true, true});
  CHECK(features(offload_mode::automatic, suspect)
        == udp_features{false, true, true});
  CHECK(features(offload_mode::on, suspect) == udp_features{true, true, true});
  for (const auto* kernel : {sound, suspect})
    CHECK(features(offload_mode::off, kernel)
          == udp_features{false, false, true});
}

TEST_CASE("Nobody hears of what was too big if df is off") {
  CHECK_FALSE(features(offload_mode::automatic, sound, df_mode::off).too_big);
}

TEST_CASE("Whoever has a suspect kernel is told how to use GSO all the same") {
  const auto doubt = why_not_joined(offload_mode::automatic, suspect);
  CHECK_THAT(doubt, Catch::Contains("kernel 7.0.3"));
  CHECK_THAT(doubt, Catch::Contains("offloads.udp: on"));
  CHECK(why_not_joined(offload_mode::automatic, sound).empty());
  CHECK(why_not_joined(offload_mode::on, suspect).empty());
  CHECK(why_not_joined(offload_mode::off, suspect).empty());
}
