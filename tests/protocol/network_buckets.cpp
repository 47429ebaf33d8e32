#include "protocol/network/buckets.hpp"
#include "tests/catch.hpp"
#include "tests/protocol/support.hpp"

using namespace weft;
using namespace weft::test;

namespace {

byte_vector key_of(std::uint64_t number) {
  const auto bytes = number_bytes(number);
  return {bytes.begin(), bytes.end()};
}

bucket_table some_table(std::uint64_t count, std::size_t size = 10) {
  bucket_table table;
  for (std::uint64_t i = 0; i < count; ++i)
    table.put(key_of(i), byte_vector(size, std::byte(i)));
  return table;
}

/// All pages of the buckets in which `from` differs from `to`.
std::vector<bucket_table::page>
pages_between(const bucket_table& from, const bucket_table& to) {
  const auto wanted = from.digests().differing(to.digests());
  std::vector<bucket_table::page> pages{from.read(wanted, {})};
  while (pages.back().next && pages.size() < 10'000)
    pages.push_back(from.read(wanted, *pages.back().next));
  return pages;
}

std::size_t bytes_in(const bucket_table::page& page) {
  std::size_t bytes = 0;
  for (const auto& each : page.items)
    bytes += each.key.size() + each.content.size();
  return bytes;
}

} // namespace

TEST_CASE("Those who hold the same have the same digests, however it came") {
  const auto table = some_table(1000);
  bucket_table other;
  for (std::uint64_t i = 1000; i-- > 0;) {
    other.put(key_of(i), byte_vector(3));
    other.put(key_of(i), byte_vector(10, std::byte(i)));
  }
  other.put(key_of(5000), {});
  CHECK(other.digests() != table.digests());
  other.erase(key_of(5000));
  other.erase(key_of(5001));
  CHECK(other.digests() == table.digests());
  CHECK(other.size() == 1000);
  CHECK(*other.find(key_of(7)) == byte_vector(10, std::byte{7}));
  CHECK(other.find(key_of(5000)) == nullptr);
  const auto bytes = table.digests().bytes();
  CHECK(bytes.size() == 4096);
  CHECK(bucket_digests::read(bytes) == table.digests());
  CHECK_FALSE(bucket_digests::read(const_byte_span(bytes).first(4095)));
}

TEST_CASE("What differs shows in its bucket, and only there") {
  const auto table = some_table(10'000);
  for (std::uint64_t number : {0u, 77u, 9'999u}) {
    auto other = table;
    other.put(key_of(number), byte_vector(10, std::byte{1}));
    auto fewer = table;
    fewer.erase(key_of(number));
    const auto bucket = bucket_digests::bucket_of(key_of(number));
    for (const auto* each : {&other, &fewer}) {
      const auto differing = table.digests().differing(each->digests());
      CHECK(differing.count() == 1);
      CHECK(differing[bucket]);
    }
  }
  CHECK(table.digests().differing(table.digests()).none());
}

TEST_CASE("A bucket's digest is no sum that its items' owners could steer") {
  std::vector<std::uint64_t> together; // in one bucket
  for (std::uint64_t i = 0; together.size() < 2; ++i) {
    if (bucket_digests::bucket_of(key_of(i)) == 7)
      together.push_back(i);
  }
  bucket_table first;
  bucket_table second;
  bucket_table both;
  const auto put = [](bucket_table& table, std::uint64_t number) {
    table.put(key_of(number), byte_vector(10));
  };
  put(first, together[0]);
  put(second, together[1]);
  put(both, together[0]);
  put(both, together[1]);
  auto sum = first.digests().of(7);
  for (std::size_t i = 0; i < sum.size(); ++i)
    sum[i] ^= second.digests().of(7)[i];
  CHECK(sum != both.digests().of(7));
}

TEST_CASE("Differing buckets travel in pages until both hold the same") {
  const auto table = some_table(2'000, 1'000);
  bucket_table other = some_table(500, 1'000);
  const auto pages = pages_between(table, other);
  CHECK(pages.size() > 2'000'000 / most_page_bytes);
  std::set<byte_vector> keys;
  bool bounded = true;
  for (const auto& page : pages) {
    bounded = bounded && bytes_in(page) <= most_page_bytes;
    for (const auto& item : page.items) {
      CHECK(keys.insert(item.key).second);
      other.put(item.key, item.content);
    }
  }
  CHECK(bounded);
  CHECK(other.digests() == table.digests());
}

TEST_CASE("An item that is larger than a page is one of its own") {
  bucket_table table;
  for (std::uint64_t i = 0; i < 3; ++i)
    table.put(key_of(i), byte_vector(most_page_bytes + 1));
  const auto pages = pages_between(table, {});
  CHECK(pages.size() == 3);
  CHECK(pages.front().items.size() == 1);
}

TEST_CASE("A place in a bucket whose items have gone is no trap") {
  auto table = some_table(5'000, 1'000);
  bucket_set all;
  all.set();
  const auto first = table.read(all, {});
  for (const auto& each : first.items)
    table.erase(each.key);
  std::size_t seen = first.items.size();
  auto next = first.next;
  while (next) {
    const auto page = table.read(all, *next);
    seen += page.items.size();
    next = page.next;
  }
  CHECK(seen == 5'000);
  CHECK(table.read(all, {bucket_count, {}}).items.empty());
  CHECK(table.read(all, {~std::size_t{0}, {}}).items.empty());
}
