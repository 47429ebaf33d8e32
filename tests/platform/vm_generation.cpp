#include "platform/vm_generation.hpp"

#include "tests/catch.hpp"

#include <string>
#include <vector>

using namespace weft;

namespace {

std::string event_of(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts)
    text += part + '\0';
  return text;
}

} // namespace

TEST_CASE("The kernel's word for a new generation of the machine is known") {
  CHECK(is_new_vm_generation(
    event_of({"change@/devices/platform/VMGENID:00", "ACTION=change",
              "DEVPATH=/devices/platform/VMGENID:00", "SUBSYSTEM=platform",
              "NEW_VMGENID=1", "DRIVER=vmgenid", "SEQNUM=4711"})));
}

TEST_CASE("Other events, and halves of this one, mean nothing") {
  for (const auto& other : std::vector<std::vector<std::string>>{
         {},
         {""},
         {"add@/devices/virtual/net/lo", "ACTION=add", "INTERFACE=lo"},
         {"change@/devices/x", "ACTION=change", "NEW_VMGENID=0"},
         {"add@/devices/x", "ACTION=add", "NEW_VMGENID=1"},
         {"change@/devices/x", "ACTION=change", "OLD_NEW_VMGENID=1"},
         {"change@/devices/x", "ACTION=change", "NEW_VMGENID=1 "},
         {"NEW_VMGENID=1"}})
    CHECK_FALSE(is_new_vm_generation(event_of(other)));
  CHECK(
    is_new_vm_generation({"ACTION=change\0NEW_VMGENID=1", 27})); // cut short
}

TEST_CASE("The kernel's devices can be watched, and are quiet") {
  const auto watch = vm_generation_watch::open();
  REQUIRE(watch);
  CHECK(watch->descriptor() >= 0);
  CHECK_FALSE(watch->read());
}
