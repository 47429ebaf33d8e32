#include "platform/firewall.hpp"

#include "platform/linux/netlink.hpp"
#include "platform/memory.hpp"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

namespace weft {

namespace {

/// What nft has to say: the first line, without the place in text that the user
/// has never seen.
std::string reason_of(std::string_view printed) {
  constexpr std::string_view mark = "Error: ";
  if (const auto at = printed.find(mark); at != std::string_view::npos)
    printed.remove_prefix(at + mark.size());
  return std::string{printed.substr(0, printed.find('\n'))};
}

/// The errno that the kernel answered with, as nft puts it into words.
int code_of(std::string_view reason) {
  for (const int code : {EPERM, EACCES, ENOENT, EOPNOTSUPP, ENOBUFS, ENOMEM})
    if (reason.find(std::system_category().message(code))
        != std::string_view::npos)
      return code;
  return EINVAL;
}

constexpr auto cannot_read = "Cannot read the host's packet filter";
constexpr auto needs_rights = "It needs CAP_NET_ADMIN: run it as root";
constexpr auto needs_nftables
  = "It needs nftables of the kernel: modprobe nf_tables";

system_error make_error(const char* what, std::string_view printed) {
  const auto reason = reason_of(printed);
  system_error error{code_of(reason), std::string{what} + ": " + reason};
  if (error.code == EPERM)
    error.message += std::string{". "} + needs_rights;
  else if (error.code == EOPNOTSUPP)
    error.message += std::string{". "} + needs_nftables;
  return error;
}

result<file_descriptor> open_netlink() {
  file_descriptor fd{::socket(
    AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)};
  if (!fd)
    return tl::unexpected(
      make_system_error(errno, "Cannot open the host's packet filter"));
  return fd;
}

/// libnftables ends the process where it gets no socket: so there has to be
/// room for one, and for what other threads may open meanwhile.
result<void> find_room() {
  std::array<result<file_descriptor>, 8> tried;
  for (auto& each : tried) {
    each = open_netlink();
    if (!each)
      return tl::unexpected(std::move(each.error()));
  }
  return {};
}

/// It also does where it gets no memory.
result<void> find_memory(const char* what) {
  constexpr std::size_t enough = 8U << 20U;
  if (!may_have_memory(enough))
    return tl::unexpected(make_system_error(ENOMEM, what));
  return {};
}

} // namespace

void firewall::context_end::operator()(nft_ctx* context) const {
  ::nft_ctx_free(context);
}

result<firewall> firewall::open() {
  if (auto room = find_room(); !room)
    return tl::unexpected(std::move(room.error()));
  if (auto room = find_memory("Cannot open the host's packet filter"); !room)
    return tl::unexpected(std::move(room.error()));
  firewall made;
  made.context_.reset(::nft_ctx_new(NFT_CTX_DEFAULT));
  auto* context = made.context_.get();
  if (context == nullptr || ::nft_ctx_buffer_output(context) != 0
      || ::nft_ctx_buffer_error(context) != 0)
    return tl::unexpected(
      make_system_error(ENOMEM, "Cannot open the host's packet filter"));
  ::nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_STATELESS);
  return made;
}

result<std::string>
firewall::ask(const std::string& command, const char* what) {
  if (auto room = find_memory(what); !room)
    return tl::unexpected(std::move(room.error()));
  const auto done = ::nft_run_cmd_from_buffer(context_.get(), command.c_str());
  std::string printed = ::nft_ctx_get_output_buffer(context_.get());
  const std::string said = ::nft_ctx_get_error_buffer(context_.get());
  if (done != 0)
    return tl::unexpected(make_error(what, said));
  return printed;
}

result<void> firewall::run(const std::string& commands) {
  return ask(commands, "Cannot change the host's packet filter")
    .map([](const std::string&) {});
}

result<std::string> firewall::table(const std::string& name) {
  auto listed = ask("list table inet " + name, cannot_read);
  if (!listed && listed.error().code == ENOENT)
    return std::string{};
  return listed;
}

result<std::string> firewall::ruleset_as_json() {
  const auto flags = ::nft_ctx_output_get_flags(context_.get());
  ::nft_ctx_output_set_flags(context_.get(), flags | NFT_CTX_OUTPUT_JSON);
  auto listed = ask("list ruleset", cannot_read);
  ::nft_ctx_output_set_flags(context_.get(), flags);
  return listed;
}

