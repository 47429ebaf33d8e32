#include "platform/name_servers.hpp"

#include "support.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("Name servers are read as the resolver reads them") {
  const temporary_folder folder;
  const auto file = folder.path() + "/resolv.conf";
  write_file(file, "# nameserver 192.0.2.1\n"
                   "search example.org\n"
                   "nameserver 192.0.2.2\n"
                   "nameserver\tfe80::1%eth0   # here\n"
                   "nameserver\n"
                   "nameservers 192.0.2.3\n"
                   "  nameserver 2001:db8::53");
  CHECK(
    read_name_servers(file)
    == std::vector<std::string>{"192.0.2.2", "fe80::1%eth0", "2001:db8::53"});
  CHECK(read_name_servers(folder.path() + "/absent").empty());
}
