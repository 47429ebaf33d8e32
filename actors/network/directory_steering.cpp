// What root asks of a directory, and how it stands.
#include "actors/network/directory_node.hpp"

#include <utility>

namespace weft {

namespace {

/// Until the store has taken a recovery.
constexpr std::chrono::seconds recovery_patience{15};

} // namespace

void directory_node::open_steering() {
  if (steering_ || options_.steering_socket.empty())
    return;
  steering_server::host told;
  told.enters = [this] { enter_loop_context(); };
  told.asked = [this](const steering_question& question, steering_reply reply) {
    steer(question, std::move(reply));
  };
  told.failed = [this] { fail(); };
  auto opened
    = steering_server::open(loop(), options_.steering_socket, std::move(told));
  note(steering_trouble_, opened ? std::string{} : opened.error().message,
       "questions of `weft network`");
  if (opened)
    steering_ = std::move(*opened);
  else
    reopen_at_ = loop().now() + options_.limits.reopen;
}

void directory_node::steer(const steering_question& question,
                           steering_reply reply) {
  if (const auto* backup = std::get_if<ask_store_backup>(&question)) {
    if (backup->path.empty() || backup->path.front() != '/') {
      reply(steering_failed{"A backup needs a path that begins with '/'"});
      return;
    }
    const auto number = ++last_backup_;
    backups_.emplace(number, std::move(reply));
    store_->back_up(backup->path, number);
  } else if (std::holds_alternative<ask_recovery>(question)) {
    recover(std::move(reply));
  } else if (std::holds_alternative<ask_connected_members>(question)) {
    reply(members());
  } else if (const auto* items = std::get_if<ask_known_items>(&question)) {
    reply(items_after(items->after));
  } else {
    reply(state());
  }
}

// -- recovery ----------------------------------------------------------------

void directory_node::recover(steering_reply reply) {
  if (core_.recovering().empty()) {
    reply(state());
    return;
  }
  options_.log->warn("directory: it goes on with what it was shown: {}",
                     core_.recovering());
  recoveries_.push_back({std::move(reply), loop().now() + recovery_patience});
  alarm_.set(recoveries_.back().until);
  core_.recover(loop().moment());
  carry_out();
  answer_recoveries();
}

void directory_node::answer_recoveries() {
  if (core_.recovering().empty()) {
    for (auto& each : std::exchange(recoveries_, {}))
      each.reply(state());
    return;
  }
  auto waiting = std::exchange(recoveries_, {});
  for (auto& each : waiting) {
    if (each.until <= loop().now()) {
      each.reply(steering_failed{
        "The store did not take it in time: "
        + (trouble_.store.empty() ? "ask for it again" : trouble_.store)});
      continue;
    }
    alarm_.set(each.until);
    recoveries_.push_back(std::move(each));
  }
}

// -- status ------------------------------------------------------------------

directory_state directory_node::state() const {
  const auto& identity = read_->identity;
  const auto look = core_.look();
  directory_state result;
  result.name = identity.name();
  result.network = identity.network().name;
  if (tcp_)
    result.listen = tcp_->where();
  result.store = look.id;
  result.revision = look.revision;
  result.loaded = look.loaded;
  result.recovering = !core_.recovering().empty();
  result.why_recovering = core_.recovering();
  result.has_issuer = issuer_ != nullptr;
  result.items = look.items;
  result.connected = bounds_.count(connection_kind::member);
  result.joining = bounds_.count(connection_kind::joining);
  result.unknown = bounds_.count(connection_kind::unknown);
  result.admitted = admitted_;
  result.turned_away = turned_away_;
  result.trouble = trouble_;
  if (result.trouble.store.empty())
    result.trouble.store = look.store_trouble;
  result.directories = directories_;
  result.ends = identity.own.until;
  return result;
}

connected_members directory_node::members() const {
  connected_members result;
  for (const auto& [number, who] : connections_) {
    if (who.kind != connection_kind::member || who.leaving)
      continue;
    ++result.all;
    if (result.members.size() < most_connected_members)
      result.members.push_back({who.member, who.name, who.from});
  }
  return result;
}

known_items directory_node::items_after(const byte_vector& after) const {
  bucket_set wanted;
  wanted.set();
  bucket_table::place from;
  if (!after.empty())
    from = {bucket_digests::bucket_of(after), after};
  auto page = core_.items().read(wanted, from);
  known_items result;
  result.items = std::move(page.items);
  result.more = page.next.has_value();
  return result;
}

} // namespace weft