result<void> firewall::remove(const std::string& table) {
  // Who adds what is there changes nothing.
  return run("add table inet " + table + "\ndelete table inet " + table);
}

// -- what the kernel says itself ---------------------------------------------

namespace {

/// A name among the attributes of a message; empty: there is none.
std::string name_in(const nlmsghdr& message, std::uint16_t type) {
  struct search {
    std::uint16_t type;
    std::string name;
  } wanted{type, {}};
  mnl_attr_parse(
    &message, sizeof(nfgenmsg),
    [](const nlattr* attribute, void* into) {
      auto& found = *static_cast<search*>(into);
      if (mnl_attr_get_type(attribute) == found.type
          && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
        found.name = mnl_attr_get_str(attribute);
      return MNL_CB_OK;
    },
    &wanted);
  return wanted.name;
}

constexpr std::uint16_t message_type(int number) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | number);
}

} // namespace

result<std::vector<std::string>> firewall_tables() {
  constexpr int most_attempts = 16; // while others change them
  std::vector<std::string> names;
  auto fd = netlink::open(0, true, NETLINK_NETFILTER);
  auto done = fd.map([](const file_descriptor&) {});
  for (int attempt = 0; done && attempt < most_attempts; ++attempt) {
    netlink::request list{message_type(NFT_MSG_GETTABLE), NLM_F_DUMP};
    list.payload<nfgenmsg>().nfgen_family = NFPROTO_INET;
    names.clear();
    done = netlink::execute(
      fd->get(), list, [] { return std::string{cannot_read}; },
      [&](const nlmsghdr& table) {
        names.push_back(name_in(table, NFTA_TABLE_NAME));
      });
    if (done && !list.was_interrupted())
      return names;
  }
  if (done)
    return tl::unexpected(make_system_error(EAGAIN, cannot_read));
  const auto code = done.error().code;
  if (code == EPERM)
    return tl::unexpected(make_system_error(EPERM, cannot_read, needs_rights));
  // Nobody in the kernel knows such a socket, or such a message.
  if (code == EPROTONOSUPPORT || code == EINVAL)
    return tl::unexpected(
      make_system_error(EOPNOTSUPP, cannot_read, needs_nftables));
  return tl::unexpected(done.error());
}

result<firewall_monitor> firewall_monitor::open() {
  auto fd = open_netlink();
  if (!fd)
    return tl::unexpected(std::move(fd.error()));
  sockaddr_nl self{};
  self.nl_family = AF_NETLINK;
  self.nl_groups = 1U << (NFNLGRP_NFTABLES - 1);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  if (::bind(fd->get(), reinterpret_cast<const sockaddr*>(&self), sizeof self)
      != 0)
    return tl::unexpected(
      make_system_error(errno, "Cannot watch the host's packet filter"));
  firewall_monitor made;
  made.fd_ = std::move(*fd);
  return made;
}

std::vector<firewall_change> firewall_monitor::read() {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
  struct alignas(nlmsghdr) {
    std::array<std::byte, 32768> bytes;
  } memory;
  std::vector<firewall_change> changes;
  for (;;) {
    const auto got = ::recv(fd_.get(), memory.bytes.data(), memory.bytes.size(),
                            MSG_DONTWAIT);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0 && errno == ENOBUFS) {
      changes.emplace_back(); // something was changed, whatever it was
      continue;
    }
    if (got <= 0)
      return changes;
    auto left = static_cast<int>(got);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    for (auto* next = reinterpret_cast<const nlmsghdr*>(memory.bytes.data());
         mnl_nlmsg_ok(next, left); next = mnl_nlmsg_next(next, &left)) {
      if (next->nlmsg_type == message_type(NFT_MSG_DELTABLE))
        removed_.push_back(name_in(*next, NFTA_TABLE_NAME));
      else if (next->nlmsg_type == message_type(NFT_MSG_NEWGEN))
        changes.push_back(
          {name_in(*next, NFTA_GEN_PROC_NAME), std::exchange(removed_, {})});
    }
  }
}

} // namespace weft
