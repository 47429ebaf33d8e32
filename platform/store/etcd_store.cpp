#include "platform/store/etcd_store.hpp"

#include "platform/store/curl.hpp"
#include "platform/store/etcd_client.hpp"
#include "platform/store/etcd_watch.hpp"
#include "platform/store/web_address.hpp"
#include "protocol/base/ip.hpp"
#include "protocol/base/text.hpp"

#include <algorithm>
#include <cstring>

namespace weft {

namespace {

using etcd::call_failure;
using etcd::client;
using etcd::status;

constexpr auto range_path = "/v3/kv/range";
constexpr auto put_path = "/v3/kv/put";
constexpr auto transaction_path = "/v3/kv/txn";

template <class Id>
std::string bytes_of(const Id& id) {
  std::string bytes(id.size(), '\0');
  std::memcpy(bytes.data(), id.data(), id.size());
  return bytes;
}

tl::unexpected<store_error> failed(store_failure failure, std::string message) {
  return tl::unexpected(store_error{failure, std::move(message)});
}

/// Whether it is a node's; without TLS only on this host itself.
bool is_endpoint(const web_address& parts) {
  if (!parts.has_port || parts.has_more)
    return false;
  if (parts.secure || parts.host == "localhost")
    return true;
  const auto address = parse_ip_address(parts.host);
  return address
         && (parse_ip_prefix("127.0.0.0/8")->contains(*address)
             || address == parse_ip_address("::1"));
}

std::optional<store_error> mistake_in(const etcd_settings& settings) {
  const auto mistake = [](std::string what) {
    return store_error{store_failure::out_of_bounds, std::move(what)};
  };
  if (settings.endpoints.empty())
    return mistake("The directory's store in etcd has no endpoint: name each "
                   "node's, as in https://HOST:2379");
  for (const auto& endpoint : settings.endpoints) {
    const auto parts = read_address(endpoint);
    if (parts && parts->has_user)
      return mistake("The endpoint " + without_user(endpoint)
                     + " has a name or a password in it: they are settings of "
                       "their own");
    if (!parts || !is_endpoint(*parts))
      return mistake("'" + without_user(endpoint)
                     + "' is no endpoint of etcd: write https://HOST:PORT, or "
                       "http://127.0.0.1:PORT for one on this host");
    if (parts->secure && settings.authority.empty())
      return mistake("The endpoint " + endpoint
                     + " needs the file of the authority that the nodes' "
                       "certificates are from");
  }
  const auto longest = longest_store_key - std::string{"e/"}.size();
  if (settings.prefix.size() > longest || settings.writer.empty()
      || settings.prefix.size() + settings.writer.size() > longest)
    return mistake("The directory's store in etcd needs a writer's name, and "
                   "together with the prefix it must not be longer than "
                   + std::to_string(longest) + " bytes");
  return std::nullopt;
}

/// Whether an answer has what was asked for and nothing else, in order; whoever
/// stands in etcd's place may answer anything.
bool fits(const etcd::range_request& asked, const etcd::range_answer& answer) {
  const std::string* last = nullptr;
  for (const auto& entry : answer.entries) {
    const bool inside = asked.end.empty()
                          ? entry.key == asked.key
                          : entry.key >= asked.key && entry.key < asked.end;
    if (!inside || (last != nullptr && entry.key <= *last))
      return false;
    last = &entry.key;
  }
  return answer.entries.size() <= asked.most
         && (!answer.more || !answer.entries.empty());
}

class etcd_store final : public directory_store {
public:
  explicit etcd_store(std::shared_ptr<etcd::access> shared)
    : shared_(std::move(shared)), client_(shared_) {
  }

  /// Learns the id, or makes it, and claims the writer's name.
  store_result<void> begin(bool anew = false) {
    if (auto learned = learn_id(anew); !learned)
      return learned;
    request_id claim{};
    shared_->random.fill(claim);
    const auto text
      = etcd::to_json(etcd::put_operation{writer_key(), bytes_of(claim)});
    const auto made = ask(deadline(), put_path, text, etcd::parse_done);
    if (!made)
      return tl::unexpected(made.error().error);
    last_ = made->revision;
    ours_ = {bytes_of(claim)};
    return {};
  }

  store_id id() const override {
    return id_;
  }

