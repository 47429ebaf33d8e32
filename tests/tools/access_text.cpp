#include "tools/weft/view/access_text.hpp"

#include "example_device.hpp"
#include "tests/catch.hpp"
#include "tools/weft/view/status_text.hpp"

using namespace weft;
using namespace std::chrono_literals;
using Catch::Contains;

TEST_CASE("what is well about remote control is not spoken of") {
  CHECK(access_troubles(example_device().access, example_now).empty());
}

TEST_CASE("the status marks a certificate that ends within 30 days") {
  auto device = example_device();
  device.access.certificates = {{"certificate", "n1", example_now + 12 * 24h},
                                {"ca", "weft", example_now - 1h}};
  const auto text = format_table(device, example_now);
  CHECK_THAT(text, Contains("certificate 'n1' ends in 12 days")
                     && Contains("ca 'weft' has expired"));
}

TEST_CASE("the status says why changed files are not in force") {
  auto device = example_device();
  device.access.refused = "The list crl.pem is older";
  CHECK_THAT(format_table(device, example_now),
             Contains("not in force: The list crl.pem is older"));
}
