// What a scrape reads: the format, and which metrics follow from a status.
#include "actors/metrics/node_metrics.hpp"
#include "tests/catch.hpp"

#include <algorithm>
#include <regex>
#include <set>
#include <sstream>

using namespace weft;
using namespace std::chrono_literals;

namespace {

constexpr wall_time now{1'700'000'000s};

device_status a_device() {
  device_status device;
  device.interface = "weft0";
  device.version = "1.2.3";
  device.started = now - 48h;
  device.public_key.bytes.fill(std::byte{1});
  device.drops = {{"no_route", 12}, {"replayed", 0}};
  device.events
    = {{"handshake_completed", 7}, {"handshake_failed", 2}, {"peer_up", 3}};
  device.events_lost = 5;
  device.pools = {{"incoming", 4, 1, 9}};
  device.send_queue = 2;
  device.offloads = {{"tun", true, ""}, {"udp send", false, "a doubt"}};
  device.bad_checksums = 7;
  device.cores = {3, 1, true, 40, 20, 10};
  device.access = {1, 2, {{"certificate", "n1", now + 24h}}, ""};
  return device;
}

peer_status a_peer(unsigned char fill = 2) {
  peer_status peer;
  peer.public_key.bytes.fill(std::byte{fill});
  return peer;
}

peer_status beta() {
  auto peer = a_peer();
  peer.name = "beta";
  peer.state.word = peer_word::up;
  peer.state.reason = "a reason";
  peer.endpoint = parse_endpoint("192.0.2.7:51820");
  peer.allowed_ips
    = {*parse_ip_prefix("10.0.0.2/32"), *parse_ip_prefix("fd00::2/128")};
  peer.last_handshake = now - 64s - 500ms;
  peer.rx_bytes = 1536;
  peer.tx_bytes = 5'000'000;
  peer.restarts = 1;
  peer.drops = {{"replayed", 3}, {"wrong_source", 1}};
  return peer;
}

std::string page_of(std::vector<peer_status> peers, bool each_peer = true) {
  const auto device = a_device();
  node_metrics metrics{device, now, each_peer};
  device_status page;
  page.peers = std::move(peers);
  metrics.add_peers(page, now);
  return metrics.finish();
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

constexpr auto key_of_beta = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

} // namespace

TEST_CASE("a family has its help and its type before its samples") {
  constexpr std::array<metric_family, 2> table{
    {{"a_total", metric_type::counter, "How many."},
     {"b", metric_type::gauge, "How much."}}};
  exposition page{table};
  page.add(1, metric_labels{{"x", "1"}}.text(), 3);
  page.add(0, metric_labels{{"x", "1"}}.text(), 1);
  page.add(0, metric_labels{{"x", "2"}, {"y", "z"}}.text(), 2);
  CHECK(page.text()
        == "# HELP a_total How many.\n"
           "# TYPE a_total counter\n"
           "a_total{x=\"1\"} 1\n"
           "a_total{x=\"2\",y=\"z\"} 2\n"
           "# HELP b How much.\n"
           "# TYPE b gauge\n"
           "b{x=\"1\"} 3\n");
}

TEST_CASE("a family without samples is left out") {
  constexpr std::array<metric_family, 1> table{
    {{"a_total", metric_type::counter, "How many."}}};
  CHECK(exposition{table}.text().empty());
}

TEST_CASE("quotation marks, backslashes and line ends in labels are escaped") {
  CHECK(metric_labels{{"name", "a \"b\" \\ c\nd"}}.text()
        == "{name=\"a \\\"b\\\" \\\\ c\\nd\"}");
  CHECK(metric_labels{{"name", "B\xc3\xbc"
                               "ro {1},2"}}
          .text()
        == "{name=\"B\xc3\xbc"
           "ro {1},2\"}");
}

TEST_CASE("a peer has the names and labels of prometheus_wireguard_exporter") {
  const auto text = page_of({beta()});
  const auto labels = std::string{R"({interface="weft0",public_key=")"}
                      + key_of_beta
                      + "\",allowed_ips=\"10.0.0.2/32,fd00::2/128\","
                        "friendly_name=\"beta\"}";
  CHECK(has_line(text, "wireguard_sent_bytes_total" + labels + " 5000000"));
  CHECK(has_line(text, "wireguard_received_bytes_total" + labels + " 1536"));
  CHECK(has_line(text, "wireguard_latest_handshake_seconds" + labels
                         + " 1699999935"));
  CHECK(has_line(text,
                 "wireguard_latest_handshake_delay_seconds" + labels + " 65"));
}

TEST_CASE("a peer's state is one number, beside the number of peers in each") {
  auto failing = a_peer(3);
  failing.state.word = peer_word::failing;
  failing.state.cause = "clock_behind";
  const auto text = page_of({beta(), failing});
  CHECK(has_line(text, std::string{"weft_peer_state{interface=\"weft0\","
                                   "public_key=\""}
                         + key_of_beta + "\",friendly_name=\"beta\"} 5"));
  CHECK(text.find("weft_peer_state{interface=\"weft0\",public_key=\"AwMDAwM")
        != std::string::npos);
  CHECK(has_line(text, "weft_peers{interface=\"weft0\",state=\"up\"} 1"));
  CHECK(has_line(text, "weft_peers{interface=\"weft0\",state=\"failing\"} 1"));
  CHECK(has_line(text, "weft_peers{interface=\"weft0\",state=\"idle\"} 0"));
  CHECK(has_line(text, "weft_troubled_peers{interface=\"weft0\","
                       "cause=\"clock_behind\"} 1"));
  CHECK(has_line(text, "weft_troubled_peers{interface=\"weft0\","
                       "cause=\"no_answer\"} 0"));
}

TEST_CASE("every state has a number of its own") {
  std::set<std::uint64_t> numbers;
  for (const auto word :
       {peer_word::up, peer_word::idle, peer_word::connecting,
        peer_word::waiting, peer_word::failing, peer_word::disabled})
    numbers.insert(number_of(word));
  CHECK(numbers.size() == 6);
}

TEST_CASE("a peer without name and handshake lacks what it has not") {
  const auto text = page_of({a_peer()});
  CHECK(has_line(text, std::string{"wireguard_latest_handshake_seconds{"
                                   "interface=\"weft0\",public_key=\""}
                         + key_of_beta + "\",allowed_ips=\"\"} 0"));
  CHECK(text.find("delay_seconds") == std::string::npos);
  CHECK(text.find("friendly_name") == std::string::npos);
}

TEST_CASE("of a peer's way that is told what is known") {
  const auto labels
    = std::string{R"({interface="weft0",public_key=")"} + key_of_beta + "\"}";
  auto peer = a_peer();
  auto text = page_of({peer});
  CHECK(text.find("weft_peer_round_trip_seconds") == std::string::npos);
  CHECK(text.find("weft_peer_path_mtu_bytes") == std::string::npos);
  CHECK(has_line(text, "weft_peer_too_big_total" + labels + " 0"));
  peer.round_trip = 1'020'304;
  peer.path_mtu = 1400;
  peer.too_big = 2;
  text = page_of({peer});
  CHECK(has_line(text, "weft_peer_round_trip_seconds" + labels + " 1.020304"));
  CHECK(has_line(text, "weft_peer_path_mtu_bytes" + labels + " 1400"));
  CHECK(has_line(text, "weft_peer_too_big_total" + labels + " 2"));
}

TEST_CASE("neither an endpoint nor a reason is in the text") {
  const auto text = page_of({beta()});
  CHECK(text.find("192.0.2.7") == std::string::npos);
  CHECK(text.find("a reason") == std::string::npos);
}

TEST_CASE("drops are counted by reason, those of the peers included") {
  const auto text = page_of({beta()});
  CHECK(has_line(text, "weft_dropped_packets_total{interface=\"weft0\","
                       "reason=\"no_route\"} 12"));
  CHECK(has_line(text, "weft_dropped_packets_total{interface=\"weft0\","
                       "reason=\"replayed\"} 3"));
  CHECK(has_line(text, std::string{"weft_peer_dropped_packets_total{"
                                   "interface=\"weft0\",public_key=\""}
                         + key_of_beta + "\",friendly_name=\"beta\"} 4"));
}

TEST_CASE("what concerns the node as a whole is there without any peer") {
  const auto text = page_of({});
  constexpr auto certificate_line
    = R"(weft_certificate_expiry_seconds{interface="weft0",)"
      R"(file="certificate",name="n1"} 1700086400)";
  for (const auto* line :
       {R"(weft_build_info{interface="weft0",version="1.2.3"} 1)",
        R"(weft_up{interface="weft0"} 1)",
        R"(weft_start_time_seconds{interface="weft0"} 1699827200)",
        R"(weft_handshakes_total{interface="weft0",result="completed"} 7)",
        R"(weft_handshakes_total{interface="weft0",result="failed"} 2)",
        R"(weft_events_total{interface="weft0",event="peer_up"} 3)",
        R"(weft_events_lost_total{interface="weft0"} 5)",
        R"(weft_pool_batches{interface="weft0",pool="incoming"} 4)",
        R"(weft_pool_used_batches{interface="weft0",pool="incoming"} 1)",
        R"(weft_pool_exhausted_total{interface="weft0",pool="incoming"} 9)",
        R"(weft_send_queue_batches{interface="weft0"} 2)",
        R"(weft_offload_in_use{interface="weft0",offload="tun"} 1)",
        R"(weft_offload_in_use{interface="weft0",offload="udp send"} 0)",
        R"(weft_cores{interface="weft0"} 3)",
        R"(weft_failed_threads_total{interface="weft0"} 1)",
        R"(weft_full_batches_total{interface="weft0",fate="handed_over"} 40)",
        R"(weft_full_batches_total{interface="weft0",fate="without_place"} 20)",
        R"(weft_full_batches_total{interface="weft0",fate="without_core"} 10)",
        R"(weft_bad_checksums_total{interface="weft0"} 7)",
        R"(weft_control_clients{interface="weft0",role="operator"} 1)",
        R"(weft_control_clients{interface="weft0",role="viewer"} 2)",
        certificate_line}) {
    INFO(line);
    CHECK(has_line(text, line));
  }
}

TEST_CASE("a node in a network has its metrics, one in none has not") {
  CHECK(page_of({}).find("weft_network_") == std::string::npos);
  auto device = a_device();
  auto& network = device.network.emplace();
  network.name = "prod";
  network.members = 5;
  network.peers = 4;
  network.refused = {{"bad_signature", 7}};
  const auto text_now = [&] {
    return node_metrics{device, now, true}.finish();
  };
  auto text = text_now();
  const std::string own = R"({interface="weft0",network="prod"} )";
  CHECK(has_line(text, "weft_network_connected" + own + "0"));
  CHECK(text.find("weft_network_certificate_expiry") == std::string::npos);
  CHECK(text.find("weft_network_list_age") == std::string::npos);
  network.directory = "alpha.example.net:51821";
  network.certificate_ends = now + 24h;
  network.list_issued = now - 90s;
  network.clock_suspect = true;
  text = text_now();
  for (const auto& line :
       {"weft_network_connected" + own + "1",
        "weft_network_members" + own + "5", "weft_network_peers" + own + "4",
        "weft_network_certificate_expiry_seconds" + own + "1700086400",
        "weft_network_list_age_seconds" + own + "90",
        "weft_network_clock_suspect" + own + "1",
        std::string{R"(weft_network_refused_total{interface="weft0",)"
                    R"(network="prod",reason="bad_signature"} 7)"}}) {
    INFO(line);
    CHECK(has_line(text, line));
  }
  CHECK(text.find("alpha.example.net") == std::string::npos);
  network.list_issued = now + 90s; // its clock is ahead of this one
  CHECK(has_line(text_now(), "weft_network_list_age_seconds" + own + "0"));
}

TEST_CASE("without metrics of each peer their number does not lengthen it") {
  std::vector<peer_status> many;
  for (unsigned char i = 2; i < 200; ++i)
    many.push_back(a_peer(i));
  const auto text = page_of(many, false);
  CHECK(text.find("public_key") == std::string::npos);
  CHECK(has_line(text, "weft_peers{interface=\"weft0\",state=\"disabled\"} "
                       "198"));
}

TEST_CASE("a peer that comes on two pages counts once") {
  const auto text = page_of({beta(), beta()});
  CHECK(has_line(text, "weft_peers{interface=\"weft0\",state=\"up\"} 1"));
  CHECK(has_line(text, "weft_dropped_packets_total{interface=\"weft0\","
                       "reason=\"replayed\"} 3"));
}

TEST_CASE("names follow Prometheus' rules") {
  const std::regex name{"[a-z][a-z0-9_]*"};
  std::set<std::string_view> known;
  for (const auto& family : metric_table()) {
    INFO(family.name);
    CHECK(known.insert(family.name).second);
    CHECK(std::regex_match(std::string{family.name}, name));
    CHECK(family.name.ends_with("_total")
          == (family.type == metric_type::counter));
    CHECK(family.help.ends_with('.'));
    CHECK(family.help.find_first_of("\\\n") == std::string_view::npos);
  }
}