  /// What etcd is now counts, also if it was put back to an older day.
  store_result<store_id> renew_id() override {
    cluster_ = 0;
    newest_ = 0;
    shared_->wrote_heartbeat(0);
    if (auto renewed = begin(true); !renewed)
      return tl::unexpected(std::move(renewed.error()));
    return id_;
  }

  store_result<std::optional<store_entry>>
  get(const std::string& key) override {
    auto answer = read({entry_key(key)});
    if (!answer)
      return tl::unexpected(std::move(answer.error()));
    if (answer->entries.empty())
      return std::nullopt;
    auto& entry = answer->entries.front();
    return store_entry{key, std::move(entry.value), entry.changed};
  }

  store_result<store_page> list(const store_range& range) override {
    if (auto mistake = weft::mistake_in(range))
      return tl::unexpected(std::move(*mistake));
    const auto prefix = entry_key(range.prefix);
    etcd::range_request request{
      range.after.empty() ? prefix : entry_key(range.after) + '\0',
      end_of_prefix(prefix), range.at,
      std::clamp<std::size_t>(range.most, 1, largest_store_page)};
    auto answer = ask_range(request);
    // Entries that are as large as they may be: fewer of them.
    while (!answer && answer.error().too_large && request.most > 1) {
      request.most = std::max<std::size_t>(1, request.most / 4);
      answer = ask_range(request);
    }
    if (!answer)
      return tl::unexpected(std::move(answer.error().error));
    const auto skipped = entry_key({}).size();
    for (auto& entry : answer->entries)
      entry.key.erase(0, skipped);
    return store_page{std::move(answer->entries),
                      range.at != 0 ? range.at : answer->head.revision,
                      answer->more};
  }

  store_result<change_outcome> change(const store_change& change) override {
    if (auto mistake = weft::mistake_in(change))
      return tl::unexpected(std::move(*mistake));
    const auto request = bytes_of(change.request);
    const auto until = deadline();
    while (true) {
      const auto made
        = ask(until, transaction_path, transaction(change, request),
              etcd::parse_transaction);
      if (!made) {
        if (!made.error().in_doubt)
          return tl::unexpected(made.error().error);
        note_doubt(request);
        return tl::unexpected(in_doubt_about(made.error().error));
      }
      if (made->succeeded)
        return settled(request, made->head.revision);
      const auto last = made->read.empty() ? store_entry{} : made->read.front();
      if (last.value == request)
        return settled(request, last.changed);
      if (last.changed == last_) {
        const auto refused = refuse(request, made->head.revision, until);
        if (!refused)
          return tl::unexpected(refused.error());
        if (*refused)
          return **refused;
        continue; // something came late, or another process is there
      }
      if (std::find(ours_.begin(), ours_.end(), last.value) == ours_.end())
        return failed(store_failure::superseded,
                      "Another process writes to etcd as '"
                        + printable(shared_->settings.writer)
                        + "': give each directory a name of its own, and run "
                          "it once");
      last_ = last.changed; // one of ours that nobody had an answer to
      if (client_.now() >= until)
        return failed(store_failure::unavailable, "etcd answers too slowly");
    }
  }

  store_result<std::unique_ptr<store_watch>>
  watch(const std::string& prefix, store_revision from) override {
    return std::make_unique<etcd::watch>(shared_, prefix, from);
  }

  store_result<void> compact(store_revision revision) override {
    const auto made = ask(deadline(), "/v3/kv/compaction",
                          etcd::compaction_request(std::min(revision, newest_)),
                          etcd::parse_done);
    // One that was compacted already is out of its range.
    if (!made && made.error().code != status::out_of_range)
      return tl::unexpected(made.error().error);
    return {};
  }

  store_result<void> keep_present(const std::string& value) override {
    const auto until = deadline();
    if (auto kept = keep_lease(until); !kept)
      return kept;
    const auto text = etcd::to_json(etcd::put_operation{
      presence_key(shared_->settings.writer), value, lease_});
    const auto made = ask(until, put_path, text, etcd::parse_done);
    if (!made) {
      if (made.error().code == status::not_found)
        lease_ = 0; // it ended on the way; the next call grants another
      return tl::unexpected(made.error().error);
    }
    shared_->wrote_heartbeat(made->revision);
    return {};
  }

