#include "protocol/tunnel/transport_cipher.hpp"

#include <openssl/evp.h>
#include <sodium.h>

#include <cstdlib>
#include <utility>
#if WEFT_HAS_IPSEC_MB
#  include <intel-ipsec-mb.h>
#endif

namespace weft {

namespace {

using nonce = byte_array<12>;

nonce make_nonce(std::uint64_t counter) {
  nonce result{};
  store_le(result.data() + 4, counter);
  return result;
}

unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

// -- libsodium ---------------------------------------------------------------

void seal_sodium(const secret<key_size>& key, std::uint64_t counter,
                 byte_span text, std::byte* tag) {
  const auto iv = make_nonce(counter);
  crypto_aead_chacha20poly1305_ietf_encrypt_detached(
    raw(text.data()), raw(tag), nullptr, raw(text.data()), text.size(), nullptr,
    0, nullptr, raw(iv.data()), raw(key.data()));
}

bool open_sodium(const secret<key_size>& key, std::uint64_t counter,
                 byte_span text, const std::byte* tag) {
  const auto iv = make_nonce(counter);
  return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
           raw(text.data()), nullptr, raw(text.data()), text.size(), raw(tag),
           nullptr, 0, raw(iv.data()), raw(key.data()))
         == 0;
}

// -- Intel's multi-buffer library --------------------------------------------

#if WEFT_HAS_IPSEC_MB

/// The library's job manager: scratch memory that belongs to one thread.
class job_manager {
public:
  job_manager() : manager_(alloc_mb_mgr(0)) {
    if (manager_ == nullptr)
      return;
    IMB_ARCH architecture = IMB_ARCH_NONE;
    init_mb_mgr_auto(manager_, &architecture);
    // On CPUs that it does not support it says so here, and only here.
    if (imb_get_errno(manager_) != 0 || architecture == IMB_ARCH_NONE) {
      free_mb_mgr(manager_);
      manager_ = nullptr;
    }
  }
  job_manager(const job_manager&) = delete;
  job_manager& operator=(const job_manager&) = delete;
  ~job_manager() {
    if (manager_ != nullptr)
      free_mb_mgr(manager_);
  }

  static job_manager& of_this_thread() {
    thread_local job_manager manager;
    return manager;
  }

  bool usable() const {
    return manager_ != nullptr;
  }

  void run(const secret<key_size>& key, std::uint64_t counter, byte_span text,
           std::byte* tag, bool encrypt) const {
    if (manager_ == nullptr)
      std::abort();
    const auto iv = make_nonce(counter);
    auto* job = IMB_GET_NEXT_JOB(manager_);
    job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    job->cipher_direction = encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job->chain_order = encrypt ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->enc_keys = job->dec_keys = key.data();
    job->key_len_in_bytes = key_size;
    job->iv = raw(iv.data());
    job->iv_len_in_bytes = iv.size();
    job->u.CHACHA20_POLY1305.aad = iv.data();
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
    job->src = raw(text.data());
    job->dst = raw(text.data());
    job->cipher_start_src_offset_in_bytes = 0;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_cipher_in_bytes = text.size();
    job->msg_len_to_hash_in_bytes = text.size();
    job->auth_tag_output = raw(tag);
    job->auth_tag_output_len_in_bytes = transport_tag_size;
    auto* done = IMB_SUBMIT_JOB_NOCHECK(manager_);
    while (done == nullptr)
      done = IMB_FLUSH_JOB(manager_);
    // A job that was not done would send plaintext: that must never happen.
    if (done->status != IMB_STATUS_COMPLETED)
      std::abort();
  }

private:
  IMB_MGR* manager_;
};

void seal_ipsec_mb(const secret<key_size>& key, std::uint64_t counter,
                   byte_span text, std::byte* tag) {
  job_manager::of_this_thread().run(key, counter, text, tag, true);
}

bool open_ipsec_mb(const secret<key_size>& key, std::uint64_t counter,
                   byte_span text, const std::byte* tag) {
  byte_array<transport_tag_size> expected;
  job_manager::of_this_thread().run(key, counter, text, expected.data(), false);
  // In constant time; libsodium's comparison takes 3 % of the whole.
  static_assert(transport_tag_size == 2 * sizeof(std::uint64_t));
  const auto difference
    = (load_le<std::uint64_t>(expected.data()) ^ load_le<std::uint64_t>(tag))
      | (load_le<std::uint64_t>(expected.data() + 8)
         ^ load_le<std::uint64_t>(tag + 8));
  return difference == 0;
}

bool has_ipsec_mb() {
  return job_manager::of_this_thread().usable();
}

#else

void seal_ipsec_mb(const secret<key_size>&, std::uint64_t, byte_span,
                   std::byte*) {
  std::abort();
}
bool open_ipsec_mb(const secret<key_size>&, std::uint64_t, byte_span,
                   const std::byte*) {
  std::abort();
}
bool has_ipsec_mb() {
  return false;
}

#endif

} // namespace

