// The issuer's journal in a file: crashes, pages of items, secrets, backups.
#include "platform/store/journal_file.hpp"

#include "tests/on_disk.hpp"
#include "tests/stores/counted_syncs.hpp"
#include "tests/stores/support.hpp"

#include <unistd.h>

#include <cstring>
#include <filesystem>

using namespace weft;
using namespace weft::test;
using Catch::Contains;

namespace {

byte_vector bytes(std::string_view text) {
  const auto all = std::as_bytes(std::span(text));
  return {all.begin(), all.end()};
}

journal_file open(const std::string& folder) {
  return must(journal_file::open(folder));
}

std::vector<byte_vector> entries_of(const journal_file& journal) {
  std::vector<byte_vector> all;
  must(journal.read([&](const_byte_span entry) {
    all.emplace_back(entry.begin(), entry.end());
    return true;
  }));
  return all;
}

epoch_secret some_secret(std::uint64_t epoch) {
  epoch_secret secret;
  secret.epoch = epoch;
  real_random().fill(secret.secret.bytes());
  return secret;
}

/// Appends batches of one to three entries, of which the last one changes an
/// item to its number, and tells each that is confirmed.
int append_for_ever(const std::string& folder, int acknowledged) {
  auto journal = journal_file::open(folder);
  if (!journal)
    return 1;
  for (;;) {
    journal_batch batch;
    const auto count = 1 + journal->length() % 3;
    const auto last = journal->length() + count;
    for (auto number = journal->length() + 1; number <= last; ++number)
      batch.entries.push_back(bytes(std::to_string(number)));
    batch.items.push_back({last, bytes("item"), bytes(std::to_string(last))});
    batch.secret = some_secret(last);
    if (!journal->append(batch))
      return 2;
    if (::write(acknowledged, &last, sizeof last) != sizeof last)
      return 3;
  }
}

/// Lets a child append for a while and kills it: the last that it told of.
std::uint64_t
append_and_kill(const std::string& folder, std::chrono::microseconds time) {
  const auto told = output_until_killed(time, [&](int acknowledged) {
    return append_for_ever(folder, acknowledged);
  });
  std::uint64_t last = 0;
  if (const auto count = told.size() / sizeof last; count > 0)
    std::memcpy(&last, &told[(count - 1) * sizeof last], sizeof last);
  return last;
}

} // namespace

