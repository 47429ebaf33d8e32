// What each of those that come in, or want to, may have of the gateway.
#include "actors/control/server/gateway.hpp"

namespace weft {

/// For the next one that has not come in yet.
void gateway::make_room(const client_origin& from) {
  if (unknown_clients() < options_.limits.unknown_clients)
    return;
  std::vector<newcomer> waiting;
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, client] : clients_) {
    if (client->is_inside())
      continue;
    waiting.push_back({client->known().from, client->has_spoken()});
    numbers.push_back(number);
  }
  if (!waiting.empty())
    client_ended(numbers[who_gives_way(waiting, from)], "too many others knock",
                 relay_end::closed);
}

/// Whether there is a place in its role, and whose it has to be.
bool gateway::find_place(const control_caller& who,
                         std::optional<std::uint64_t>& instead_of) const {
  std::vector<std::string> holders;
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, client] : clients_) {
    if (!client->is_inside() || client->known().who->role != who.role
        || client->known().who->is_master != who.is_master)
      continue;
    holders.push_back(client->known().who->identity);
    numbers.push_back(number);
  }
  if (holders.size() < options_.limits.role_clients)
    return true;
  const auto found = whose_place(holders, who.identity);
  if (found)
    instead_of = numbers[*found];
  return found.has_value();
}

std::shared_ptr<client_account> gateway::account_of(const control_caller& who) {
  auto& account
    = accounts_[who.identity + ", " + std::string{to_string(who.role)}];
  if (!account)
    account = std::make_shared<client_account>(who.role);
  return account;
}

/// Why a client that has proved who it is does not come in any more, by what
/// the files say now.
std::optional<std::string> gateway::objection_to(const gateway_client& client) {
  if (client.tls() == nullptr)
    return std::nullopt;
  load_certificates();
  return opened_->tls->objection_to(*client.tls(), loop().wall());
}

/// Says how many lines were left out of the log, and forgets the accounts of
/// those that are gone.
void gateway::tell_of_lines(time_point now) {
  if (const auto unsaid = refusals_.take_unsaid(now))
    options_.log->warn("control: {} others did not come in either", unsaid);
  if (const auto next = refusals_.next_summary())
    alarm_.set(*next);
  for (auto each = accounts_.begin(); each != accounts_.end();) {
    auto& [name, account] = *each;
    if (const auto unsaid = account->lines.take_unsaid(now))
      options_.log->warn("control: {} more lines about {} were left out",
                         unsaid, name);
    if (const auto next = account->lines.next_summary())
      alarm_.set(*next);
    if (account.use_count() == 1 && account->is_fresh(now))
      each = accounts_.erase(each);
    else
      ++each;
  }
}

} // namespace weft
