// The commands of networks.
#include "config/spans.hpp"
#include "config/strings.hpp"
#include "protocol/network/invitation.hpp"
#include "tools/weft/command_line.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/usage.hpp"

#include <memory>

namespace weft {

namespace {

using network_command = int (*)(const network_options&, const streams&);

class network_commands {
public:
  explicit network_commands(command_line& line)
    : line_(line),
      group_(line.add_group(
        "network", "Networks that run themselves: one command joins a node")) {
  }

  void add_all() {
    add_init();
    add_tokens();
    add_joining();
    add_members();
    add_upkeep();
  }

private:
  CLI::App& add(const std::string& name, const std::string& description,
                network_command action) {
    auto& added = line_.add_to(group_, name, description,
                               [given = given_, action](const streams& io) {
                                 return action(*given, io);
                               });
    auto& place = given_->place;
    added.add_option("-i,--interface", place.interface,
                     "Name of the node on this host (the network's)");
    added.add_option("--config", place.config,
                     "Its file (/etc/weft/INTERFACE.yaml)");
    added.add_flag("--json", given_->json, "Print JSON, errors too");
    return added;
  }
  /// For what makes a node.
  void add_place(CLI::App& to) {
    to.add_option("--state", given_->place.state,
                  "Folder for keys and what the network tells "
                  "(/var/lib/weft)");
    to.add_option("--name", given_->name,
                  "What the member is called (as the host)");
    add_list(to, "--endpoint", given_->endpoints,
             "HOST:PORT where others reach this node; may be repeated");
    to.add_option("--listen", given_->listen,
                  "Port, or ADDRESS:PORT, of the tunnel");
    to.add_flag("--no-start", given_->no_start, "Start nothing");
    to.add_flag("--allow-overlap", given_->allow_overlap,
                "Also if the network's ranges hold addresses of this host, or "
                "networks that it has routes to");
  }
  static void
  add_list(CLI::App& to, const std::string& name,
           std::vector<std::string>& into, const std::string& help) {
    to.add_option(name, into, help)->allow_extra_args(false);
  }
  void add_terms(CLI::App& to) {
    add_list(to, "--group", given_->groups,
             "Group that the member is in; may be repeated");
    add_list(to, "--prefix", given_->prefixes,
             "What the member owns, instead of a slice; may be repeated");
  }
  void add_length(CLI::App& to, const std::string& name,
                  unsigned network_options::*into, double most,
                  const std::string& help) {
    add_number(to, {name, help, "a length of a prefix", 1, most},
               [given = given_, into](double length) {
                 (*given).*into = static_cast<unsigned>(length);
               });
  }

  void add_init() {
    auto& init = add("init",
                     "Make a network, with this node as its first "
                     "member and directory",
                     init_network);
    init.add_option("NAME", given_->text, "What it is called")->required();
    add_list(init, "--range", given_->ranges,
             "Addresses of the network; may be repeated (by default a free /16 "
             "and a free /48 are drawn)");
    init.add_option("--directory", given_->directory,
                    "HOST:PORT where others reach its directory by TCP (the "
                    "endpoint's host, port 51821)");
    add_length(init, "--slice4", &network_options::slice_v4, 30,
               "Length of what a member gets of IPv4 (28)");
    add_length(init, "--slice6", &network_options::slice_v6, 126,
               "Length of what a member gets of IPv6 (64)");
    add_place(init);
  }

  void add_tokens() {
    auto& invite
      = add("invite", "Print a token, by which nodes join", invite_members);
    add_number(invite,
               {"--uses", "How many members it lets in (1)", "a number", 1,
                static_cast<double>(most_uses)},
               [given = given_](double uses) {
                 given->uses = static_cast<std::uint64_t>(uses);
               });
    invite
      .add_option_function<std::string>(
        "--expires",
        [given = given_](const std::string& text) {
          constexpr std::chrono::days longest{3650};
          const auto span = parse_span(text, longest);
          if (!span || *span == std::chrono::seconds{0})
            throw CLI::ValidationError(
              "--expires",
              strings::quote(text)
                + " is no time; 90s, 15m, 12h or 7d is expected, at "
                  "most 3650d");
          given->expires = *span;
        },
        "How long it does (1h)")
      ->type_name("TIME");
    invite.add_option("--name", given_->name,
                      "What the member is called (as it pleases)");
    add_terms(invite);
    add("tokens", "Show the tokens", list_tokens);
    add("revoke-token", "Have a token let nobody in any more", revoke_token)
      .add_option("TOKEN", given_->text,
                  "The token, or digits of it as 'tokens' shows them")
      ->required();
  }

  void add_joining() {
    auto& join
      = add("join", "Make this node a member, by a token", join_network);
    join.add_option("TOKEN", given_->text,
                    "As 'invite' has printed it; - reads it from stdin");
    join.add_option("--request", given_->request,
                    "Reach no directory, but write this file for 'issue'");
    join.add_option("--root", given_->root,
                    "With --request: file of the network's root");
    add_place(join);
    auto& issue = add("issue",
                      "Print the answer to the request of a node that "
                      "reaches no directory",
                      issue_membership);
    issue.add_option("REQUEST", given_->text, "File that 'join' has written")
      ->required();
    issue.add_option("--name", given_->name,
                     "What the member is called (as it asks)");
    add_terms(issue);
    auto& import
      = add("import", "Make this node a member, by what 'issue' has printed",
            import_membership);
    import.add_option("ANSWER", given_->text, "File")->required();
    add_place(import);
    add("leave", "End this node's membership, and the node", leave_network_here)
      .add_flag("--force", given_->force,
                "Also if nobody can be told of it, or it is a directory");
  }

  void add_members() {
    add("remove", "Have all members drop one, for good", remove_member)
      .add_option("NAME", given_->text, "What it is called")
      ->required();
    add("members", "Show the members", list_members);
    add("status", "Show how this node stands in its network", show_network);
  }

  void add_upkeep() {
    auto& renew
      = add("renew", "Get a new certificate, if it is due", renew_membership);
    auto* issuer = renew.add_flag("--issuer", given_->of_issuer,
                                  "The issuer's, with the root's key");
    renew
      .add_flag("--directory", given_->of_directory,
                "The one of the directory on this host")
      ->excludes(issuer);
    auto& directory
      = add("directory",
            "Make this member a directory as well; with NAME and KEY, print "
            "its certificate where the issuer is",
            make_directory_of_member);
    directory.add_option("NAME", given_->text, "The member's");
    directory.add_option("KEY", given_->key,
                         "The directory's, as it is printed without NAME");
    add("rekey", "Begin a new epoch of the preshared keys", begin_epoch);
    add("backup", "Copy what an issuer and a directory here have",
        back_up_network)
      .add_option("FOLDER", given_->text, "Where the copies go")
      ->required();
    add("recover",
        "Have issuer and directory go on after a backup was put "
        "back",
        recover_network)
      .add_option("--store", given_->store,
                  "Only put this backup in the place of a directory's store "
                  "that is lost");
  }

  command_line& line_;
  CLI::App& group_;
  std::shared_ptr<network_options> given_ = std::make_shared<network_options>();
};

} // namespace

void add_network_commands(command_line& line) {
  network_commands{line}.add_all();
}

} // namespace weft
