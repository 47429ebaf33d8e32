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

TEST_CASE("Programs of this host are asked for names only where nobody else is "
          "known") {
  const temporary_folder folder;
  const name_server_files files{folder.path() + "/host",
                                {folder.path() + "/resolved",
                                 folder.path() + "/manager"}};
  using servers = std::vector<std::string>;
  CHECK(find_name_servers(files).empty());
  write_file(files.host, "nameserver 127.0.0.1\nnameserver ::1\n");
  CHECK(find_name_servers(files) == servers{"127.0.0.1", "::1"});
  CHECK(are_programs_of_host(find_name_servers(files)));
  write_file(files.behind[1], "nameserver 192.0.2.1\n");
  CHECK(find_name_servers(files) == servers{"192.0.2.1"});
  write_file(files.behind[0], "nameserver 127.0.0.2\nnameserver 192.0.2.2\n");
  CHECK(find_name_servers(files) == servers{"192.0.2.2"});
  write_file(files.host, "nameserver 127.0.0.11\nnameserver 192.0.2.3\n");
  CHECK(find_name_servers(files) == servers{"192.0.2.3"});
  CHECK_FALSE(are_programs_of_host(find_name_servers(files)));
  CHECK_FALSE(are_programs_of_host({}));
}

TEST_CASE("Whom a host asks is known unless an unknown program answers") {
  const temporary_folder folder;
  const name_server_files files{folder.path() + "/host",
                                {folder.path() + "/resolved"}};
  using servers = std::vector<std::string>;
  CHECK(name_servers_in_force(files) == servers{});
  write_file(files.host, "nameserver 192.0.2.1\nnameserver 127.0.0.1\n");
  CHECK(name_servers_in_force(files) == servers{"192.0.2.1", "127.0.0.1"});
  write_file(files.host, "nameserver 127.0.0.1\n");
  CHECK_FALSE(name_servers_in_force(files));
  write_file(files.host, "nameserver 127.0.0.53\n");
  CHECK_FALSE(name_servers_in_force(files)); // whom that asks cannot be read
  write_file(files.behind[0], "nameserver 10.64.0.1\n");
  CHECK(name_servers_in_force(files) == servers{"10.64.0.1"});
}