// -- OpenSSL -----------------------------------------------------------------

struct transport_cipher::evp_context {
  explicit evp_context(const secret<key_size>& key)
    : context_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
    // The key's schedule is the same in both directions.
    if (!context_
        || EVP_CipherInit_ex(context_.get(), EVP_chacha20_poly1305(), nullptr,
                             raw(key.data()), nullptr, 1)
             != 1)
      std::abort();
  }

  void seal(std::uint64_t counter, byte_span text, std::byte* tag) const {
    if (!run(counter, text, nullptr, tag))
      std::abort();
  }
  bool open(std::uint64_t counter, byte_span text, std::byte* tag) const {
    return run(counter, text, tag, nullptr);
  }

private:
  bool run(std::uint64_t counter, byte_span text, std::byte* expected,
           std::byte* tag) const {
    const auto iv = make_nonce(counter);
    auto* c = context_.get();
    int length = 0;
    if (EVP_CipherInit_ex(c, nullptr, nullptr, nullptr, raw(iv.data()),
                          expected == nullptr ? 1 : 0)
        != 1)
      return false;
    if (expected != nullptr
        && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, transport_tag_size,
                               expected)
             != 1)
      return false;
    if (!text.empty()
        && EVP_CipherUpdate(c, raw(text.data()), &length, raw(text.data()),
                            static_cast<int>(text.size()))
             != 1)
      return false;
    if (EVP_CipherFinal_ex(c, raw(text.data()) + length, &length) != 1)
      return false;
    return tag == nullptr
           || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, transport_tag_size,
                                  tag)
                == 1;
  }

  std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context_;
};

// -- the choice --------------------------------------------------------------

std::string_view to_string(cipher_backend backend) {
  switch (backend) {
    case cipher_backend::ipsec_mb:
      return "ipsec-mb";
    case cipher_backend::openssl:
      return "openssl";
    case cipher_backend::sodium:
      return "libsodium";
  }
  return "unknown";
}

const std::vector<cipher_backend>& available_cipher_backends() {
  static const auto backends = [] {
    std::vector<cipher_backend> result;
    if (has_ipsec_mb())
      result.push_back(cipher_backend::ipsec_mb);
    result.push_back(cipher_backend::openssl);
    if (sodium_init() >= 0)
      result.push_back(cipher_backend::sodium);
    return result;
  }();
  return backends;
}

bool prepare_ciphers() {
  return available_cipher_backends().front() != cipher_backend::ipsec_mb
         || has_ipsec_mb();
}

transport_cipher::transport_cipher(const secret<key_size>& key)
  : transport_cipher(key, available_cipher_backends().front()) {
}

transport_cipher::transport_cipher(const secret<key_size>& key,
                                   cipher_backend backend)
  : transport_cipher(std::make_shared<const secret<key_size>>(key), backend) {
}

transport_cipher::transport_cipher(shared_key key)
  : transport_cipher(std::move(key), available_cipher_backends().front()) {
}

transport_cipher::transport_cipher(shared_key key, cipher_backend backend)
  : backend_(backend), key_(std::move(key)) {
  if (backend == cipher_backend::openssl)
    evp_ = std::make_unique<evp_context>(*key_);
}

transport_cipher::~transport_cipher() = default;
transport_cipher::transport_cipher(transport_cipher&&) noexcept = default;
transport_cipher&
transport_cipher::operator=(transport_cipher&&) noexcept = default;

void transport_cipher::seal(std::uint64_t counter,
                            byte_span text_and_tag) noexcept {
  const auto text
    = text_and_tag.first(text_and_tag.size() - transport_tag_size);
  auto* tag = text.data() + text.size();
  switch (backend_) {
    case cipher_backend::ipsec_mb:
      seal_ipsec_mb(*key_, counter, text, tag);
      break;
    case cipher_backend::openssl:
      evp_->seal(counter, text, tag);
      break;
    case cipher_backend::sodium:
      seal_sodium(*key_, counter, text, tag);
      break;
  }
}

bool transport_cipher::open(std::uint64_t counter,
                            byte_span text_and_tag) noexcept {
  const auto text
    = text_and_tag.first(text_and_tag.size() - transport_tag_size);
  auto* tag = text.data() + text.size();
  bool valid = false;
  switch (backend_) {
    case cipher_backend::ipsec_mb:
      valid = open_ipsec_mb(*key_, counter, text, tag);
      break;
    case cipher_backend::openssl:
      valid = evp_->open(counter, text, tag);
      break;
    case cipher_backend::sodium:
      valid = open_sodium(*key_, counter, text, tag);
      break;
  }
  if (!valid)
    sodium_memzero(text.data(), text.size());
  return valid;
}

} // namespace weft
