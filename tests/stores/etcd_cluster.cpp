#include "tests/stores/etcd_cluster.hpp"

#include "platform/store/http_exchange.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <tuple>

namespace weft::test {

namespace {

constexpr auto program = "/usr/bin/etcd";

/// Ports that nothing listens on now.
std::uint16_t free_port(const std::string& host) {
  const file_descriptor socket{
    ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  REQUIRE(::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1);
  socklen_t size = sizeof address;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(socket.get(), generic, size) == 0);
  REQUIRE(::getsockname(socket.get(), generic, &size) == 0);
  return ntohs(address.sin_port);
}

pid_t spawn(std::vector<std::string> arguments, const std::string& log) {
  std::vector<char*> pointers;
  for (auto& argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int output
      = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ::dup2(output, 1);
    ::dup2(output, 2);
    ::execv(program, pointers.data());
    ::_exit(127);
  }
  return child;
}

} // namespace

bool have_etcd() {
  if (::access(program, X_OK) == 0)
    return true;
  WARN("skipped: it needs etcd (Debian's package etcd-server)");
  return false;
}

etcd_cluster::etcd_cluster(etcd_options options)
  : options_(std::move(options)) {
  std::ignore = std::signal(SIGPIPE, SIG_IGN); // as weftd does
  if (options_.host == etcd_options{}.host && ::geteuid() == 0)
    network_.emplace();
  for (auto& node : ports_)
    node = {free_port(options_.host), free_port(options_.host)};
  for (std::size_t node = 0; node < size; ++node)
    start(node);
}

etcd_cluster::~etcd_cluster() {
  for (std::size_t node = 0; node < size; ++node)
    kill(node);
}

std::string etcd_cluster::cluster() const {
  std::string all;
  for (std::size_t node = 0; node < size; ++node)
    all += (all.empty() ? "n" : ",n") + std::to_string(node) + "=http://"
           + options_.host + ':' + std::to_string(ports_[node].peers);
  return all;
}

std::string etcd_cluster::endpoint(std::size_t node) const {
  return (options_.certificate.empty() ? "http://" : "https://") + options_.host
         + ':' + std::to_string(ports_[node].clients);
}

std::string etcd_cluster::data(std::size_t node) const {
  const bool apart = node + 1 == size && !options_.last_node_folder.empty();
  return (apart ? options_.last_node_folder : folder_.path()) + "/n"
         + std::to_string(node);
}

void etcd_cluster::start(std::size_t node) {
  const auto clients = endpoint(node);
  const auto peers
    = "http://" + options_.host + ':' + std::to_string(ports_[node].peers);
  std::vector<std::string> arguments{program,
                                     "--name",
                                     "n" + std::to_string(node),
                                     "--data-dir",
                                     data(node),
                                     "--listen-client-urls",
                                     clients,
                                     "--advertise-client-urls",
                                     clients,
                                     "--listen-peer-urls",
                                     peers,
                                     "--initial-advertise-peer-urls",
                                     peers,
                                     "--initial-cluster",
                                     cluster(),
                                     "--initial-cluster-state",
                                     "new",
                                     "--heartbeat-interval",
                                     "100",
                                     "--election-timeout",
                                     "1000"};
  if (!options_.certificate.empty())
    arguments.insert(arguments.end(), {"--cert-file", options_.certificate,
                                       "--key-file", options_.key});
  arguments.insert(arguments.end(), options_.arguments.begin(),
                   options_.arguments.end());
  processes_[node]
    = spawn(std::move(arguments),
            folder_.path() + "/n" + std::to_string(node) + ".log");
}

void etcd_cluster::kill(std::size_t node) {
  auto& process = processes_[node];
  if (process == 0)
    return;
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  process = 0;
}

void etcd_cluster::halt(std::size_t node) const {
  REQUIRE(::kill(processes_[node], SIGSTOP) == 0);
}

void etcd_cluster::resume(std::size_t node) const {
  REQUIRE(::kill(processes_[node], SIGCONT) == 0);
}

bool etcd_cluster::is_running(std::size_t node) {
  auto& process = processes_[node];
  if (process != 0 && ::waitpid(process, nullptr, WNOHANG) == process)
    process = 0;
  return process != 0;
}

etcd_settings etcd_cluster::settings(const std::string& writer) const {
  etcd_settings made;
  for (std::size_t node = 0; node < size; ++node)
    made.endpoints.push_back(endpoint(node));
  made.authority = options_.authority;
  made.prefix = "weft/test/";
  made.writer = writer;
  made.patience = std::chrono::seconds{30};
  return made;
}

std::unique_ptr<directory_store>
etcd_cluster::open(const std::string& writer) const {
  return open(settings(writer));
}

std::unique_ptr<directory_store> etcd_cluster::open(etcd_settings settings) {
  return must(
    open_etcd_store(std::move(settings), real_clock(), real_random()));
}

std::string
etcd_cluster::post(std::size_t node, const std::string& path,
                   const std::string& body, const std::string& token) const {
  http_exchange exchange;
  http_request request{
    endpoint(node) + path, body, {}, options_.authority, 1'000'000};
  if (!token.empty())
    request.headers.push_back("Authorization: " + token);
  exchange.begin(std::move(request));
  while (exchange.go_on(std::chrono::seconds{10})
         == http_exchange::progress::arrived) {
  }
  return exchange.received();
}

} // namespace weft::test
