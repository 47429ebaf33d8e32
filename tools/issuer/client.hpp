// Asks an issuer over its Unix socket, for commands.
#pragma once

#include "platform/error.hpp"
#include "protocol/network/issuing.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace weft {

inline constexpr std::chrono::seconds issuer_patience{30};

/// Where the issuer of a network listens for root.
std::string issuer_socket_path(const std::string& network);
/// And for the directory.
std::string issuer_directory_socket_path(const std::string& network);
/// Its state.
std::string issuer_folder(const std::string& network);

/// A refusal as an errno, so that a program's exit code says it, too: ENOENT is
/// a member that is not there, EINVAL and EEXIST a mistake in what was asked
/// for, EACCES what may not be.
int error_code_of(refusal why);

/// Blocks until the answer is there; an issuer's no is an answer
/// (issuing_refused).  An error names the socket and what to do; ECONNREFUSED:
/// no issuer serves it.
result<issuing_answer>
ask_issuer(const std::string& socket, const issuing_question& question,
           std::chrono::milliseconds patience = issuer_patience);

/// The same for who wants this answer only: a no becomes an error with the
/// issuer's words.
template <class Answer>
result<Answer>
ask_issuer_for(const std::string& socket, const issuing_question& question,
               std::chrono::milliseconds patience = issuer_patience);

/// All pages of what ask_tokens and ask_members get.
result<std::vector<tokens_answer::token>>
ask_all_tokens(const std::string& socket);
result<std::vector<members_answer::member>>
ask_all_members(const std::string& socket);

system_error
unexpected_answer(const std::string& socket, const issuing_answer& answer);

template <class Answer>
result<Answer>
ask_issuer_for(const std::string& socket, const issuing_question& question,
               std::chrono::milliseconds patience) {
  auto answer = ask_issuer(socket, question, patience);
  if (!answer)
    return tl::unexpected(std::move(answer.error()));
  if (auto* wanted = std::get_if<Answer>(&*answer))
    return std::move(*wanted);
  return tl::unexpected(unexpected_answer(socket, *answer));
}

} // namespace weft