TEST_CASE("a journal survives SIGKILL at any moment: what was confirmed is "
          "there, and no batch by halves") {
  const temporary_folder folder;
  const auto path = folder.path() + "/journal";
  std::uint64_t confirmed = 0;
  for (int round = 0; round < 40; ++round) {
    const std::chrono::microseconds time{real_random().next_u32() % 40'000};
    confirmed = std::max(confirmed, append_and_kill(path, time));
    const auto journal = open(path);
    CHECK(journal.length() >= confirmed);
    const auto all = entries_of(journal);
    REQUIRE(all.size() == journal.length());
    for (std::size_t i = 0; i < all.size(); ++i)
      CHECK(all[i] == bytes(std::to_string(i + 1)));
    if (journal.length() == 0)
      continue;
    CHECK(must(journal.find_item(bytes("item")))
          == bytes(std::to_string(journal.length())));
    CHECK(must(journal.secret())->epoch == journal.length());
  }
  CHECK(confirmed > 0);
}

TEST_CASE("a journal's batch is on the disk when it is confirmed") {
  const temporary_folder folder;
  auto journal = open(folder.path() + "/journal");
  for (int i = 0; i < 3; ++i) {
    const auto before = files_synchronised();
    must(journal.append({{bytes(std::to_string(i))}, {}, {}}));
    CHECK(files_synchronised() > before);
  }
}

TEST_CASE("one process keeps a journal, in a folder and a file of its own") {
  const temporary_folder folder;
  const auto path = folder.path() + "/journal";
  const auto journal = open(path);
  const auto second = journal_file::open(path);
  REQUIRE_FALSE(second);
  CHECK(second.error().failure == store_failure::unavailable);
  CHECK_THAT(second.error().message, Contains("issuer that runs"));
  CHECK(mode_of(path) == 0700U);
  CHECK(mode_of(path + '/' + journal_file_name) == 0600U);
}

TEST_CASE("items come in pages in the order of their changes, and what is no "
          "more is told of") {
  const temporary_folder folder;
  auto journal = open(folder.path() + "/journal");
  journal_batch batch;
  for (std::uint64_t number = 1; number <= 10; ++number) {
    batch.entries.push_back(bytes("entry"));
    batch.items.push_back(
      {number, bytes("c" + std::to_string(number)), bytes("content")});
  }
  must(journal.append(batch));
  const auto first = must(journal.items_after(0, 1000, 4));
  CHECK(first.items.size() == 4);
  CHECK(first.through == 4);
  CHECK(first.more);
  const auto second = must(journal.items_after(first.through, 1, 100));
  CHECK(second.items.size() == 1); // one is more than a byte
  const auto rest = must(journal.items_after(5, 1000, 100));
  CHECK(rest.items.size() == 5);
  CHECK(rest.through == 10);
  CHECK_FALSE(rest.more);

  must(journal.append(
    {{bytes("entry")}, {{11, bytes("c3"), std::nullopt}}, {}, false}));
  const auto news = must(journal.items_after(10, 1000, 100));
  CHECK(news.items.empty());
  CHECK(news.gone == std::vector<byte_vector>{bytes("c3")});
  CHECK(news.through == 11);
  CHECK_FALSE(must(journal.find_item(bytes("c3"))));
  // From a place that this journal never had: everything.
  CHECK(must(journal.items_after(99, 1000, 100)).items.size() == 9);
}

TEST_CASE("a secret that is replaced is no more in the file") {
  const temporary_folder folder;
  const auto path = folder.path() + "/journal";
  const auto first = some_secret(1);
  {
    auto journal = open(path);
    must(journal.append({{}, {}, first, false}));
    must(journal.append({{}, {}, some_secret(2), false}));
    CHECK(must(journal.secret())->epoch == 2);
    CHECK(std::filesystem::file_size(path + '/' + journal_file_name + "-wal")
          == 0);
  } // its log is brought into the file
  const std::string text(reinterpret_cast<const char*>(first.secret.data()),
                         network_secret::size);
  CHECK(content_of(path + '/' + journal_file_name).find(text)
        == std::string::npos);
}

TEST_CASE("a backup of a journal is opened as such alone, and a journal that "
          "is made of it begins other places") {
  const temporary_folder folder;
  const auto backup = folder.path() + "/backup";
  {
    auto journal = open(folder.path() + "/journal");
    must(journal.append({{bytes("entry")},
                         {{1, bytes("c1"), bytes("content")}},
                         some_secret(1),
                         false}));
    must(journal.back_up(backup));
    CHECK_FALSE(journal.back_up(backup)); // nothing is replaced
  }
  const auto other = folder.path() + "/other";
  const network_time noon{std::chrono::seconds(1'790'000'000)};
  {
    const auto opened = must(journal_backup::open(backup));
    CHECK(must(opened.first_entry()) == bytes("entry"));
    must(opened.restore_to(other, noon));
    CHECK_FALSE(opened.restore_to(other, noon));
  }
  CHECK_FALSE(journal_backup::open(other + '/' + journal_file_name));
  auto recovered = open(other);
  CHECK(recovered.is_recovering());
  CHECK(recovered.length() == 1);
  CHECK(recovered.place() > 1'790'000'000);
  CHECK(must(recovered.items_after(1, 1000, 100)).items.size() == 1);
  CHECK(
    must(recovered.items_after(recovered.place(), 1000, 100)).items.empty());
  must(recovered.append({{}, {}, {}, true}));
  CHECK_FALSE(recovered.is_recovering());

  const auto put = folder.path() + "/put";
  must(journal_file::open(put)); // makes the folder
  REQUIRE(std::rename(backup.c_str(), (put + '/' + journal_file_name).c_str())
          == 0);
  const auto opened = journal_file::open(put);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message, Contains("is a backup"));
}
