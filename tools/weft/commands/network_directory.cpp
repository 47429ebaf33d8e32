// weft network directory: a member becomes another directory.  Its key is made
// where it stays; what travels is the public half, and certificates.
#include "actors/network/member_files.hpp"
#include "platform/accounts.hpp"
#include "platform/network_certificates.hpp"
#include "tools/issuer/client.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/network/new_node.hpp"
#include "tools/weft/network/refusals.hpp"
#include "tools/weft/network/service.hpp"
#include "tools/weft/view/format.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <ostream>

namespace weft {

namespace {

/// Where the issuer is: a certificate for the directory that a member is to be.
outcome<std::vector<byte_vector>>
certify(const member_node& node, const std::string& name,
        const std::string& key_text) {
  verifying_key key;
  if (!read_hex_text(key_text, key.bytes))
    return tl::unexpected(
      mistake("'" + printable(key_text)
              + "' is no key of a directory: 64 digits are expected, as 'weft "
                "network directory' prints them on '"
              + printable(name) + "'"));
  const auto socket = node.issuer_socket();
  const auto members = ask_all_members(socket);
  if (!members)
    return tl::unexpected(to_failure(members.error()));
  const auto is_member
    = std::any_of(members->begin(), members->end(), [&](const auto& each) {
        return !each.removed && each.terms.contents.name == name;
      });
  if (!is_member)
    return tl::unexpected(
      mistake("no member is called '" + printable(name)
              + "'; a directory is a member as well: have it join first"));
  auto given = ask_issuer_for<certified_answer>(
    socket, ask_directory_certificate{name, key});
  if (!given)
    return tl::unexpected(to_failure(given.error()));
  return std::move(given->certificates);
}

int print_certificate(const member_node& node, const network_options& options,
                      const streams& io) {
  const auto chain = certify(node, options.text, options.key);
  if (!chain)
    return report(chain.error(), options.json, io);
  const auto pem = to_pem(*chain);
  if (!options.json) {
    io.out << pem;
    return exit_fine;
  }
  nlohmann::ordered_json out;
  out["name"] = options.text;
  out["certificate"] = pem;
  print_json(out, io);
  return exit_fine;
}

/// What the node's file has to get, with the address that a directory has
/// everywhere else.
std::string section_for(const node_folder& folder, bool has_units,
                        const std::string& interface) {
  return "directory:\n"
         "  listen: \"[::]:51821\"\n"
         "  # The store of the other directories, as it stands in their "
         "files:\n"
         "  store: {etcd: [\"https://etcd1.example.net:2379\"]}\n"
         "  certificate: \""
         + folder.directory() + "\"\n  key: \"" + folder.directory_key()
         + "\"\n# Then: "
         + (has_units ? "systemctl restart " + node_unit(interface)
                      : "start weftd again")
         + "; and this node's address, port 51821, belongs\n"
           "# among the 'directories' of all members' files.\n";
}

/// On the node that is to be a directory.
int ask_for_certificate(const member_node& node, const network_options& options,
                        const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  const auto identity = load_identity(node.config.network);
  if (!identity)
    return fail(to_failure(identity.error()));
  const auto folder = node.folder();
  const auto seed = keep_seed(folder.directory_key());
  if (!seed)
    return fail(to_failure(seed.error()));
  const auto name = identity->contents().name;
  const auto key = to_hex_text(derive_verifying_key(*seed).bytes);
  if (options.json) {
    nlohmann::ordered_json out;
    out["name"] = name;
    out["key"] = key;
    out["key_file"] = folder.directory_key();
    out["certificate_file"] = folder.directory();
    print_json(out, io);
    return exit_fine;
  }
  const auto& interface = node.config.interface.name;
  io.out << "# Where the issuer is, run\n#\n#   weft network directory " << name
         << ' ' << key << "\n#\n# and put what it prints here as "
         << folder.directory() << ".\n# This node's file, " << node.file
         << ", gets the section\n"
         << section_for(folder,
                        systemd_is_there()
                          && node.file == "/etc/weft/" + interface + ".yaml",
                        interface);
  return exit_fine;
}

} // namespace

int make_directory_of_member(const network_options& options,
                             const streams& io) {
  const auto fail
    = [&](const failure& what) { return report(what, options.json, io); };
  if (own_user() != 0)
    return fail({exit_forbidden, EPERM,
                 "a directory's keys are root's, and so is the issuer: run it "
                 "as root"});
  if (options.text.empty() != options.key.empty())
    return fail(mistake(
      "NAME and KEY are expected together, as 'weft network directory' prints "
      "them on the node that is to be a directory"));
  const auto node = find_member_node(options.place);
  if (!node)
    return fail(node.error());
  return options.text.empty() ? ask_for_certificate(*node, options, io)
                              : print_certificate(*node, options, io);
}

} // namespace weft