  store_result<std::vector<store_presence>> present() override {
    const auto prefix = presence_key({});
    auto answer = read({prefix, end_of_prefix(prefix), 0, largest_store_page});
    if (!answer)
      return tl::unexpected(std::move(answer.error()));
    std::vector<store_presence> all;
    for (auto& entry : answer->entries)
      all.push_back({entry.key.substr(prefix.size()), std::move(entry.value)});
    return all;
  }

  void cancel() override {
    shared_->cancel_all();
  }

private:
  std::string entry_key(const std::string& key) const {
    return shared_->settings.prefix + "e/" + key;
  }
  std::string writer_key() const {
    return shared_->settings.prefix + "w/" + shared_->settings.writer;
  }
  std::string presence_key(const std::string& name) const {
    return shared_->settings.prefix + "p/" + name;
  }
  time_point deadline() const {
    return client_.now() + shared_->settings.patience;
  }

  /// Calls, reads the answer, and sees to it that it is of the same history, in
  /// which revisions only rise.
  template <class Parse>
  auto
  ask(time_point until, const char* path, const std::string& body, Parse parse)
    -> etcd::call_result<std::remove_cvref_t<decltype(*parse(body))>> {
    auto text = client_.call(path, body, until);
    if (!text)
      return tl::unexpected(std::move(text.error()));
    auto answer = parse(*text);
    if (!answer)
      return tl::unexpected(
        call_failure{error_of(answer.error()), answer.error().code, true});
    // What another history has done is not in doubt: it is none of ours.
    if (auto another = check_history(head_of(*answer)))
      return tl::unexpected(call_failure{std::move(*another), {}, false});
    return std::move(*answer);
  }

  static const etcd::header& head_of(const etcd::header& answer) {
    return answer;
  }
  template <class T>
  static const etcd::header& head_of(const T& answer) {
    return answer.head;
  }

  std::optional<store_error> check_history(const etcd::header& head) {
    const auto restored = [](const std::string& how) {
      return store_error{store_failure::damaged,
                         "etcd is " + how
                           + ": it was restored from a backup. Say so by 'weft "
                             "network recover'"};
    };
    if (cluster_ != 0 && head.cluster != cluster_)
      return restored("another cluster than before");
    if (head.revision < newest_)
      return restored("at revision " + std::to_string(head.revision)
                      + " where it was at " + std::to_string(newest_)
                      + " before");
    newest_ = head.revision;
    return std::nullopt;
  }

  etcd::call_result<etcd::range_answer>
  ask_range(const etcd::range_request& request) {
    auto answer
      = ask(deadline(), range_path, to_json(request), etcd::parse_range);
    if (answer && !fits(request, *answer))
      return tl::unexpected(
        call_failure{{store_failure::damaged,
                      "etcd answers with other entries than those that were "
                      "asked for. Look at what stands before it"},
                     status::malformed,
                     false});
    return answer;
  }

  store_result<etcd::range_answer> read(const etcd::range_request& request) {
    auto made = ask_range(request);
    if (!made)
      return tl::unexpected(std::move(made.error().error));
    return std::move(*made);
  }

  std::string
  transaction(const store_change& change, const std::string& request) const {
    etcd::transaction_request made;
    made.conditions.push_back({writer_key(), last_});
    for (const auto& condition : change.conditions)
      made.conditions.push_back({entry_key(condition.key), condition.changed});
    for (const auto& write : change.writes)
      made.writes.push_back({entry_key(write.key), write.value});
    made.writes.push_back({writer_key(), request});
    made.otherwise_read = writer_key();
    return to_json(made);
  }

  /// The conditions of a request did not hold at a revision, for good. Nothing:
  /// something came in between.
  store_result<std::optional<change_outcome>>
  refuse(const std::string& request, store_revision at, time_point until) {
    if (!client_.may_come_late())
      return change_outcome{false, at};
    const auto fenced = fence(until);
    if (!fenced) {
      note_doubt(request);
      return tl::unexpected(in_doubt_about(fenced.error()));
    }
    if (*fenced)
      return change_outcome{false, last_};
    return std::nullopt;
  }

