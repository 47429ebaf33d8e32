#include "tools/weft/host/dns_calls.hpp"

#include "protocol/base/ip.hpp"

#include <utility>

namespace weft {

namespace {

/// The managers are shell scripts, or start some.
program_call call_of(std::vector<std::string> words, std::string input = {}) {
  program_call call;
  call.words = std::move(words);
  call.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  call.input = std::move(input);
  return call;
}

std::vector<std::string>
joined(std::vector<std::string> first, const std::vector<std::string>& rest) {
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

/// resolvectl(1): what a link is for, in three settings.
std::vector<program_call>
calls_of_resolved(const std::string& program, const std::string& link,
                  const dns_wish& wish) {
  std::vector<program_call> calls;
  if (!wish.servers.empty())
    calls.push_back(call_of(joined({program, "dns", link}, wish.servers)));
  auto domains = wish.domains;
  if (wish.everything)
    domains.emplace_back("~."); // names of all domains
  if (!domains.empty())
    calls.push_back(call_of(joined({program, "domain", link}, domains)));
  calls.push_back(
    call_of({program, "default-route", link, wish.everything ? "yes" : "no"}));
  return calls;
}

/// resolvconf(8): a piece of a resolv.conf.  openresolv's options have it come
/// first, and alone; Debian's knows that by its name.
program_call call_of_resolvconf(const dns_manager& by, const std::string& link,
                                const dns_wish& wish) {
  std::string text;
  for (const auto& server : wish.servers)
    text += "nameserver " + server + '\n';
  std::string domains;
  for (const auto& domain : wish.domains)
    domains += ' ' + domain;
  if (!domains.empty())
    text += "search" + domains + '\n';
  std::vector<std::string> words{by.program, "-a", by.record_prefix + link,
                                 "-m", "0"};
  if (wish.everything)
    words.emplace_back("-x");
  return call_of(std::move(words), std::move(text));
}

} // namespace

dns_wish wish_for(const std::vector<std::string>& dns, bool is_full_tunnel) {
  dns_wish wish;
  for (const auto& one : dns)
    (parse_ip_address(one) ? wish.servers : wish.domains).push_back(one);
  wish.everything
    = !wish.servers.empty() && (is_full_tunnel || wish.domains.empty());
  return wish;
}

std::vector<program_call>
calls_to_set(const dns_manager& by, const std::string& link,
             const dns_wish& wish) {
  if (by.what == dns_manager::kind::resolved)
    return calls_of_resolved(by.program, link, wish);
  return {call_of_resolvconf(by, link, wish)};
}

program_call call_to_undo(const dns_manager& by, const std::string& link) {
  if (by.what == dns_manager::kind::resolved)
    return call_of({by.program, "revert", link});
  return call_of({by.program, "-d", by.record_prefix + link, "-f"});
}

} // namespace weft
