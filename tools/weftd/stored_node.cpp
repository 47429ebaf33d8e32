#include "tools/weftd/stored_node.hpp"

#include "actors/overlay/config_files.hpp"
#include "actors/overlay/export_overlay.hpp"
#include "actors/packets/tun_reader.hpp"
#include "config/saved_node_format.hpp"
#include "messages/errors.hpp"
#include "messages/overlay.hpp"
#include "platform/clock.hpp"
#include "platform/replacement.hpp"
#include "platform/state_memory.hpp"
#include "platform/tun_name.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

namespace weft {

namespace {

using namespace std::chrono_literals;

/// For a change that is being made.
constexpr auto busy_patience = 5s;
/// For the service manager to close what it was told to.
constexpr auto close_patience = 5s;

constexpr auto rest_name = "file";
constexpr auto state_name = "state";

/// Of all that a node leaves.
std::set<std::string> all_names() {
  auto names = names_of_device();
  names.insert({"udp4", "udp6", "strangers4", "strangers6", "machine",
                rest_name, state_name});
  return names;
}

/// Asks the overlay once more while it is busy.  `into` gets the answer.
template <class Message, class... Answer>
caf::error
ask_patiently(caf::scoped_actor& self, const overlay_root_actor& root,
              Message message, Answer&... into) {
  const auto until = boot_now() + busy_patience;
  for (;;) {
    caf::error failure;
    self->request(root, caf::infinite, message)
      .receive([&](Answer&... answer) { ((into = std::move(answer)), ...); },
               [&](caf::error& why) { failure = std::move(why); });
    if (!failure || error_code(failure) != EBUSY || boot_now() >= until)
      return failure;
    wait_while_busy();
  }
}

/// All of the overlay, which stands still then.  Packets wait from then on, so
/// that everything that need not wait for it is done before.
caf::error
stand_still(caf::scoped_actor& self, const overlay_root_actor& root,
            const std::function<void()>& end_services, overlay_left& into) {
  if (auto why = ask_patiently(self, root, prepare_to_leave{}))
    return why;
  end_services();
  for (const auto& name : all_names()) // of an earlier attempt
    remove_stored_descriptors(name);
  return ask_patiently(self, root, hand_over{}, into);
}

/// Has the service manager keep it all.  The state comes last: who finds it
/// finds the others, too.
result<void> store(const state_memory& state, const std::string& rest,
                   std::vector<named_descriptor>& descriptors) {
  auto file = state_memory::make(rest);
  if (!file)
    return tl::unexpected(file.error());
  auto copy = duplicate(state.descriptor());
  if (!copy)
    return tl::unexpected(copy.error());
  descriptors.push_back({rest_name, std::move(*file).release()});
  descriptors.push_back({state_name, std::move(*copy)});
  return store_descriptors(descriptors);
}

/// On failure the overlay goes on, unless somebody else still could as well.
caf::error
leave_what_is_frozen(caf::scoped_actor& self, const overlay_root_actor& root,
                     overlay_left& left, const leaving_process& process) {
  const auto fail
    = [](const system_error& why) { return make_error(why.code, why.message); };
  auto state = to_memory(left.state);
  if (!state) {
    caf::anon_send(root, thaw{});
    return fail(state.error());
  }
  caf::error failure;
  if (const auto stored = store(*state, process.rest, *left.descriptors);
      !stored)
    failure = fail(stored.error());
  else
    self->request(root, caf::infinite, leave{process.ends_at_once})
      .receive([] {}, [&](caf::error& why) { failure = std::move(why); });
  // Whoever is passed it finds that it was given out.
  if (failure && state->take())
    caf::anon_send(root, thaw{});
  return failure;
}

/// What the first state says that nobody has taken yet; the others go.
std::optional<taken_state>
take_state(std::vector<named_descriptor>& passed, std::string& why_not) {
  why_not = "there is no state";
  std::optional<taken_state> state;
  while (auto file = take(passed, state_name)) {
    auto memory = state_memory::open(std::move(file));
    if (!memory) {
      why_not = memory.error().message;
      continue;
    }
    auto taken = memory->take();
    if (!taken)
      why_not = "an earlier process has begun to read it, and did not end well";
    else if (!state)
      state = std::move(taken);
  }
  return state;
}

/// The service manager still has them for a moment: what this process is about
/// to make itself would be taken.
void close_unused(std::vector<named_descriptor> descriptors,
                  spdlog::logger& log) {
  if (!close_everywhere(std::move(descriptors), boot_now() + close_patience))
    log.warn("the service manager still has the device or the port of the last "
             "process open, which it was told to close: systemctl stop the "
             "unit, and start it");
}

/// Takes those out whose port the file says: they are opened anew.
void close_sockets(std::vector<named_descriptor>& from,
                   const interface_config& wanted, spdlog::logger& log) {
  std::vector<named_descriptor> unused;
  for (const auto* name : {"udp4", "udp6", "strangers4", "strangers6"})
    if (wanted.listen.port != 0)
      unused.push_back({name, take(from, name)});
  close_unused(std::move(unused), log);
}

/// Whether there is a TUN device of that name.
bool is_of(const std::vector<named_descriptor>& descriptors,
           const std::string& interface) {
  const auto tun
    = std::ranges::find(descriptors, "tun", &named_descriptor::name);
  return tun != descriptors.end()
         && tun_name(tun->descriptor.get()) == interface;
}

} // namespace

std::string rest_of_file(const node_config& config) {
  auto rest = config;
  rest.interface = {};
  rest.interface.name = config.interface.name;
  rest.peers.clear();
  return format_yaml(rest);
}

std::optional<node_config>
take_rest_of_file(std::vector<named_descriptor>& passed,
                  const std::string& file) {
  auto memory = state_memory::open(take(passed, rest_name));
  const auto text = memory ? memory->take() : std::nullopt;
  if (!text)
    return std::nullopt;
  auto rest = parse_yaml(text->view(), file, private_key_rule::optional);
  if (!rest)
    return std::nullopt;
  return std::move(*rest);
}

bool leave_node(caf::actor_system& system, const overlay_actor& overlay,
                const leaving_process& process, spdlog::logger& log) {
  const auto root = caf::actor_cast<overlay_root_actor>(overlay);
  caf::scoped_actor self{system};
  overlay_left left;
  auto failure = stand_still(self, root, process.end_services, left);
  if (!failure) {
    failure = leave_what_is_frozen(self, root, left, process);
    if (!failure)
      return true;
  }
  log.warn("sessions end with this process, and begin anew in the next one: {}",
           error_message(failure));
  return false;
}

std::optional<inherited_overlay> take_stored_node(
  std::vector<named_descriptor> passed, const interface_config& wanted,
  const std::function<result<void>(const inherited_overlay&)>& check,
  spdlog::logger& log) {
  if (passed.empty())
    return std::nullopt;
  const auto& interface = wanted.name;
  auto names = all_names();
  for (const auto& each : passed)
    names.insert(each.name);
  inherited_overlay left;
  std::string why_not;
  if (const auto state = take_state(passed, why_not)) {
    const auto text = state->view();
    auto node = parse_saved_node(std::as_bytes(std::span{text}), boot_now());
    if (!node)
      why_not = node.error();
    else if (node->interface.name != interface)
      why_not = "it is the state of " + node->interface.name;
    else
      left.state = std::make_shared<saved_node>(std::move(*node));
  }
  // From here on nobody is passed them again, whatever becomes of this process.
  for (const auto& name : names)
    remove_stored_descriptors(name);
  left.descriptors = std::move(passed);
  if (!left.state && !is_of(left.descriptors, interface)) {
    log.warn("what the service manager has kept is not used: {}", why_not);
    close_unused(std::move(left.descriptors), log);
    return std::nullopt;
  }
  if (const auto fine = check(left); !fine) {
    log.warn("what the last process of {} has left is not used, and sessions "
             "begin anew: {}",
             interface, fine.error().message);
    close_unused(std::move(left.descriptors), log);
    return std::nullopt;
  }
  if (!left.state) {
    log.warn("what the last process of {} has left cannot be gone on with "
             "({}): its device stays, and sessions begin anew",
             interface, why_not);
    close_sockets(left.descriptors, wanted, log);
  }
  return left;
}

} // namespace weft
