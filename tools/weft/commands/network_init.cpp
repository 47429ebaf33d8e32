// weft network init: the authority, its issuer's journal, the certificates of a
// directory, and this node as the first member.  All of it is made before
// anything starts; what fails takes away what was made.
#include "actors/network/member_files.hpp"
#include "config/network_checks.hpp"
#include "config/strings.hpp"
#include "config/values.hpp"
#include "platform/accounts.hpp"
#include "platform/acting_user.hpp"
#include "platform/clock.hpp"
#include "platform/files.hpp"
#include "platform/random.hpp"
#include "platform/resolve.hpp"
#include "platform/saved_file.hpp"
#include "protocol/network/ranges.hpp"
#include "protocol/network/token.hpp"
#include "tools/issuer/authority.hpp"
#include "tools/issuer/client.hpp"
#include "tools/issuer/issuer_service.hpp"
#include "tools/weft/commands/network_commands.hpp"
#include "tools/weft/network/host_overlap.hpp"
#include "tools/weft/network/new_node.hpp"
#include "tools/weft/network/refusals.hpp"
#include "tools/weft/network/service.hpp"
#include "tools/weft/view/format.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <ostream>

namespace weft {

namespace {

namespace fs = std::filesystem;

constexpr auto issuer_name = "issuer";
constexpr std::uint16_t usual_directory_port = 51821;

/// What is to be made, all of it looked at.
struct init_plan {
  root_contents root;
  issuer_contents issuer;
  std::string member;
  network_place place;
  std::vector<endpoint> endpoints;
  endpoint listen;
  directory_address directory;
};

/// Takes away what was made, unless all was.
class undo_list {
public:
  undo_list() = default;
  undo_list(const undo_list&) = delete;
  undo_list& operator=(const undo_list&) = delete;
  ~undo_list() {
    std::error_code ignored;
    for (; !made_.empty(); made_.pop_back())
      fs::remove_all(made_.back(), ignored);
  }

