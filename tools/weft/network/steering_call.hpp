// Asks a directory that runs on this host.
#pragma once

#include "platform/error.hpp"
#include "protocol/network/steering.hpp"

#include <chrono>
#include <string>

namespace weft {

/// Blocks until the answer is there.  A directory's no is an error with its
/// words; others name the socket and what to do.
result<steering_answer>
ask_directory(const std::string& socket, const steering_question& question,
              std::chrono::milliseconds patience);

/// The same for who wants this answer only.
template <class Answer>
result<Answer>
ask_directory_for(const std::string& socket, const steering_question& question,
                  std::chrono::milliseconds patience
                  = std::chrono::seconds{30}) {
  auto answer = ask_directory(socket, question, patience);
  if (!answer)
    return tl::unexpected(std::move(answer.error()));
  if (auto* wanted = std::get_if<Answer>(&*answer))
    return std::move(*wanted);
  return tl::unexpected(make_system_error(
    0, "The directory at " + socket + " gave another answer than was asked for",
    "Are weft and weftd of one version?"));
}

} // namespace weft
