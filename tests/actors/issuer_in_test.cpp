#include "tests/actors/issuer_in_test.hpp"

#include "platform/clock.hpp"
#include "platform/stream.hpp"

#include <poll.h>

#include <array>
#include <stdexcept>

namespace weft::test {

issuer_in_test::issuer_in_test(network_pki& pki, std::string path, clock now)
  : pki_(pki), path_(std::move(path)), now_(std::move(now)) {
  const auto& root = std::get<root_contents>(pki.root.certificate.contents);
  const auto& self = std::get<issuer_contents>(pki.issuer.certificate.contents);
  core_ = must(issuer::from_journal(must(issuer::begin(root, self, now_()))));
  publish({item_key(item_kind::issuer, self.name), pki.issuer.certificate.der});
  sign_list();
  start();
}

issuer_in_test::~issuer_in_test() {
  stop();
}

void issuer_in_test::start() {
  auto opened = unix_listener::open(path_, 0600);
  listener_.emplace(must(std::move(opened)));
  stopping_ = false;
  thread_ = std::thread([this] { serve(); });
}

void issuer_in_test::stop() {
  stopping_ = true;
  if (thread_.joinable())
    thread_.join();
  listener_.reset();
}

// -- what it decides ---------------------------------------------------------

void issuer_in_test::take_over(const std::optional<byte_vector>& entry) {
  // Also in the thread of this issuer, where Catch's macros are not allowed.
  if (entry && !core_->take_over(*entry))
    throw std::logic_error{"an issuer does not understand its own entry"};
}

void issuer_in_test::publish(network_item item) {
  items_.push_back(std::move(item));
}

void issuer_in_test::sign_list() {
  const auto made = core_->list(now_());
  take_over(made.entry);
  publish({item_key(item_kind::list, core_->self().name),
           write_list_item(sign_bytes(pki_.issuer.seed, encode(made.answer)))});
}

byte_vector issuer_in_test::sign_lost_list() {
  const std::lock_guard guard(mutex_);
  revocation_list list;
  list.network = pki_.network;
  list.issuer = core_->self().name;
  list.number = core_->list_number() + 1;
  list.issued = now_();
  return write_list_item(sign_bytes(pki_.issuer.seed, encode(list)));
}

void issuer_in_test::publish_ballast(std::size_t count) {
  const std::lock_guard guard(mutex_);
  for (std::size_t i = 0; i < count; ++i)
    publish({item_key(item_kind::list, "ballast-" + std::to_string(i)),
             byte_vector(ballast_bytes, std::byte{7})});
}

std::vector<byte_vector>
issuer_in_test::certify(const certificate_terms& terms) {
  auto made = make_network_certificate(terms.contents, terms.key,
                                       {terms.from, terms.until}, pki_.issuer,
                                       pki_.random);
  REQUIRE(made);
  return {made->der, pki_.issuer.certificate.der};
}

signing_seed issuer_in_test::invite(std::uint64_t uses) {
  const std::lock_guard guard(mutex_);
  const auto seed = draw_signing_seed(pki_.random);
  invitation terms;
  terms.network = pki_.network;
  terms.token = derive_verifying_key(seed);
  terms.uses = uses;
  terms.until = now_() + std::chrono::hours{1};
  take_over(must(core_->invite(terms, now_())).entry);
  return seed;
}

void issuer_in_test::remove(const std::string& name) {
  const std::lock_guard guard(mutex_);
  const auto* member = core_->find_member(name);
  REQUIRE(member != nullptr);
  take_over(must(core_->remove(member->terms.contents.id, now_())).entry);
  sign_list();
}

void issuer_in_test::keep_secret(epoch_secret secret) {
  const std::lock_guard guard(mutex_);
  secret_ = std::move(secret);
}

issuing_answer issuer_in_test::answer(const ask_admission& what) {
  ++asked_;
  const auto request = check_signatures(what.request, what.exporter);
  if (!request)
    return issuing_refused{request.error()};
  auto made = core_->admit(*request, member_id::draw(pki_.random), now_());
  if (!made)
    return issuing_refused{made.error()};
  const auto& id = made->answer.contents.id;
  if (made->entry) {
    take_over(made->entry);
    certificates_[id] = certify(made->answer).front();
    publish({item_key(item_kind::certificate, id), certificates_[id]});
  }
  return join_answer_given{
    {{certificates_.at(id), pki_.issuer.certificate.der}, {}}};
}

issuing_answer issuer_in_test::answer(const ask_for_itself& what) {
  const auto asked = read_own_request(what.request);
  if (!asked)
    return issuing_refused{asked.error()};
  const auto* renewal = std::get_if<renewal_request>(&*asked);
  if (renewal == nullptr) {
    const auto& id = std::get<leave_request>(*asked).member;
    const auto left = core_->remove(id, now_());
    if (!left)
      return issuing_refused{left.error()};
    take_over(left->entry);
    sign_list();
    return issuing_done{};
  }
  auto made
    = core_->renew(renewal->member, renewal->key, renewal->certificate, now_());
  if (!made)
    return issuing_refused{made.error()};
  if (made->entry) {
    take_over(made->entry);
    certificates_[renewal->member] = certify(made->answer).front();
    publish({item_key(item_kind::certificate, renewal->member),
             certificates_[renewal->member]});
  }
  certified_answer made_known{
    {certificates_.at(renewal->member), pki_.issuer.certificate.der}, {}};
  if (secret_)
    made_known.secret = seal_for_token(renewal->certificate, *secret_,
                                       renewal->network, random_);
  return made_known;
}

// -- the socket --------------------------------------------------------------

void issuer_in_test::send(client& to, const issuing_answer& what) {
  const auto frame = encode_frame(what);
  std::size_t sent = 0;
  while (sent < frame.size()) {
    pollfd ready{to.socket.get(), POLLOUT, 0};
    if (::poll(&ready, 1, 10'000) != 1)
      return;
    const auto done = write_some(
      to.socket.get(), {reinterpret_cast<const char*>(frame.data()) + sent,
                        frame.size() - sent});
    if (done.what == stream_result::status::closed)
      return;
    sent += done.bytes;
  }
}

void issuer_in_test::answer_waiting(client& who) {
  if (!who.waits_after
      || (items_.size() <= *who.waits_after && boot_now() < who.until))
    return;
  issued_items answer;
  const auto begin = std::min<std::size_t>(*who.waits_after, items_.size());
  constexpr std::size_t most_bytes = std::size_t{2} << 20;
  std::size_t bytes = 0;
  answer.through = begin;
  while (answer.through < items_.size() && bytes < most_bytes) {
    answer.items.push_back(items_[answer.through++]);
    bytes += answer.items.back().content.size();
  }
  answer.more = answer.through < items_.size();
  who.waits_after.reset();
  send(who, answer);
}

/// False: it has gone.
bool issuer_in_test::take(client& from) {
  std::array<char, 4096> part{};
  const auto got = read_some(from.socket.get(), part);
  if (got.what != stream_result::status::ok)
    return got.what == stream_result::status::would_block;
  from.reader.append(std::as_bytes(std::span(part).first(got.bytes)));
  for (;;) {
    const auto frame = from.reader.next();
    if (!frame)
      return false;
    if (!*frame)
      return true;
    const auto question = read_issuing_question(**frame);
    if (!question)
      return false;
    if (const auto* items = std::get_if<ask_items>(&*question)) {
      from.waits_after = items->after;
      from.until = boot_now() + items->patience;
    } else if (const auto* admission = std::get_if<ask_admission>(&*question)) {
      send(from, answer(*admission));
    } else if (const auto* own = std::get_if<ask_for_itself>(&*question)) {
      send(from, answer(*own));
    } else {
      return false;
    }
  }
}

void issuer_in_test::serve() {
  std::vector<client> clients;
  while (!stopping_) {
    std::vector<pollfd> fds{{listener_->descriptor(), POLLIN, 0}};
    for (const auto& each : clients)
      fds.push_back({each.socket.get(), POLLIN, 0});
    constexpr int look_around = 20; // ms
    std::ignore = ::poll(fds.data(), fds.size(), look_around);
    const std::lock_guard guard(mutex_);
    if (fds.front().revents != 0) {
      if (auto came = listener_->accept())
        clients.push_back(
          {std::move(came), frame_reader{most_issuing_frame_bytes}, {}, {}});
    }
    std::vector<client> stay;
    for (auto& each : clients) {
      if (!take(each))
        continue;
      answer_waiting(each);
      stay.push_back(std::move(each));
    }
    clients = std::move(stay);
  }
}

} // namespace weft::test