  /// Changes the writer's key, so that what was sent before is not done any
  /// more.  False: it has changed otherwise.
  store_result<bool> fence(time_point until) {
    request_id name{};
    shared_->random.fill(name);
    const auto request = bytes_of(name);
    note_doubt(request);
    const auto made = ask(until, transaction_path, transaction({}, request),
                          etcd::parse_transaction);
    if (!made)
      return tl::unexpected(made.error().error);
    if (made->succeeded)
      settled(request, made->head.revision);
    return made->succeeded;
  }

  change_outcome settled(const std::string& request, store_revision at) {
    last_ = at;
    ours_ = {request};
    return {true, at};
  }

  void note_doubt(const std::string& request) {
    if (std::find(ours_.begin(), ours_.end(), request) == ours_.end())
      ours_.push_back(request);
  }

  static store_error in_doubt_about(const store_error& error) {
    if (error.failure == store_failure::cancelled)
      return error;
    return {store_failure::unknown_outcome,
            error.message
              + ". Whether the change was made is not known: it is asked for "
                "again"};
  }

  store_result<void> keep_lease(time_point until) {
    if (lease_ != 0) {
      const auto text = client_.call("/v3/lease/keepalive",
                                     etcd::keep_alive_request(lease_), until);
      if (!text)
        return tl::unexpected(text.error().error);
      const auto left = etcd::parse_kept(*text);
      if (!left)
        return tl::unexpected(error_of(left.error()));
      if (*left != 0)
        return {};
    }
    // Its number is ours, so that repetitions grant no second one.
    const auto lease = (std::uint64_t{shared_->random.next_u32()} << 31)
                       | shared_->random.next_u32() >> 1 | 1U;
    const auto granted = client_.call(
      "/v3/lease/grant", etcd::grant_request(lease, presence_lasts), until);
    const bool already
      = !granted && granted.error().code == status::failed_precondition;
    if (!granted && !already)
      return tl::unexpected(granted.error().error);
    lease_ = lease;
    return {};
  }

  /// The id stands beside the cluster's, which changes when a backup is
  /// restored: then the id must change as well.
  store_result<void> learn_id(bool anew) {
    const auto key = shared_->settings.prefix + "id";
    store_id fresh{};
    shared_->random.fill(fresh);
    for (const auto until = deadline(); client_.now() < until;) {
      const auto found = read({key});
      if (!found)
        return tl::unexpected(found.error());
      const auto cluster = std::to_string(found->head.cluster);
      const auto present
        = found->entries.empty() ? store_entry{} : found->entries.front();
      const bool holds = present.value.size() > id_.size()
                         && present.value.substr(id_.size()) == cluster;
      const bool is_fresh = present.value == bytes_of(fresh) + cluster;
      if (holds && (!anew || is_fresh)) {
        std::memcpy(id_.data(), present.value.data(), id_.size());
        cluster_ = found->head.cluster;
        return {};
      }
      const auto made = ask(
        until, transaction_path,
        to_json(etcd::transaction_request{
          {{key, present.changed}}, {{key, bytes_of(fresh) + cluster}}, key}),
        etcd::parse_transaction);
      if (!made && !made.error().in_doubt)
        return tl::unexpected(made.error().error);
    }
    return failed(store_failure::unavailable,
                  "etcd does not keep the id of the directory's store");
  }

  std::shared_ptr<etcd::access> shared_;
  client client_;
  store_id id_{};
  std::uint64_t cluster_ = 0; ///< etcd's; 0: not known yet
  store_revision newest_ = 0; ///< that an answer was at
  store_revision last_ = 0;   ///< of the writer's key
  /// What the writer's key may hold: the last request that had an answer, and
  /// those since then that had none.
  std::vector<std::string> ours_;
  std::uint64_t lease_ = 0; ///< of the presence; 0: none yet
};

} // namespace

store_result<std::unique_ptr<directory_store>>
open_etcd_store(etcd_settings settings, const time_source& clock,
                random_source& random) {
  if (const auto loaded = load_curl(); !loaded)
    return failed(store_failure::unavailable, loaded.error().message);
  if (auto mistake = mistake_in(settings))
    return tl::unexpected(std::move(*mistake));
  auto made = std::make_unique<etcd_store>(
    std::make_shared<etcd::access>(std::move(settings), clock, random));
  if (auto begun = made->begin(); !begun)
    return tl::unexpected(std::move(begun.error()));
  return made;
}

} // namespace weft
