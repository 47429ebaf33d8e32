// A simulated network of members: an issuer with a journal, a directory that
// may lie, members that may lose what they had, and a way between them that
// loses, repeats and reorders.  The same seed, the same run.
#pragma once

#include "protocol/network/buckets.hpp"
#include "protocol/network/issuer.hpp"
#include "protocol/network/member_view.hpp"
#include "tests/protocol/network_support.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace weft::test {

using namespace std::chrono_literals;

/// Virtual time, and what is to happen in it.
class event_queue {
public:
  using action = std::function<void()>;

  std::chrono::milliseconds now() const {
    return now_;
  }
  void after(std::chrono::milliseconds delay, action what) {
    events_.push_back({now_ + delay, order_++, std::move(what)});
    std::push_heap(events_.begin(), events_.end());
  }
  void run_until(std::chrono::milliseconds end) {
    while (!events_.empty() && events_.front().when <= end) {
      std::pop_heap(events_.begin(), events_.end());
      const auto next = std::move(events_.back()); // with the frames in it
      events_.pop_back();
      now_ = next.when;
      next.what();
    }
    now_ = end;
  }

private:
  struct event {
    std::chrono::milliseconds when;
    std::uint64_t order;
    action what;
    bool operator<(const event& other) const {
      return std::pair(when, order) > std::pair(other.when, other.order);
    }
  };

  std::chrono::milliseconds now_{};
  std::vector<event> events_; ///< a heap, the next one first
  std::uint64_t order_ = 0;
};

/// In the place of X.509: what a certificate says, and the issuer's signature.
inline byte_vector
to_bytes(const certificate_terms& terms, const signing_seed& issuer) {
  byte_vector bytes;
  for (const auto& uri : to_uris(terms.contents)) {
    const auto line = bytes_of(uri);
    bytes.insert(bytes.end(), line.begin(), line.end());
    bytes.push_back(std::byte{'\n'});
  }
  const auto seconds = [](network_time when) {
    return number_bytes(
      static_cast<std::uint64_t>(when.time_since_epoch().count()));
  };
  auto whole = joined(
    {bytes, terms.key.bytes, seconds(terms.from), seconds(terms.until)});
  const auto made = sign(issuer, whole);
  whole.insert(whole.end(), made.begin(), made.end());
  return whole;
}

inline std::optional<verified_certificate>
to_certificate(const byte_vector& bytes, const verified_issuer& issuer) {
  constexpr std::size_t behind = 32 + 8 + 8 + 64;
  if (bytes.size() < behind)
    return std::nullopt;
  const auto whole = const_byte_span(bytes);
  signature made{};
  std::copy_n(whole.last(made.size()).begin(), made.size(), made.begin());
  if (!verify(issuer.key, whole.first(whole.size() - made.size()), made))
    return std::nullopt;
  std::vector<std::string> uris(1);
  for (const auto byte : whole.first(whole.size() - behind)) {
    if (byte == std::byte{'\n'})
      uris.emplace_back();
    else
      uris.back() += std::to_integer<char>(byte);
  }
  uris.pop_back();
  auto contents = read_uris_as<member_contents>(uris);
  if (!contents)
    return std::nullopt;
  verified_certificate result{*contents, {}, issuer.contents.name, {}, {}};
  const auto* at = whole.data() + whole.size() - behind;
  std::copy_n(at, 32, result.key.bytes.begin());
  const auto time_at = [](const std::byte* from) {
    return network_time(std::chrono::seconds(
      static_cast<std::int64_t>(load_be<std::uint64_t>(from))));
  };
  result.from = time_at(at + 32);
  result.until = time_at(at + 40);
  return result;
}

/// Kinds of items, the first byte of their keys.
inline constexpr std::byte certificate_kind{'c'};
inline constexpr std::byte record_kind{'r'};
inline constexpr std::byte list_kind{'l'};

inline byte_vector item_key(std::byte kind, const member_id& id) {
  return joined({const_byte_span(&kind, 1), id.bytes});
}

/// What directory and members have alike: items, and the view that checks them.
class replica {
public:
  replica(verified_issuer issuer, const member_view::settings& settings)
    : issuer_(std::move(issuer)), settings_(settings), view_(settings) {
    view_.add_issuer(issuer_).value();
  }

  /// Takes over what is right and newer.
  void offer(const bucket_table::item& item) {
    const auto* known = table.find(item.key);
    if (item.key.empty() || (known != nullptr && *known == item.content)
        || !take(item))
      return;
    table.put(item.key, item.content);
  }
  /// Ends and starts again, with what is on disk; its items may be lost.
  void restart(bool with_items) {
    const auto marks = view_.kept();
    auto items = all_items();
    view_ = member_view(settings_, marks);
    view_.add_issuer(issuer_).value();
    table = {};
    // Records need their certificates.
    for (const auto kind : {list_kind, certificate_kind, record_kind}) {
      for (const auto& each : items) {
        if (with_items && each.key.front() == kind)
          offer(each);
      }
    }
  }
  std::vector<bucket_table::item> all_items() const {
    bucket_set all;
    all.set();
    std::vector<bucket_table::item> items;
    std::optional<bucket_table::place> next = bucket_table::place{};
    while (next) {
      auto page = table.read(all, *next);
      items.insert(items.end(), page.items.begin(), page.items.end());
      next = page.next;
    }
    return items;
  }
  member_view& view() {
    return view_;
  }

  bucket_table table;

private:
  bool take(const bucket_table::item& item) {
    accepted<bool> result = false;
    if (item.key.front() == certificate_kind) {
      const auto certificate = to_certificate(item.content, issuer_);
      if (!certificate
          || item.key != item_key(certificate_kind, certificate->contents.id))
        return false;
      result = view_.add_certificate(*certificate);
    } else if (item.key.front() == record_kind) {
      const auto record = member_record::read(item.content);
      if (!record || item.key != item_key(record_kind, record->member()))
        return false;
      result = view_.add_record(*record);
    } else if (item.key == item_key(list_kind, {})
               && item.content.size() > sizeof(signature)) {
      signed_bytes list;
      list.content.assign(item.content.begin(),
                          item.content.end() - sizeof(signature));
      std::copy_n(item.content.end() - sizeof(signature), sizeof(signature),
                  list.signed_with.begin());
      result = view_.add_list(list);
    }
    return result && *result;
  }

  verified_issuer issuer_;
  member_view::settings settings_;
  member_view view_;
};

} // namespace weft::test