  /// Before it is made: it was not there.
  void add(const std::string& path) {
    made_.push_back(path);
  }
  void keep_all() {
    made_.clear();
  }

private:
  std::vector<std::string> made_;
};

outcome<std::vector<ip_prefix>> ranges_of(const network_options& options) {
  std::vector<ip_prefix> ranges;
  for (const auto& text : options.ranges) {
    const auto prefix = parse_ip_prefix(text);
    if (!prefix || *prefix != prefix->network())
      return tl::unexpected(
        mistake("'" + printable(text) + "' is no range; one such as "
                + (prefix ? to_string(prefix->network()) : "10.200.0.0/16")
                + " is expected"));
    ranges.push_back(*prefix);
  }
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

/// For who names none.
outcome<std::vector<ip_prefix>>
choose_ranges(const std::vector<endpoint>& endpoints) {
  auto taken = list_host_networks();
  if (!taken) {
    auto why = to_failure(taken.error());
    why.message += ": say which addresses the network has, such as --range "
                   "10.200.0.0/16 --range fd00:200::/48";
    return tl::unexpected(std::move(why));
  }
  for (const auto& each : endpoints)
    taken->push_back(
      {{each.address, static_cast<std::uint8_t>(each.address.bits())},
       "an endpoint"});
  system_random random;
  auto ranges = draw_free_ranges(*taken, random);
  if (ranges.empty())
    return tl::unexpected(mistake(
      "this host has a route to all private addresses, so that no range "
      "is free: say which addresses the network has, such as --range "
      "10.200.0.0/16 --range fd00:200::/48"));
  std::sort(ranges.begin(), ranges.end());
  return ranges;
}

outcome<init_plan> plan_of(const network_options& options) {
  init_plan plan;
  const auto& name = options.text;
  if (!is_network_word(name))
    return tl::unexpected(mistake("'" + printable(name)
                                  + "' is no name of a network; 1-32 of a-z, "
                                    "0-9 and - are expected"));
  auto place = place_of(options.place, name);
  if (!place)
    return tl::unexpected(std::move(place.error()));
  plan.place = std::move(*place);
  auto member = member_name_of(options);
  if (!member)
    return tl::unexpected(std::move(member.error()));
  plan.member = std::move(*member);
  auto ranges = ranges_of(options);
  if (!ranges)
    return tl::unexpected(std::move(ranges.error()));
  if (options.endpoints.empty())
    return tl::unexpected(
      mistake("there is no endpoint: say where others reach this node, such as "
              "--endpoint alpha.example.net:51820"));
  auto endpoints = own_endpoints(options.endpoints);
  if (!endpoints)
    return tl::unexpected(std::move(endpoints.error()));
  plan.endpoints = std::move(*endpoints);
  if (ranges->empty())
    ranges = choose_ranges(plan.endpoints);
  if (!ranges)
    return tl::unexpected(std::move(ranges.error()));
  system_random random;
  plan.root = {network_id::draw(random), name, *ranges,
               static_cast<std::uint8_t>(options.slice_v4),
               static_cast<std::uint8_t>(options.slice_v6)};
  plan.issuer = {plan.root.network, issuer_name, *ranges};
  if (const auto wrong = find_mistake(plan.root))
    return tl::unexpected(mistake(wrong->what));
  auto listen = tunnel_listen(options, plan.endpoints);
  if (!listen)
    return tl::unexpected(std::move(listen.error()));
  plan.listen = *listen;
  auto directory = parse_directory_address(
    options.directory.empty() ? options.endpoints.front() : options.directory);
  if (!directory)
    return tl::unexpected(mistake(directory.error().what));
  plan.directory = std::move(*directory);
  if (options.directory.empty())
    plan.directory.port = usual_directory_port;
  return plan;
}

/// An endpoint within the network's ranges is reached through the tunnel that
/// is to reach it.
std::optional<failure> find_endpoint_inside(const init_plan& plan) {
  for (const auto& each : plan.endpoints)
    for (const auto& range : plan.root.ranges)
      if (range.contains(each.address))
        return mistake(
          "the endpoint " + to_string(each)
          + " lies in the network's own range " + to_string(range)
          + ": others reach this node at an address outside of it");
  return std::nullopt;
}

/// What must not be there yet.
std::optional<failure>
find_obstacle(const init_plan& plan, const network_options& options) {
  if (auto inside = find_endpoint_inside(plan))
    return inside;
  if (!options.allow_overlap)
    if (auto overlap
        = find_host_overlap(plan.root.ranges, plan.place.interface))
      return mistake(*overlap
                     + ". Leave --range out, and weft takes ranges that are "
                       "free; or say --allow-overlap if nothing that this host "
                       "needs is there");
  for (const auto& path : {plan.place.config, plan.place.issuer,
                           plan.place.folder.path, plan.place.store}) {
    std::error_code failed;
    if (fs::exists(fs::symlink_status(path, failed)))
      return failure{exit_mistaken, EEXIST,
                     path
                       + " is there already, and is left alone: choose another "
                         "name, or move it away if no network needs it"};
  }
  return std::nullopt;
}

/// Asks an issuer that nobody serves yet.
template <class Answer>
outcome<Answer> ask(issuer_service& service, issuer_service::role as,
                    const issuing_question& question) {
  service.ask(1, as, question, instant_now());
  for (auto& each : service.settle(instant_now())) {
    if (auto* wanted = std::get_if<Answer>(&each.answer))
      return std::move(*wanted);
    if (const auto* no = std::get_if<issuing_refused>(&each.answer))
      return tl::unexpected(to_failure(no->why));
  }
  std::string why = "the issuer gave no answer";
  for (const auto& each : service.take_news())
    if (each.is_trouble)
      why = each.text;
  return tl::unexpected(failure{exit_failure, EIO, std::move(why)});
}

/// What the issuer gives this node.
struct certified_node {
  join_admission admission;
  std::vector<byte_vector> directory; ///< certificates
};

/// What this node brings.
struct node_keys {
  join_keys joining;
  signing_seed directory;
};

/// By a token that nobody else gets to see.
outcome<join_admission>
admit_first_member(issuer_service& service, const init_plan& plan,
                   const join_keys& keys) {
  invitation terms;
  terms.network = plan.root.network;
  terms.token = derive_verifying_key(keys.token);
  terms.until = network_now() + std::chrono::hours{1};
  terms.name = plan.member;
  const auto invited = ask<issuing_done>(service, issuer_service::role::root,
                                         ask_invitation{terms});
  if (!invited)
    return tl::unexpected(invited.error());
  auto question = offline_admission(keys, plan.root.network, plan.member);
  if (!question)
    return tl::unexpected(std::move(question.error()));
  auto given = ask<join_answer_given>(service, issuer_service::role::directory,
                                      *question);
  if (!given)
    return tl::unexpected(std::move(given.error()));
  return std::move(given->admission);
}

/// Begins the issuer's journal.  Its files are its user's: whoever makes them
/// acts as that one.
outcome<certified_node> certify(const init_plan& plan, const node_keys& keys) {
  const auto owner = acting_user::owner_of(plan.place.issuer);
  if (!owner)
    return tl::unexpected(to_failure(owner.error()));
  system_random random;
  auto service = issuer_service::open(plan.place.issuer, instant_now(), random);
  if (!service)
    return tl::unexpected(to_failure(service.error()));
  auto admission = admit_first_member(*service, plan, keys.joining);
  if (!admission)
    return tl::unexpected(std::move(admission.error()));
  auto certified = ask<certified_answer>(
    *service, issuer_service::role::root,
    ask_directory_certificate{plan.member,
                              derive_verifying_key(keys.directory)});
  if (!certified)
    return tl::unexpected(std::move(certified.error()));
  return certified_node{std::move(*admission),
                        std::move(certified->certificates)};
}

/// The folders of the node, with its keys.
result<node_keys> make_node_keys(const init_plan& plan) {
  system_random random;
  auto joining = keep_keys(plan.place.folder, draw_signing_seed(random));
  if (!joining)
    return tl::unexpected(std::move(joining.error()));
  auto directory = keep_seed(plan.place.folder.directory_key());
  if (!directory)
    return tl::unexpected(std::move(directory.error()));
  if (auto done = make_private_folder(plan.place.store); !done)
    return tl::unexpected(std::move(done.error()));
  return node_keys{std::move(*joining), std::move(*directory)};
}

result<joined_node>
keep_certificates(const init_plan& plan, const authority& made,
                  const node_keys& keys, const certified_node& given) {
  const auto& folder = plan.place.folder;
  auto joined = keep_admission(folder, made.root.der, given.admission,
                               keys.joining, network_now());
  if (!joined)
    return joined;
  if (auto done = write_certificates(folder.directory(), given.directory);
      !done)
    return tl::unexpected(std::move(done.error()));
  return joined;
}

directory_config directory_section_of(const init_plan& plan, bool has_units) {
  directory_config directory;
  directory.store.file = plan.place.store + "/store.db";
  directory.listen
    = endpoint{{ip_family::v6, {}}, plan.directory.port, 0}; // [::]
  directory.certificate = plan.place.folder.directory();
  directory.key = plan.place.folder.directory_key();
  directory.issuer = has_units ? issuer_directory_socket_path(plan.root.name)
                               : plan.place.issuer;
  return directory;
}

outcome<joined_node> make_all(const init_plan& plan, bool has_units) {
  undo_list made;
  system_random random;
  made.add(plan.place.issuer);
  const auto authority = make_authority(plan.place.issuer, plan.root,
                                        plan.issuer, network_now(), random);
  if (!authority)
    return tl::unexpected(to_failure(authority.error()));
  made.add(plan.place.folder.path);
  made.add(plan.place.store);
  const auto keys = make_node_keys(plan);
  if (!keys)
    return tl::unexpected(to_failure(keys.error()));
  const auto given = certify(plan, *keys);
  if (!given)
    return tl::unexpected(given.error());
  auto joined = keep_certificates(plan, *authority, *keys, *given);
  if (!joined)
    return tl::unexpected(to_failure(joined.error()));
  node_yaml node;
  node.interface = plan.place.interface;
  node.listen = plan.listen;
  node.who = *joined;
  node.folder = plan.place.folder;
  node.network.directories = {plan.directory};
  node.network.endpoints = plan.endpoints;
  node.directory = directory_section_of(plan, has_units);
  made.add(plan.place.config);
  if (auto done = write_node_yaml(plan.place, node); !done)
    return tl::unexpected(std::move(done.error()));
  made.keep_all();
  return std::move(*joined);
}

int say(const init_plan& plan, const joined_node& joined,
        const network_options& options, bool started, const streams& io) {
  if (options.json) {
    auto out = to_json(joined, plan.place);
    out["directory"] = to_string(plan.directory);
    out["issuer"] = plan.place.issuer;
    auto ranges = nlohmann::ordered_json::array();
    for (const auto& each : plan.root.ranges)
      ranges.push_back(to_string(each));
    out["ranges"] = std::move(ranges);
    out["started"] = started;
    print_json(out, io);
    return exit_fine;
  }
  std::string ranges;
  for (const auto& each : plan.root.ranges)
    ranges += (ranges.empty() ? "" : ", ") + to_string(each);
  io.out << "The network '" << plan.root.name << "' (" << ranges
         << ") is made, and this node is '" << joined.self.name
         << "' in it: " << addresses_text(joined.self) << ".\nIts directory is "
         << to_string(plan.directory)
         << " (TCP), which joining nodes have to reach.\nThe root's key is "
         << root_key_file(plan.place.issuer)
         << ": move it off-line, and keep a copy; it is needed to renew the "
            "issuer.\n";
  say_how_to_start(plan.place,
                   issuer_unit(plan.root.name) + ' '
                     + node_unit(plan.place.interface),
                   started, io);
  io.out << "Let others join: weft network invite"
         << (plan.place.is_usual ? "" : " --config " + plan.place.config)
         << '\n';
  return exit_fine;
}

} // namespace

int init_network(const network_options& options, const streams& io) {
  if (own_user() != 0)
    return report({exit_forbidden, EPERM,
                   "a network's keys are root's, and so are its nodes: run it "
                   "as root"},
                  options.json, io);
  const auto plan = plan_of(options);
  if (!plan)
    return report(plan.error(), options.json, io);
  if (const auto obstacle = find_obstacle(*plan, options))
    return report(*obstacle, options.json, io);
  const auto has_units = plan->place.is_usual && systemd_is_there();
  const auto joined = make_all(*plan, has_units);
  if (!joined)
    return report(joined.error(), options.json, io);
  const bool starts = has_units && !options.no_start;
  if (starts) {
    if (auto done = start_unit(issuer_unit(plan->root.name)); !done)
      return report(done.error(), options.json, io);
    if (auto done = start_unit(node_unit(plan->place.interface)); !done)
      return report(done.error(), options.json, io);
  }
  return say(*plan, *joined, options, starts, io);
}

} // namespace weft
