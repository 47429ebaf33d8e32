// TLS 1.3 (RFC 8446) with certificates on both sides, for remote control.
//
// Nothing blocks: a stream does what its socket allows, and says what it waits
// for.  There are no session tickets, no resumption and no early data: every
// connection proves both certificates anew.  Deadlines and the number of
// connections are the caller's to bound.
#pragma once

#include "platform/certificates.hpp"
#include "platform/error.hpp"
#include "platform/file_descriptor.hpp"
#include "platform/tls_files.hpp"
#include "protocol/base/bytes.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {

namespace tls {
struct connection; // private to platform/
} // namespace tls

/// Something that is wrong with one of the files.
struct tls_finding {
  std::string tls_files::*file = nullptr;
  bool is_error = true; ///< else it works so far, or could not be looked at
  std::string message;  ///< a sentence with the remedy
};

/// What would keep a server from using its files at `now`, or soon will.
std::vector<tls_finding>
check_server_files(const tls_files& files, wall_time now);

/// What a client should be told of its own certificate at `now`: a clause with
/// the remedy.  Nothing: there is time, or it cannot be read, which whoever
/// uses it says.
std::optional<std::string>
own_certificate_ends_soon(const tls_files& files, wall_time now);

enum class tls_status : std::uint8_t {
  done,
  wants_read,  ///< call again when the socket can be read
  wants_write, ///< call again when the socket can be written
  closed,      ///< the other side has ended what it sends
  failed,      ///< for good; failure() says why
};

struct tls_result {
  tls_status status = tls_status::failed;
  std::size_t bytes = 0; ///< of data; at least 1 if a read or write is done
};

/// Who is at the other end, as its certificate says.
struct tls_peer {
  std::string name;
  /// A server sees no nodes here, as they cannot be clients.  Who has no name
  /// has no role.
  std::optional<control_role> role;
  std::string serial;
  std::string fingerprint;
  wall_time not_after{};
};

/// One connection.  Owns its socket; never raises SIGPIPE.  It may outlive the
/// context that it comes from.
class tls_stream {
public:
  tls_stream(tls_stream&&) noexcept;
  tls_stream& operator=(tls_stream&&) noexcept;
  ~tls_stream();

  /// Of the socket, to be watched.
  int descriptor() const;

  /// Comes first, and is called until it is done.  For a client that means
  /// that it knows the server, not that the server accepts it: a refusal
  /// fails a later read() or write(), which then says why.
  tls_result handshake();
  /// Whether the other side's first message has come whole.
  bool has_heard() const;

  /// Reads up to `into.size()` bytes, of one record at most.  Call it until it
  /// wants something: the socket does not show what is left of a record.
  tls_result read(byte_span into);

  /// Writes some of the bytes, 16 KiB at most.  After a `wants_`, call it
  /// again with the same bytes in front, wherever they lie by then.
  tls_result write(const_byte_span bytes);

  /// Ends what this side sends; reading goes on.  Does not wait for the other.
  tls_result shutdown();

  /// Once the handshake is done.
  tls_peer peer() const;

  /// Why an operation failed: a clause that completes "Connection lost: ...".
  const std::string& failure() const;
  /// Whether it failed because the other side does not take our certificate.
  bool was_refused() const;

private:
  friend class tls_context;
  explicit tls_stream(std::unique_ptr<tls::connection> made);
  std::unique_ptr<tls::connection> connection_;
};

/// What the connections of one side share: the files, as they were when they
/// were last found in order.  They are kept in memory, so that they need not
/// be readable later on.
class tls_context {
public:
  /// Errors name the file and the remedy.  Clients must show a certificate for
  /// clients, servers one for servers (RFC 5280 section 4.2.1.12): this goes
  /// for the own certificate, too.
  static result<tls_context> server(tls_files files);
  static result<tls_context> client(tls_files files);

  tls_context(tls_context&&) noexcept;
  tls_context& operator=(tls_context&&) noexcept;
  ~tls_context();

  /// Loads the files again if one was changed since they were taken over; true
  /// if something was.  What cannot be used is an error, once for each reason,
  /// and is tried again with each call until it can: the former keeps in force
  /// meanwhile.  The own certificate with its key, and the authority with its
  /// revocations, are taken over independently, so that a mistake in one does
  /// not hold the other up.  A list of revocations whose number (RFC 5280
  /// section 5.2.3) is lower than one that was in force is a mistake, too.
  /// Open connections stay as they are, see objection_to().
  result<bool> reload_if_changed();

  /// Whether files were changed that could not be taken over so far.
  bool is_behind() const;

  /// What there is to say that is no failure: each once.
  std::vector<std::string> take_warnings();

  /// A connection from a client that was accepted.
  result<tls_stream> accept(file_descriptor socket) const;
  /// A connection to `server_name`, a host name or an IP address, that the
  /// server's certificate must have among its subject's alternative names.
  result<tls_stream>
  connect(file_descriptor socket, const std::string& server_name) const;

  /// Why the other side of an open connection would be refused at `now`, with
  /// the authority and revocations now in force; or nothing.
  std::optional<std::string>
  objection_to(const tls_stream& stream, wall_time now) const;

  /// The own certificate, and the authority's that ends first, such as for a
  /// warning before they expire.
  const certificate_info& own() const;
  const certificate_info& authority() const;
  /// Why files that were changed are not in force; empty: they are.
  const std::string& refused() const;

private:
  struct state;
  explicit tls_context(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

} // namespace weft
