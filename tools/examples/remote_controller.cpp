// A program that steers many nodes over the network: it gives every node all
// others for peers, whenever one connects, and prints what happens, until its
// standard input ends.
//
//   remote_controller CERTIFICATE KEY CA < nodes
//
// where each line of `nodes` has a name, the node's control address
// (HOST:PORT), its WireGuard endpoint and its prefix within the overlay.  A
// line `end` ends the list.
#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <weft/weft.hpp>

#include <iostream>
#include <sstream>

namespace {

using namespace std::chrono_literals;

struct remote_node {
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  weft::endpoint_config where;
  weft::ip_prefix prefix;
  weft::overlay_actor overlay;
  weft::public_key key; ///< zero: not heard of yet
};

/// What the watchers and subscribers of the nodes tell the controller.
struct connection_changed {
  std::size_t node = 0;
  weft::connection_state state;
};
struct events_came {
  std::size_t node = 0;
  std::vector<weft::overlay_event> events;
};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(connection_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(events_came)

namespace {

weft::connection_watcher::behavior_type
watch(weft::connection_watcher::pointer, std::size_t number,
      const caf::actor& controller) {
  return {
    [=](const weft::connection_state& state) {
      caf::anon_send(controller, connection_changed{number, state});
    },
  };
}

weft::event_subscriber::behavior_type
listen(weft::event_subscriber::pointer, std::size_t number,
       const caf::actor& controller) {
  return {
    [=](const weft::event_batch& batch) {
      caf::anon_send(controller, events_came{number, batch.events});
    },
  };
}

class controller : public caf::event_based_actor {
public:
  controller(caf::actor_config& config, std::vector<remote_node> nodes,
             weft::tls_files files)
    : event_based_actor(config), nodes_(std::move(nodes)),
      files_(std::move(files)) {
  }

  caf::behavior make_behavior() override {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      connect(i);
    return {
      [this](const connection_changed& changed) {
        auto& one = nodes_[changed.node];
        if (changed.state.connected) {
          say(one, "connected as " + to_string(changed.state.role));
          introduce(changed.node);
        } else {
          say(one, "not connected: " + changed.state.reason);
        }
      },
      [this](const events_came& came) {
        for (const auto& event : came.events) {
          auto text = std::string{to_string(event.kind)};
          for (const auto& part : {event.peer_name, event.reason})
            text += part.empty() ? "" : ' ' + part;
          say(nodes_[came.node], text);
        }
      },
    };
  }
  void on_exit() override {
    nodes_.clear();
  }

private:
  static std::string to_string(weft::control_role role) {
    return std::string{weft::to_string(role)};
  }
  static std::string_view to_string(weft::event_kind kind) {
    return weft::to_string(kind);
  }
  static void say(const remote_node& about, const std::string& what) {
    std::cout << about.name << ": " << what << std::endl; // NOLINT: at once
  }

  void connect(std::size_t number) {
    auto& one = nodes_[number];
    const auto me = caf::actor_cast<caf::actor>(this);
    weft::connect_options options;
    options.watcher = system().spawn(watch, number, me);
    options.retry_refused = true;
    auto made = weft::connect_overlay(
      system(), weft::remote_target{one.host, one.port, files_, {}}, options);
    if (!made) {
      say(one, made.error().message);
      return;
    }
    one.overlay = *made;
    request(one.overlay, 10s,
            weft::subscribe{system().spawn(listen, number, me)})
      .then([] {}, [](const caf::error&) {}); // it is repeated by itself
  }

  /// Tells a node of the others, and the others of it.
  void introduce(std::size_t number) {
    request(nodes_[number].overlay, 10s, weft::get_status{})
      .then(
        [this, number](const weft::device_status& status) {
          nodes_[number].key = status.public_key;
          for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (i != number && !nodes_[i].key.is_zero()) {
              add(i, number);
              add(number, i);
            }
          }
        },
        [this, number](const caf::error& why) {
          say(nodes_[number], weft::error_message(why));
        });
  }

  void add(std::size_t to, std::size_t what) {
    const auto& peer = nodes_[what];
    weft::peer_config config;
    config.name = peer.name;
    config.public_key = peer.key;
    config.endpoint = peer.where;
    config.allowed_ips = {peer.prefix};
    config.persistent_keepalive = 5s;
    request(nodes_[to].overlay, 10s, weft::add_peer{config})
      .then([](const weft::config_changes&) {},
            [this, to](const caf::error& why) {
              say(nodes_[to], weft::error_message(why));
            });
  }

  std::vector<remote_node> nodes_;
  weft::tls_files files_;
};

/// Reads the list of nodes up to its end.
std::vector<remote_node> read_nodes(std::istream& in) {
  std::vector<remote_node> nodes;
  std::string line;
  while (std::getline(in, line) && line != "end") {
    std::istringstream words{line};
    remote_node one;
    std::string control;
    std::string where;
    std::string prefix;
    words >> one.name >> control >> where >> prefix;
    const auto address = weft::parse_endpoint(control);
    const auto endpoint = weft::parse_endpoint(where);
    const auto network = weft::parse_ip_prefix(prefix);
    if (!address || !endpoint || !network)
      throw std::runtime_error("not NAME CONTROL ENDPOINT PREFIX: " + line);
    one.host = to_string(address->address);
    one.port = address->port;
    one.where = *endpoint;
    one.prefix = *network;
    nodes.push_back(std::move(one));
  }
  return nodes;
}

} // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() != 4) {
    std::cerr << "usage: remote_controller CERTIFICATE KEY CA < nodes\n";
    return 2;
  }
  caf::actor_system_config config;
  config.load<caf::io::middleman>();
  config.set("scheduler.policy", caf::atom("sharing"));
  weft::configure(config);
  caf::actor_system system{config};
  const auto made = system.spawn<controller>(
    read_nodes(std::cin),
    weft::tls_files{arguments[1], arguments[2], arguments[3], {}});
  std::string line;
  while (std::getline(std::cin, line)) {
    // Whatever comes is of no interest: the end is.
  }
  caf::anon_send_exit(made, caf::exit_reason::user_shutdown);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "remote_controller: " << error.what() << '\n';
  return 1;
}
